// Conditions by ear: clips of what plays, a condition made of them, and a stem that plays it.

import { fill, find, make } from "./dom.js";

const MAX_LINES = 6;

export class Capture {
  constructor(link) {
    this.link = link;
    this.name = find("#sound-name");
    this.target = find("#sound-stem");
    this.connect();
    for (const beginning of ["/rtmss/done", "/rtmss/warning", "/rtmss/fail", "/rtmss/condition/"]) {
      link.on(beginning, (address, args) => this.hear(address, args));
    }
    link.on("/rtmss/capture/open", (_, names) => this.setOpen(names));
  }

  connect() {
    const on = (id, act) => find(id).addEventListener("click", act);
    on("#take-positive", () => this.take("positive"));
    on("#take-negative", () => this.take("negative"));
    on("#take-from-now", () => this.fromNow());
    on("#build", () => this.build());
    for (const task of ["undo", "save", "inspect"]) {
      on(`#sound-${task}`, () => this.say(`/rtmss/condition/${task}`, this.chosen()));
    }
    on("#sound-clear", () => this.say("/rtmss/capture/clear", this.chosen()));
  }

  chosen() {
    if (!this.name.value.trim()) this.name.value = "sound-1";
    return this.name.value.trim();
  }

  say(address, ...args) {
    this.link.send(address, ...args);
  }

  take(role) {
    const seconds = Number(find("#sound-seconds").value);
    this.say("/rtmss/capture/last", this.chosen(), role, seconds, find("#sound-source").value);
  }

  fromNow() {
    const name = this.chosen();
    if (this.open?.includes(name)) this.say("/rtmss/capture/stop", name);
    else this.say("/rtmss/capture/start", name, "positive", find("#sound-source").value);
  }

  build() {
    const name = this.chosen();
    this.say("/rtmss/condition/build", name);
    if (this.target.value) this.say(`/rtmss/stem/${this.target.value}/condition`, name);
  }

  setOpen(names) {
    this.open = names;
    const isOpen = names.length > 0;
    find("#take-from-now").textContent = isOpen ? `Stop: ${names.join(", ")}` : "Record until stopped";
    find("#take-from-now").classList.toggle("is-on", isOpen);
  }

  setStems(names) {
    fill(this.target, ["", ...names], this.target.value);
    this.target.options[0].textContent = "no stem";
    fill(find("#sound-source"), ["input", "remainder", ...names], find("#sound-source").value || "input");
  }

  hear(address, args) {
    const kinds = {
      "/rtmss/done": () => ["", `${short(args[0])} ${args[1]}${args[2] ? `: ${args[2]}` : ""}`],
      "/rtmss/warning": () => ["warning", `${args[1]}: ${args[2]}`],
      "/rtmss/fail": () => ["failed", `${short(args[0])}: ${args[2]}`],
      "/rtmss/condition/clip": () => ["", `${args[1]}, ${args[2]}: alike ${args[3].toFixed(2)}`],
      "/rtmss/condition/source": () => ["", `${args[1]} now: alike ${args[2].toFixed(2)}`],
      "/rtmss/condition/near": () => ["", `near ${args[1]}: ${args[2].toFixed(2)}`],
    };
    if (!(address in kinds)) return;
    const [kind, words] = kinds[address]();
    const log = find("#log");
    log.prepend(make("li", { class: kind }, words));
    while (log.children.length > MAX_LINES) log.lastChild.remove();
    if (kind === "failed") say(words);
  }
}

const short = (address) => address.replace("/rtmss/", "").replaceAll("/", " ");

let timer;

/** A line that everybody sees for a moment. */
export function say(words) {
  const toast = find("#toast");
  toast.textContent = words;
  toast.hidden = false;
  clearTimeout(timer);
  timer = setTimeout(() => { toast.hidden = true; }, 5000);
}
