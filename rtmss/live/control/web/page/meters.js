// Levels as bars: RMS, peak, and a peak that is held for a moment.

const LOWEST_DB = -60;
const HOLD_MS = 1200;
const PICTURE_MS = 30; // levels come no more often
const FALL_DB_PER_S = 24;

/** One bar, and what it shows. */
export class Meter {
  constructor(element) {
    this.element = element;
    element.classList.add("meter");
    element.setAttribute("aria-hidden", "true");
    [this.rms, this.peak, this.hold] = ["rms", "peak", "hold"].map((name) => {
      const bar = document.createElement("i");
      bar.className = name;
      element.append(bar);
      return bar;
    });
    this.level = { peak: -120, rms: -120 };
    this.held = -120;
    this.since = 0;
  }

  set(kind, level) {
    this.level[kind] = level;
  }

  /** Draw what has come; `now` in ms, `passed` since the last picture. */
  draw(now, passed) {
    const { peak, rms } = this.level;
    if (peak >= this.held) [this.held, this.since] = [peak, now];
    else if (now - this.since > HOLD_MS) this.held -= FALL_DB_PER_S * passed / 1000;
    this.put(this.rms, rms);
    this.put(this.peak, peak);
    this.put(this.hold, this.held);
    this.element.classList.toggle("clips", this.held >= -0.05);
  }

  put(bar, level) {
    const place = Math.max(0, Math.min(1, 1 - level / LOWEST_DB));
    bar.style.setProperty("--level", place.toFixed(3));
  }
}

/** All bars of a page, drawn with every picture. */
export class Meters {
  constructor(link) {
    this.bars = new Map();
    this.last = performance.now();
    link.on("/rtmss/meter/", (address, [level]) => {
      const [, , , name, kind] = address.split("/");
      this.bars.get(name)?.set(kind, level);
    });
    link.onState((isOpen) => {
      if (!isOpen) for (const bar of this.bars.values()) bar.level = { peak: -120, rms: -120 };
    });
    const draw = (now) => {
      requestAnimationFrame(draw);
      if (now - this.last < PICTURE_MS) return;
      for (const bar of this.bars.values()) bar.draw(now, now - this.last);
      this.last = now;
    };
    requestAnimationFrame(draw);
  }

  add(name, element) {
    this.bars.set(name, new Meter(element));
  }

  keep(names) {
    for (const name of this.bars.keys()) if (!names.includes(name)) this.bars.delete(name);
  }
}
