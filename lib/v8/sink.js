'use strict';

const { tooMuchOutput } = require('../errors.js');

// What a guest writes to a stream that is captured, in memory shared between its thread and the one that wants it: what
// has been written is there also when the guest's thread is ended in the middle of the next write.

/** Bytes of the first chunk; each is twice as long as the one before it, up to the last of these. */
const SIZES = { first: 16 * 1024, last: 16 * 1024 * 1024 };

/** Before a chunk's bytes: how many of them are written. */
const HEADER = Int32Array.BYTES_PER_ELEMENT;

/** @param {SharedArrayBuffer} chunk @returns {Int32Array} */
const lengthOf = (chunk) => new Int32Array(chunk, 0, 1);

/** The guest's end. */
class Sink {
  #room;
  #publish;
  #size = SIZES.first;
  /** @type {{ length: Int32Array, bytes: Uint8Array } | undefined} */
  #chunk;

  /**
   * @param {string} name of the stream
   * @param {number} capacity how many bytes there may be
   * @param {(chunk: SharedArrayBuffer) => void} publish tells the other end of a chunk, before anything is in it
   */
  constructor(name, capacity, publish) {
    this.name = name;
    this.capacity = capacity;
    this.#room = capacity;
    this.#publish = publish;
  }

  /** @param {Uint8Array} bytes */
  write(bytes) {
    const allowed = Math.min(bytes.length, this.#room);
    for (let at = 0; at < allowed;) at += this.#fill(bytes.subarray(at, allowed));
    this.#room -= allowed;
    if (allowed < bytes.length) throw tooMuchOutput(this.name, this.capacity);
  }

  /** Writes as much as fits into the present chunk. @param {Uint8Array} bytes @returns {number} how much */
  #fill(bytes) {
    const chunk = (this.#chunk ??= this.#next());
    const used = chunk.length[0];
    const part = bytes.subarray(0, chunk.bytes.length - used);
    chunk.bytes.set(part, used);
    Atomics.store(chunk.length, 0, used + part.length);
    if (used + part.length === chunk.bytes.length) this.#chunk = undefined;
    return part.length;
  }

  #next() {
    const chunk = new SharedArrayBuffer(HEADER + this.#size);
    this.#size = Math.min(2 * this.#size, SIZES.last);
    this.#publish(chunk);
    return { length: lengthOf(chunk), bytes: new Uint8Array(chunk, HEADER) };
  }
}

/** @param {readonly SharedArrayBuffer[]} chunks in order @returns {Buffer} what is in them now */
function collect(chunks) {
  return Buffer.concat(
    chunks.map((chunk) => new Uint8Array(chunk, HEADER, Atomics.load(lengthOf(chunk), 0))),
  );
}

module.exports = { Sink, collect };
