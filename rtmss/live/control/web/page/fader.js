// A fader: a range that is dragged from where it is, so that a touch alone never makes it jump.

import { decibels, make } from "./dom.js";

const HOLD_MS = 250;
const UNITY = 0.75; // of the taper: 0 dB
const TICKS = [["t12", "12"], ["t0", "0"], ["t14", "14"], ["t40", "40"]];
const STEPS = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 6, PageDown: -6 };

export class Fader {
  /** A fader for the strip at `owner`; `name` is what it is called. */
  constructor(link, owner, name) {
    this.link = link;
    this.owner = owner;
    this.isHeld = false;
    this.heldUntil = 0;
    this.gain = 0;
    this.input = make("input", {
      type: "range", min: 0, max: 1, step: 0.001, "aria-label": `${name} level`,
      oninput: () => this.move(Number(this.input.value)),
      onkeydown: (event) => this.press(event),
    });
    this.thumb = make("span", { class: "thumb", "aria-hidden": "true" });
    this.track = make("div", { class: "fader" },
      ...TICKS.map(ticked), this.thumb, this.input);
    this.readout = make("output", { class: "db", "aria-hidden": "true" });
    this.track.addEventListener("pointerdown", (event) => this.grab(event));
    this.track.addEventListener("dblclick", () => this.setGain(0));
  }

  /** What the server says. */
  setFader(place) {
    this.place = place;
    if (!this.isHeld && performance.now() >= this.heldUntil) this.show(place);
    else if (!this.isHeld) this.showLater();
  }

  showLater() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => !this.isHeld && this.show(this.place), HOLD_MS);
  }

  setGainShown(gain) {
    this.gain = gain;
    this.readout.textContent = decibels(gain);
    this.input.setAttribute("aria-valuetext", `${decibels(gain)} dB`);
  }

  show(place) {
    this.input.value = place;
    this.track.style.setProperty("--place", place);
  }

  /** Move to a place from 0 to 1. */
  move(place) {
    this.heldUntil = performance.now() + HOLD_MS;
    this.show(place);
    this.showLater();
    this.link.sendSoon(`${this.owner}/fader`, place);
  }

  setGain(gain) {
    this.link.sendSoon(`${this.owner}/gain`, Math.max(-120, Math.min(12, gain)));
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = STEPS[event.key];
    const places = { Home: -120, End: 12, 0: 0 };
    if (step) this.setGain(Math.max(this.gain, step > 0 ? -60 : -120) + step);
    else if (event.key in places) this.setGain(places[event.key]);
    else return;
    event.preventDefault();
  }

  grab(event) {
    if (event.button > 0 || this.input.disabled) return;
    event.preventDefault();
    this.input.focus({ preventScroll: true });
    const box = this.track.getBoundingClientRect();
    const isUpright = box.height > box.width;
    const length = (isUpright ? box.height : box.width) - 32;
    const from = { x: event.clientX, y: event.clientY, place: Number(this.input.value) };
    this.isHeld = true;
    this.track.setPointerCapture(event.pointerId);
    this.track.classList.add("held");
    const drag = (moved) => {
      const way = isUpright ? from.y - moved.clientY : moved.clientX - from.x;
      let place = Math.max(0, Math.min(1, from.place + way / length));
      if (Math.abs(place - UNITY) < 0.012) place = UNITY;
      this.move(place);
    };
    const drop = () => {
      this.isHeld = false;
      this.track.classList.remove("held");
      this.track.removeEventListener("pointermove", drag);
      if (this.place !== undefined) this.showLater();
    };
    this.track.addEventListener("pointermove", drag);
    this.track.addEventListener("lostpointercapture", drop, { once: true });
  }
}

const ticked = ([place, words]) =>
  make("span", { class: `tick ${place}`, "aria-hidden": "true" }, words);
