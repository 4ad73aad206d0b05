'use strict';

// The binary format of WebAssembly, chapter 5 of the core specification: what limit.js, meter.js and `wasi-rs inspect`
// need of it. It decides nothing about validity: V8 compiles whatever was read here, and refuses what is wrong. So it
// only has to agree with V8 on where things begin and end, and throws where it doesn't know.

const SECTION = Object.freeze({
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  export: 7,
  code: 10,
});
const MAGIC = 0x6d736100; // "\0asm"
const PAGE = 65536;

const utf8 = new TextDecoder();

/** Numbers from bytes, in order; never beyond the end. */
class Reader {
  /** @param {Uint8Array} bytes @param {number} [at] @param {number} [end] */
  constructor(bytes, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  get done() {
    return this.at >= this.end;
  }

  /** @param {string} what @returns {never} */
  fail(what) {
    throw new WebAssembly.CompileError(`${what} @+${this.at}`);
  }

  byte() {
    if (this.done) this.fail('unexpected end of the module');
    return this.bytes[this.at++];
  }

  /** @param {number} length @returns {Uint8Array} a view */
  take(length) {
    if (length > this.end - this.at) this.fail('unexpected end of the module');
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  u32() {
    const byte = this.bytes[this.at];
    if (this.done || byte >= 0x80) return this.#unsigned(32);
    this.at++; // most are this short
    return byte;
  }

  /** As a float: exact up to 2^53, and past that large enough. */
  u64() {
    return this.#unsigned(64);
  }

  /** @param {number} bits */
  #unsigned(bits) {
    let value = 0;
    for (let shift = 0; shift < bits; shift += 7) {
      const byte = this.byte();
      const room = bits - shift;
      if (room < 7 && (byte & 0x7f) >> room) this.fail('integer too large');
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    return this.fail('integer too long');
  }

  /** Passes an integer of up to 64 bits, whose value nobody asks for. */
  skipInteger() {
    for (let length = 0; length < 10; length++) if (this.byte() < 0x80) return;
    this.fail('integer too long');
  }

  name() {
    return utf8.decode(this.take(this.u32()));
  }

  /** As many as the count before them says. @template T @param {(index: number) => T} read @returns {T[]} */
  vector(read) {
    const count = this.u32();
    const items = [];
    for (let index = 0; index < count; index++) items.push(read(index));
    return items;
  }
}

/** @param {number} value @returns {number[]} LEB128 */
function unsigned(value) {
  const bytes = [];
  do {
    const low = value % 128;
    value = Math.floor(value / 128);
    bytes.push(value > 0 ? low | 0x80 : low);
  } while (value > 0);
  return bytes;
}

/** @param {readonly number[]} content @returns {number[]} with its length before it */
const sized = (content) => [...unsigned(content.length), ...content];

/** @param {readonly (readonly number[])[]} items @returns {number[]} with their count before them */
const vector = (items) => [...unsigned(items.length), ...items.flat()];

/** @param {string} text @returns {number[]} */
const name = (text) => sized([...new TextEncoder().encode(text)]);

/**
 * What a module's first eight bytes say it is.
 *
 * @param {Uint8Array} bytes
 * @returns {'module' | 'component' | undefined}
 */
function kindOf(bytes) {
  if (bytes.length < 8) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
  if (view.getUint32(0, true) !== MAGIC) return undefined;
  // A component's "layer" stands where a core module has the upper half of its version.
  if (view.getUint16(6, true) === 1) return 'component';
  return view.getUint32(4, true) === 1 ? 'module' : undefined;
}

/**
 * The sections of a core module, in order.
 *
 * @param {Uint8Array} bytes
 * @returns {{ id: number, start: number, end: number, from: number }[]} `start` to `end` is the content; at `from` the
 * section itself begins
 */
function sections(bytes) {
  if (kindOf(bytes) !== 'module')
    throw new WebAssembly.CompileError('not a core WebAssembly module');
  const reader = new Reader(bytes, 8);
  const found = [];
  while (!reader.done) {
    const from = reader.at;
    const id = reader.byte();
    const length = reader.u32();
    const start = reader.at;
    reader.take(length);
    found.push({ id, from, start, end: reader.at });
  }
  return found;
}

/**
 * What a module is to have instead of some of its bytes.
 *
 * @typedef {{ start: number, end: number, content: readonly number[] }} Edit
 *
 * @param {Uint8Array} bytes a core module
 * @param {readonly Edit[]} edits inside of sections, in any order
 * @returns {Uint8Array}
 */
function splice(bytes, edits) {
  const sorted = edits.toSorted((a, b) => a.start - b.start);
  const parts = [bytes.subarray(0, 8)];
  let next = 0;
  for (const { id, from, start, end } of sections(bytes)) {
    const content = [];
    let at = start;
    for (; next < sorted.length && sorted[next].end <= end; next++) {
      content.push(bytes.subarray(at, sorted[next].start), Uint8Array.from(sorted[next].content));
      at = sorted[next].end;
    }
    if (content.length === 0) {
      parts.push(bytes.subarray(from, end));
      continue;
    }
    content.push(bytes.subarray(at, end));
    const length = content.reduce((sum, part) => sum + part.length, 0);
    parts.push(Uint8Array.of(id, ...unsigned(length)), ...content);
  }
  return Buffer.concat(parts);
}

module.exports = { PAGE, Reader, SECTION, kindOf, name, sections, sized, splice, unsigned, vector };
