// Plug-ins in DAWs: which one the page is for. A live host has none, and the page is for itself.

import { find, make } from "./dom.js";
import { HOME } from "./link.js";

const LIST = `${HOME}/instance`;

export class Instances {
  constructor(link) {
    this.link = link;
    this.choice = find("#instance");
    this.choice.addEventListener("change", () => this.choose(this.choice.value));
    find("#release").addEventListener("click", () => link.send(`${HOME}/release`));
    addEventListener("hashchange", () => this.nodes && this.choose(wanted()));
    link.on(LIST, (address, args) => this.name(address, args));
  }

  /** The part of the address space that the page is for; null where no plug-in is open. */
  take(tree) {
    const isLive = !tree.instance;
    document.body.classList.toggle("is-plugin", !isLive);
    for (const part of [this.choice, find("#release")]) part.hidden = isLive;
    if (isLive) return tree;
    this.nodes = tree.instance.CONTENTS ?? {};
    const numbers = Object.keys(this.nodes);
    this.choice.replaceChildren(...numbers.map((number) =>
      make("option", { value: number }, labelled(number, this.nodes[number].VALUE))));
    find("#nobody").hidden = numbers.length > 0;
    for (const part of [this.choice, find("#release"), find("#strips"), find("#preset")]) {
      part.hidden = !numbers.length;
    }
    const chosen = [wanted(), this.number, numbers[0]].find((one) => numbers.includes(one));
    this.number = chosen;
    if (!chosen) return null;
    this.choice.value = chosen;
    this.link.setRoot(`${LIST}/${chosen}`);
    return this.nodes[chosen].CONTENTS;
  }

  /** Another one; a link to the page keeps it. */
  choose(number) {
    if (!(number in this.nodes) || number === this.number) return;
    this.number = number;
    history.replaceState(null, "", `#${number}`);
    this.changed();
  }

  name(address, args) {
    const option = [...this.choice.options].find((one) => address === `${LIST}/${one.value}`);
    if (option) option.textContent = labelled(option.value, args);
  }
}

const wanted = () => location.hash.slice(1);

const labelled = (number, [host, preset]) => `${number}: ${host || "DAW"}, ${preset}`;
