// Elements in one line, and words for numbers.

/** An element with attributes and children; `on…` attributes are listeners. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export const find = (selector) => document.querySelector(selector);

/** A button that is on or off. */
export function setPressed(button, isOn) {
  button.setAttribute("aria-pressed", isOn ? "true" : "false");
}

export const isPressed = (button) => button.getAttribute("aria-pressed") === "true";

/** Fill a choice, keeping what is chosen where it is still there. */
export function fill(select, names, chosen = select.value) {
  const same = select.options.length === names.length &&
    names.every((name, place) => select.options[place].value === name);
  if (!same) select.replaceChildren(...names.map((name) => make("option", { value: name }, name)));
  if (chosen && !names.includes(chosen)) {
    select.prepend(make("option", { value: chosen }, chosen));
  }
  select.value = chosen;
}

/** `−6.0`, or `−∞` for silence. */
export function decibels(value) {
  if (value <= -119.95) return "−∞";
  const rounded = Math.abs(value) < 0.05 ? 0 : value;
  return (rounded < 0 ? "−" : rounded > 0 ? "+" : "") + Math.abs(rounded).toFixed(1);
}

/** `1:02.5`. */
export function clock(seconds) {
  const tenths = Math.floor(seconds * 10 + 1e-6);
  const rest = String(Math.floor(tenths / 10) % 60).padStart(2, "0");
  return `${Math.floor(tenths / 600)}:${rest}.${tenths % 10}`;
}
