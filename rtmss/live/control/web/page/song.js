// The song of --file: where it is, its outline, its loop; and the cues of a set list.

import { clock, find, isPressed, make, setPressed } from "./dom.js";

const PLACE = "/rtmss/transport/";
const STEP_S = 5;
const HOLD_MS = 400; // a seek has been followed by then, and told

export class Song {
  constructor(link) {
    this.link = link;
    this.length = 0;
    this.peaks = [];
    this.at = { position: 0, since: 0, isPlaying: false };
    this.heldUntil = 0;
    this.range = find("#position");
    this.canvas = find("#outline");
    this.connect();
    link.on(PLACE, (address, [value]) => this.take(address.slice(PLACE.length), value));
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    setInterval(() => this.tick(), 100);
  }

  connect() {
    const set = (leaf, value) => this.link.send(PLACE + leaf, value);
    this.range.addEventListener("input", () => this.seek(Number(this.range.value)));
    find("#play").addEventListener("click", () => set("play", !isPressed(find("#play"))));
    find("#start").addEventListener("click", () => this.seek(this.isLooping ? this.a : 0));
    find("#back").addEventListener("click", () => this.seek(this.now() - STEP_S));
    find("#forward").addEventListener("click", () => this.seek(this.now() + STEP_S));
    find("#loop").addEventListener("click", () => set("loop", !isPressed(find("#loop"))));
    find("#set-a").addEventListener("click", () => set("a", this.now()));
    find("#set-b").addEventListener("click", () => set("b", this.now()));
  }

  take(leaf, value) {
    if (leaf === "position") this.hear(value);
    if (leaf === "length") this.setLength(value);
    if (leaf === "play") {
      this.at = { position: this.now(), since: performance.now(), isPlaying: Boolean(value) };
      setPressed(find("#play"), value);
      find("#play").setAttribute("aria-label", value ? "Pause" : "Play");
    }
    if (leaf === "loop") {
      this.isLooping = Boolean(value);
      setPressed(find("#loop"), value);
    }
    if (leaf === "a") this.a = value;
    if (leaf === "b") this.b = value;
    if (leaf === "a" || leaf === "b" || leaf === "loop") this.showLoop();
  }

  /** What was said before it could follow a seek of this page is not where it is. */
  hear(position) {
    this.heard = position;
    if (performance.now() >= this.heldUntil) this.move(position);
  }

  move(position) {
    this.at = { ...this.at, position, since: performance.now() };
    this.tick();
  }

  setLength(length) {
    if (length === this.length) return;
    this.length = length;
    find("#song").hidden = false;
    this.range.max = length;
    find("#length").textContent = length ? clock(length) : "reading…";
    if (length) this.fetchOutline();
  }

  async fetchOutline() {
    const answer = await fetch("waveform");
    this.peaks = answer.ok ? (await answer.json()).PEAKS : [];
    this.draw();
  }

  /** Where it is now, a little ahead of what was last said. */
  now() {
    const passed = this.at.isPlaying && this.link.isOpen ? performance.now() - this.at.since : 0;
    return Math.min(this.length, this.at.position + Math.min(passed, 1000) / 1000);
  }

  seek(seconds) {
    const place = Math.max(0, Math.min(this.length, seconds));
    this.heldUntil = performance.now() + HOLD_MS;
    this.move(place);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.heard !== undefined && this.move(this.heard), HOLD_MS);
    this.link.sendSoon(`${PLACE}position`, place);
  }

  tick() {
    const now = this.now();
    find("#time").textContent = clock(now);
    if (document.activeElement !== this.range || this.at.isPlaying) this.range.value = now;
    this.range.setAttribute("aria-valuetext", clock(now));
    const share = this.length ? now / this.length : 0;
    find("#song").style.setProperty("--at", share.toFixed(4));
  }

  showLoop() {
    const end = Math.min(this.b ?? this.length, this.length);
    const words = `${clock(this.a ?? 0)} – ${clock(end)}`;
    find("#loop-text").textContent = this.isLooping ? words : "off";
    this.draw();
  }

  draw() {
    const { canvas, peaks } = this;
    const scale = devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * scale);
    const height = Math.round(canvas.clientHeight * scale);
    if (!width || !height) return;
    [canvas.width, canvas.height] = [width, height];
    const pen = canvas.getContext("2d");
    const colours = getComputedStyle(canvas);
    if (this.isLooping && this.length) {
      pen.fillStyle = colours.getPropertyValue("--loop");
      const [a, b] = [this.a ?? 0, this.b ?? this.length].map((s) => s / this.length * width);
      pen.fillRect(a, 0, Math.max(2, b - a), height);
    }
    pen.fillStyle = colours.getPropertyValue("--wave");
    const bar = Math.max(2, Math.round(3 * scale));
    const n = Math.floor(width / bar);
    for (let i = 0; i < n; i += 1) {
      const part = peaks.slice(Math.floor(i / n * peaks.length),
        Math.max(1, Math.ceil((i + 1) / n * peaks.length)));
      const tall = Math.max(scale, Math.max(0, ...part) * (height - 8));
      pen.fillRect(i * bar, (height - tall) / 2, Math.max(1, bar - scale), tall);
    }
  }
}

export class Cues {
  constructor(link) {
    this.link = link;
    this.list = find("#cue-list");
    link.on("/rtmss/cue", () => this.mark());
    find("#cue-next").addEventListener("click", () => link.send("/rtmss/cue/next"));
    find("#cue-previous").addEventListener("click", () => link.send("/rtmss/cue/previous"));
  }

  setNames(names) {
    find("#cues").hidden = !names.length;
    this.list.replaceChildren(...names.map((name) => make("li", {}, make("button", {
      type: "button", "data-cue": name,
      onclick: () => this.link.send("/rtmss/cue/go", name),
    }, name))));
    this.mark();
  }

  mark() {
    const [now, next] = ["/rtmss/cue", "/rtmss/cue/upcoming"].map((one) => this.link.value(one));
    find("#cue-now").textContent = now || "none yet";
    find("#cue-upcoming").textContent = next ? shortened(next, now) : "none";
    for (const button of this.list.querySelectorAll("button")) {
      const isNow = button.dataset.cue === now;
      button.classList.toggle("is-next", button.dataset.cue === next);
      if (isNow) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
  }
}

/** A cue's name without its song's where that plays already. */
function shortened(name, now) {
  const song = `${(now ?? "").split("/")[0]}/`;
  return name.startsWith(song) ? name.slice(song.length) : name;
}
