// The mixer: a strip for every stem, for the remainder and for the master.

import { fill, find, isPressed, make, setPressed } from "./dom.js";
import { Fader } from "./fader.js";

class Strip {
  constructor(link, owner, name, meters) {
    this.link = link;
    this.owner = owner;
    this.name = name;
    this.kind = owner.startsWith("/rtmss/stem/") ? "stem" : name;
    this.fader = new Fader(link, owner, this.name);
    const meter = make("div");
    meters.add(name, meter);
    this.mute = this.toggle("mute", "M", "Mute");
    const buttons = make("div", { class: "buttons" }, this.mute);
    if (this.kind !== "master") buttons.append(this.solo = this.toggle("solo", "S", "Solo"));
    this.element = make("section", { class: `strip ${this.kind}`, "aria-label": name },
      this.head(), this.fader.readout, buttons,
      make("div", { class: "lane" }, this.fader.track, meter), this.rows ?? "");
    this.element.addEventListener("keydown", (event) => this.press(event));
  }

  toggle(leaf, letter, word) {
    const button = make("button", {
      class: leaf, type: "button", "aria-pressed": "false", "aria-label": `${word} ${this.name}`,
      onclick: () => this.link.send(`${this.owner}/${leaf}`, !isPressed(button)),
    }, letter);
    return button;
  }

  /** The name, which opens what is moved more seldom: pan, and what the stem separates. */
  head() {
    const words = make("span", { class: "name" }, this.name);
    if (this.kind === "master") return make("h3", {}, words);
    this.rows = this.details();
    this.rows.hidden = true;
    const button = make("button", {
      class: "open", type: "button", "aria-expanded": "false",
      onclick: () => {
        this.rows.hidden = !this.rows.hidden;
        button.setAttribute("aria-expanded", this.rows.hidden ? "false" : "true");
      },
    }, words, this.sound = make("span", { class: "sound" }, "pan"));
    return make("h3", {}, button);
  }

  details() {
    this.pan = this.slider("pan", "Pan", -1, 1);
    const rows = make("div", { class: "rows" }, this.pan.row);
    if (this.kind === "stem") {
      this.condition = this.choice("condition", "Sound");
      this.second = this.choice("condition/b", "Morph to");
      this.morph = this.slider("morph", "Morph", 0, 1);
      rows.prepend(this.condition.row);
      rows.append(this.second.row, this.morph.row);
    }
    return rows;
  }

  slider(leaf, word, min, max) {
    const input = make("input", {
      type: "range", min, max, step: 0.01, "aria-label": `${word} ${this.name}`,
      oninput: () => this.link.sendSoon(`${this.owner}/${leaf}`, Number(input.value)),
      ondblclick: () => this.link.sendSoon(`${this.owner}/${leaf}`, 0),
    });
    const shown = make("output", { "aria-hidden": "true" });
    return { input, shown, row: make("label", { class: "row" }, make("span", {}, word), input, shown) };
  }

  choice(leaf, word) {
    const select = make("select", {
      "aria-label": `${word}, ${this.name}`,
      onchange: () => this.link.send(`${this.owner}/${leaf}`, select.value),
    });
    return { select, row: make("label", { class: "row" }, make("span", {}, word), select) };
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
    const button = { m: this.mute, s: this.solo }[event.key.toLowerCase()];
    if (button) {
      button.click();
      event.preventDefault();
    }
  }

  set(leaf, value) {
    if (leaf === "fader") this.fader.setFader(value);
    if (leaf === "gain") this.fader.setGainShown(value);
    if (leaf === "mute" || leaf === "solo") {
      setPressed(this[leaf], value);
      this.element.classList.toggle(leaf === "mute" ? "is-muted" : "is-solo", Boolean(value));
    }
    if (leaf === "pan") this.setPan(value);
    if (leaf === "morph") {
      this.morph.input.value = value;
      this.morph.shown.textContent = `${Math.round(100 * value)} %`;
    }
    if (leaf === "condition") this.setCondition(value);
    if (leaf === "condition/b") this.setSecond(value);
  }

  setPan(value) {
    const side = value < -0.005 ? "L" : value > 0.005 ? "R" : "";
    const words = side ? `${side} ${Math.round(100 * Math.abs(value))}` : "C";
    this.pan.input.value = value;
    this.pan.input.setAttribute("aria-valuetext", words);
    this.pan.shown.textContent = words;
  }

  setCondition(name) {
    this.sound.textContent = name === this.name ? "sound, pan" : name;
    this.sound.parentElement.classList.toggle("is-other", name !== this.name);
    fill(this.condition.select, this.names ?? [name], name);
  }

  setSecond(name) {
    fill(this.second.select, ["-", ...(this.names ?? [])], name);
    this.morph.input.disabled = name === "-";
    this.element.classList.toggle("has-second", name !== "-");
  }

  setNames(names) {
    this.names = names;
    if (!this.condition) return;
    fill(this.condition.select, names, this.link.value(`${this.owner}/condition`));
    fill(this.second.select, ["-", ...names], this.link.value(`${this.owner}/condition/b`) ?? "-");
  }
}

export class Mix {
  constructor(link, meters) {
    this.link = link;
    this.meters = meters;
    this.strips = new Map();
    this.names = [];
    this.place = find("#strips");
    link.on("/rtmss/stems", (_, names) => this.build(names));
    link.on("/rtmss/", (address, [value]) => this.take(address, value));
  }

  take(address, value) {
    const found = /^(\/rtmss\/(?:stem\/([^/]+)|(remainder|master)))\/(.+)$/.exec(address);
    if (!found) return;
    this.strips.get(found[1])?.set(found[4], value);
    if (found[4] === "solo") this.markSilent();
  }

  build(names) {
    const owners = [...names.map((name) => [`/rtmss/stem/${name}`, name]),
      ["/rtmss/remainder", "remainder"], ["/rtmss/master", "master"]];
    const wanted = new Map(owners);
    if ([...wanted.keys()].join() === [...this.strips.keys()].join()) return;
    const before = this.strips;
    this.meters.keep([...wanted.values()]);
    this.strips = new Map(owners.map(([owner, name]) =>
      [owner, before.get(owner) ?? new Strip(this.link, owner, name, this.meters)]));
    this.place.replaceChildren(...[...this.strips.values()].map((strip) => strip.element));
    this.setConditions(this.names);
    for (const [address, [value]] of this.link.entries()) this.take(address, value);
    this.place.style.setProperty("--n", names.length + 2);
  }

  setConditions(names) {
    this.names = names;
    if (names.length) for (const strip of this.strips.values()) strip.setNames(names);
  }

  /** Strips that are not heard because others are solo are dimmed. */
  markSilent() {
    const isAny = [...this.strips.values()].some((one) => one.solo && isPressed(one.solo));
    this.place.classList.toggle("any-solo", isAny);
    find("#unsolo").hidden = !isAny;
  }
}
