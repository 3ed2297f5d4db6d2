// The control page: one connection, and what shows and moves each part of it.

import { Capture, say } from "./capture.js";
import { fill, find, isPressed, setPressed } from "./dom.js";
import { Instances } from "./instances.js";
import { Link } from "./link.js";
import { Meters } from "./meters.js";
import { Mix } from "./mix.js";
import { Cues, Song } from "./song.js";

const FIGURES = ["load", "late", "xruns", "p99_ms", "sample_rate", "block", "device_latency",
  "recording", "recording_seconds"];
const NAMES = { p99_ms: "step", device_latency: "device" };
const WELL = ["running", "plays", "renders"];

const link = new Link("/", greet);
const meters = new Meters(link);
const mix = new Mix(link, meters);
const song = new Song(link);
const cues = new Cues(link);
const capture = new Capture(link);
const instances = new Instances(link);
let isListening = false;

function greet() {
  link.send("/rtmss/subscribe", "/rtmss");
  isListening = false;
  fetchTree();
}

/** Levels and figures, which a live host tells only to whoever asks. */
function listen(status) {
  isListening = true;
  link.send("/rtmss/meters", 30);
  for (const name of FIGURES.filter((one) => one in status)) link.listen(`/rtmss/status/${name}`);
  link.listen("/rtmss/latency");
}

const RETRY_MS = 300;
let fetching = false;
let isStale = false; // something has changed since the tree was asked for

/** What can be chosen, from the address space itself. */
async function fetchTree() {
  isStale = true;
  if (fetching) return;
  fetching = true;
  try {
    isStale = false;
    const answer = await fetch("/", { headers: { Accept: "application/json" } });
    if (answer.ok) take((await answer.json()).CONTENTS.rtmss.CONTENTS);
    else isStale = true;
  } catch {
    // The connection is gone; it is asked again with the next one.
  } finally {
    fetching = false;
    if (isStale && link.isOpen) setTimeout(fetchTree, RETRY_MS);
  }
}

function take(tree) {
  const own = instances.take(tree);
  const status = own?.status.CONTENTS ?? {};
  if (own) fill(find("#preset"), tree.presets.VALUE, own.preset.VALUE[0]);
  if (tree.meters && !isListening) listen(status);
  mix.setConditions(tree.conditions.VALUE);
  find("#panic").hidden = !tree.panic;
  for (const name of ["load", "xruns", "p99_ms", "device_latency"]) {
    figure(NAMES[name] ?? name).hidden = !(name in status);
  }
  cues.setNames(tree.cues?.VALUE ?? []);
  for (const part of [find("#capture"), find("#tab-capture")]) part.hidden = !tree.capture;
  find("#tab-song").hidden = !(tree.transport || tree.cues);
  find("#song").hidden = !tree.transport;
}

instances.changed = fetchTree;

// The head: preset, panic, connection.

find("#preset").addEventListener("change", (event) => {
  link.send("/rtmss/preset", event.target.value);
});
link.on("/rtmss/preset", (address, [name]) => {
  if (address === "/rtmss/preset") fill(find("#preset"), [...find("#preset").options].map((o) => o.value), name);
});
find("#panic").addEventListener("click", () => {
  link.send("/rtmss/panic", !isPressed(find("#panic")));
});
link.on("/rtmss/panic", (_, [on]) => {
  setPressed(find("#panic"), on);
  find("#panic").textContent = on ? "Silent: end" : "Panic";
});
find("#bypass").addEventListener("click", () => {
  link.send("/rtmss/bypass", !isPressed(find("#bypass")));
});
link.on("/rtmss/bypass", (_, [on]) => {
  setPressed(find("#bypass"), on);
  document.body.classList.toggle("is-bypassed", Boolean(on));
});
find("#unsolo").addEventListener("click", () => link.send("/rtmss/unsolo"));

link.onState((isOpen) => {
  document.body.classList.toggle("is-lost", !isOpen);
  for (const part of [find("main"), find("#head-controls")]) part.inert = !isOpen;
  showState();
});
link.on("/rtmss/status/state", showState);

function showState() {
  const state = link.isOpen ? link.value("/rtmss/status/state") ?? "connected" : "no connection";
  find("#state").textContent = state;
  document.body.classList.toggle("is-well", WELL.includes(state));
}

// Figures.

link.on("/rtmss/latency", (_, [samples, ms]) => {
  show("latency", `${ms.toFixed(1)} ms`, `${samples} samples`);
});
link.on("/rtmss/status/", (address, [value]) => {
  const name = address.split("/")[3];
  const rate = link.value("/rtmss/status/sample_rate") || 44100;
  if (name === "load") show("load", `${Math.round(100 * value)} %`, "", value >= 0.9);
  if (name === "late") show("late", String(value), "", value > 0);
  if (name === "xruns") show("xruns", String(value), "", value > 0);
  if (name === "p99_ms") show("step", `${value.toFixed(2)} ms`, "p99");
  if (name === "device_latency") show("device", `${(1000 * value / rate).toFixed(1)} ms`, `${value} samples`);
  if (name === "sample_rate" || name === "block") {
    const block = link.value("/rtmss/status/block");
    show("rate", `${(rate / 1000).toFixed(1)} kHz`, block === undefined ? "" : `block ${block}`);
  }
  if (name === "recording" || name === "recording_seconds") showRecording();
  if (name === "moved") find("#release").disabled = !value;
});

const figure = (name) => find(`#figure-${name}`);

function show(name, value, note = "", isBad = false) {
  const row = figure(name);
  row.querySelector("dd span").textContent = value;
  row.querySelector("small").textContent = note;
  row.classList.toggle("is-bad", isBad);
  if (name === "load") find("#load-short").textContent = value;
  if (name === "late") {
    find("#late-short").textContent = `${value} late`;
    find("#late-short").classList.toggle("is-bad", isBad);
  }
}

function showRecording() {
  const state = link.value("/rtmss/status/recording");
  figure("recording").hidden = !state;
  const seconds = Math.floor(link.value("/rtmss/status/recording_seconds") ?? 0);
  show("recording", state ?? "", `${seconds} s`, state === "stopped");
}

// What comes and goes.

link.onCommand(() => fetchTree());
link.on("/rtmss/stems", (_, names) => capture.setStems(names));
link.on("/rtmss/done", (_, [asked]) => asked.startsWith("/rtmss/condition/") && fetchTree());
link.on("/rtmss/fail", (_, [address, code]) => {
  if (code === "busy") say(`${address}: too much at once`);
});

// Parts of the page, one at a time on a phone.

for (const tab of document.querySelectorAll("nav button")) {
  tab.addEventListener("click", () => showTab(tab.dataset.tab));
}

function showTab(name) {
  document.body.dataset.tab = name;
  for (const tab of document.querySelectorAll("nav button")) {
    if (tab.dataset.tab === name) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  song.draw();
  scrollTo(0, 0);
}

showTab("mix");
