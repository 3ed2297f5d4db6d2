// OSC 1.0 messages as bytes and back: i, f, s, T, F, h, d and b; bundles are taken apart.

const utf8 = new TextEncoder();
const text = new TextDecoder();

/** A message. Arguments are {type, value}, texts, booleans, or numbers, which go as floats. */
export function encode(address, ...args) {
  const typed = args.map(asTyped);
  const parts = [padded(address), padded("," + typed.map((one) => one.type).join(""))];
  for (const { type, value } of typed) {
    if (type === "s") parts.push(padded(value));
    if (type === "i" || type === "f") parts.push(number(type, value));
  }
  return joined(parts);
}

/** A whole number. */
export const int = (value) => ({ type: "i", value });

/** All messages of a packet, each {address, args}. */
export function decode(buffer) {
  const view = new DataView(buffer);
  return walk(view, 0, view.byteLength);
}

function asTyped(one) {
  if (typeof one === "object") return one;
  if (typeof one === "string") return { type: "s", value: one };
  if (typeof one === "boolean") return { type: one ? "T" : "F" };
  return { type: "f", value: one };
}

function padded(words) {
  const bytes = utf8.encode(words);
  const out = new Uint8Array((bytes.length >> 2 << 2) + 4);
  out.set(bytes);
  return out;
}

function number(type, value) {
  const view = new DataView(new ArrayBuffer(4));
  if (type === "i") view.setInt32(0, value);
  else view.setFloat32(0, value);
  return new Uint8Array(view.buffer);
}

function joined(parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function walk(view, start, end) {
  const [head, after] = readText(view, start);
  if (head !== "#bundle") return [readMessage(view, head, after)];
  const found = [];
  let at = after + 8; // the time tag: at once
  while (at < end) {
    const size = view.getInt32(at);
    found.push(...walk(view, at + 4, at + 4 + size));
    at += 4 + size;
  }
  return found;
}

function readMessage(view, address, start) {
  const [tags, after] = readText(view, start);
  const args = [];
  let at = after;
  for (const tag of tags.slice(1)) {
    let value = null;
    if (tag === "s") [value, at] = readText(view, at);
    else if (tag === "b") at += 4 + (view.getInt32(at) + 3 >> 2 << 2);
    else if (tag === "T" || tag === "F") value = tag === "T" ? 1 : 0;
    else [value, at] = readNumber(view, tag, at);
    args.push(value);
  }
  return { address, args };
}

function readNumber(view, tag, at) {
  if (tag === "i") return [view.getInt32(at), at + 4];
  if (tag === "f") return [view.getFloat32(at), at + 4];
  if (tag === "h") return [Number(view.getBigInt64(at)), at + 8];
  if (tag === "d") return [view.getFloat64(at), at + 8];
  return [null, at];
}

function readText(view, start) {
  let end = start;
  while (view.getUint8(end)) end += 1;
  const bytes = new Uint8Array(view.buffer, view.byteOffset + start, end - start);
  return [text.decode(bytes), (end >> 2 << 2) + 4];
}
