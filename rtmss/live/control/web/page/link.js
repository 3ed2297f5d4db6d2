// The connection: a WebSocket that comes back by itself, and what the server has said last.

import { decode, encode } from "./osc.js";

export const HOME = "/rtmss";
const SHARED = ["subscribe", "meters", "ping", "presets", "conditions"].map((one) => `${HOME}/${one}`);
const PAUSES_MS = [100, 250, 500, 1000, 2000];
const QUIET_MS = 1500;
const SILENT_MS = 4000;

export class Link {
  /** Connect to a path of this server; `greet` is called with every new connection. */
  constructor(path, greet, canAsk = true) {
    this.canAsk = canAsk;
    this.values = new Map();
    this.root = HOME;
    this.isOpen = false;
    this.url = new URL(path, location.href);
    this.url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    this.greet = greet;
    this.tries = 0;
    this.waiting = new Map();
    this.listeners = [];
    this.watchers = [];
    this.commandListeners = [];
    this.heard = 0;
    this.open();
    setInterval(() => this.check(), 1000);
    addEventListener("online", () => this.retry());
    document.addEventListener("visibilitychange", () => !document.hidden && this.retry());
  }

  /** Call `act(address, args)` with everything that comes under one of the beginnings. */
  on(beginning, act) {
    this.listeners.push([beginning, act]);
  }

  /** Call `act(isOpen)` when the connection comes or goes. */
  onState(act) {
    this.watchers.push(act);
    act(this.isOpen);
  }

  /** Call `act(command, data)` with what is said of the address space. */
  onCommand(act) {
    this.commandListeners.push(act);
  }

  /** What the page calls `/rtmss/…` is found below `root` from now on, and told at once. */
  setRoot(root) {
    if (root === this.root) return;
    this.root = root;
    for (const [address, args] of [...this.entries()]) this.tellOf(address, args);
  }

  /** How the server calls it. */
  outer(address) {
    return SHARED.includes(address) ? address : address.replace(HOME, this.root);
  }

  /** How the page calls it. */
  inner(address) {
    return address.startsWith(`${this.root}/`) ? address.replace(this.root, HOME) : address;
  }

  /** All that was said last, as the page calls it. */
  *entries() {
    for (const [address, args] of this.values) yield [this.inner(address), args];
  }

  /** The first argument that an address had last. */
  value(address) {
    return this.values.get(this.outer(address))?.[0];
  }

  /** Say it now. */
  send(address, ...args) {
    if (this.isOpen) this.socket.send(encode(this.outer(address), ...args));
  }

  /** Say it with the next picture; of several to one address the last one counts. */
  sendSoon(address, ...args) {
    if (!this.waiting.size) requestAnimationFrame(() => this.flush());
    this.waiting.set(address, args);
  }

  listen(address) {
    if (this.isOpen) this.socket.send(JSON.stringify({ COMMAND: "LISTEN", DATA: address }));
  }

  flush() {
    for (const [address, args] of this.waiting) this.send(address, ...args);
    this.waiting.clear();
  }

  open() {
    const socket = new WebSocket(this.url);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      if (socket !== this.socket) return;
      this.tries = 0;
      this.heard = performance.now();
      this.isOpen = true;
      this.greet(this);
      this.tell();
    };
    socket.onmessage = (event) => socket === this.socket && this.take(event.data);
    socket.onclose = () => socket === this.socket && this.lost();
    this.socket = socket;
  }

  take(data) {
    this.heard = performance.now();
    if (typeof data === "string") {
      const { COMMAND, DATA } = JSON.parse(data);
      for (const act of this.commandListeners) act(COMMAND, DATA);
      return;
    }
    for (const { address, args } of decode(data)) {
      this.values.set(address, args);
      this.tellOf(this.inner(address), args);
    }
  }

  tellOf(address, args) {
    for (const [beginning, act] of this.listeners) {
      if (address.startsWith(beginning)) act(address, args);
    }
  }

  lost() {
    this.isOpen = false;
    this.waiting.clear();
    this.tell();
    const pause = PAUSES_MS[Math.min(this.tries, PAUSES_MS.length - 1)];
    this.tries += 1;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), pause);
  }

  /** Levels come all the time, or an answer: silence means that the other end is gone. */
  check() {
    const silent = performance.now() - this.heard;
    if (this.isOpen && silent > SILENT_MS) this.drop();
    else if (this.canAsk && silent > QUIET_MS) this.send("/rtmss/ping");
  }

  retry() {
    if (this.isOpen) this.check();
    else if (this.socket.readyState === WebSocket.CLOSED) {
      clearTimeout(this.timer);
      this.open();
    }
  }

  drop() {
    const socket = this.socket;
    this.socket = null;
    socket.close();
    this.socket = socket;
    socket.onclose = null;
    this.lost();
  }

  tell() {
    for (const act of this.watchers) act(this.isOpen);
  }
}
