// Levels for everybody to see; nothing can be moved from here.

import { find, make } from "./dom.js";
import { Link } from "./link.js";
import { Meters } from "./meters.js";

const TITLES = { remainder: "everything else", master: "all together" };

const link = new Link("/meters", () => {}, false);
const meters = new Meters(link);
link.on("/rtmss/stems", (_, stems) => {
  const names = [...stems, "remainder", "master"];
  meters.keep([]);
  find("#bars").replaceChildren(...names.map((name) => {
    const bar = make("div");
    meters.add(name, bar);
    return make("li", { class: name }, make("span", {}, TITLES[name] ?? name), bar);
  }));
});
link.on("/rtmss/preset", (_, [name]) => {
  find("#scene").textContent = name;
});
link.onState((isOpen) => {
  document.body.classList.toggle("is-lost", !isOpen);
  find("#state").textContent = isOpen ? "" : "no connection";
});
