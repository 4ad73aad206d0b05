'use strict';

// A program: where it is, and what the engines made of it.

const fs = require('node:fs');
const path = require('node:path');
const { fileURLToPath } = require('node:url');
const { promisify } = require('node:util');
const { cacheFolder } = require('./cache.js');
const { invalidArgType } = require('./errors.js');
const wasmtime = require('./wasmtime.js');

// node:fs's own promises take 3 ms to load.
const open = promisify(fs.open);
const close = promisify(fs.close);
const read = promisify(fs.read);
const readFile = promisify(fs.readFile);
const stat = promisify(fs.stat);

/**
 * All of a file, in as few reads as the system makes of it: Node's own readFile makes two for each MiB, one after the other.
 *
 * @param {string} file
 * @returns {Promise<Uint8Array>}
 */
async function readWhole(file) {
  const fd = await open(file, 'r');
  try {
    const bytes = Buffer.allocUnsafeSlow((await promisify(fs.fstat)(fd)).size);
    let length = 0;
    while (length < bytes.length) {
      const { bytesRead } = await read(fd, bytes, length, bytes.length - length, null);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    // What was found longer than it said, such as a pipe, is for Node to read.
    const rest = await readFile(/** @type {any} */ (fd));
    return rest.length === 0
      ? bytes.subarray(0, length)
      : Buffer.concat([bytes.subarray(0, length), rest]);
  } finally {
    await close(fd);
  }
}

/** Up to this many bytes Cranelift compiles sooner than a worker starts. */
const SMALL = 64 * 1024;

/** @typedef {Code} ProgramCode */

/** A program as run(), spawn() and Program share it. */
class Code {
  /** What the engine V8 gets. @type {Promise<import('./v8/engine.js').Program> | undefined} */
  #v8;
  /** What the engine wasmtime gets. @type {Promise<unknown> | undefined} */
  #native;
  #isCompiled = false;

  /**
   * @param {string | Uint8Array} source a path or bytes
   * @param {boolean | string | undefined} cache
   * @param {boolean} [isCode] whether the bytes are machine code
   */
  constructor(source, cache, isCode = false) {
    this.source = source;
    this.isCode = isCode;
    this.cache = permitted(cacheFolder(cache));
  }

  /** Its bytes, as WebAssembly. @returns {Promise<Uint8Array>} */
  async bytes() {
    return typeof this.source === 'string' ? readWhole(this.source) : this.source;
  }

  /** For the engine wasmtime. */
  async native() {
    this.#native ??= (async () => {
      const { source, isCode, cache } = this;
      // Under the permission model it is Node that reads, and says whether that may be.
      const bytes = 'permission' in process && process.permission ? await this.bytes() : source;
      return wasmtime.makeProgram({ source: bytes, isCode, ...(cache && { cache }) });
    })();
    return this.#native;
  }

  /** For the engine V8. */
  async v8() {
    this.#v8 ??= (async () => ({ bytes: await this.bytes() }))();
    return this.#v8;
  }

  /** Makes machine code, or finds it in the cache. */
  async compile() {
    await wasmtime.ask('compile', await this.native());
    this.#isCompiled = true;
  }

  /** The machine code. @returns {Promise<Buffer>} */
  async serialize() {
    return wasmtime.ask('serialize', await this.native());
  }

  /**
   * Whether wasmtime runs it without a delay: there is machine code for these limits, or little to compile.
   *
   * @param {import('./v8/engine.js').Limits} limits
   * @returns {Promise<boolean>}
   */
  async isReady(limits) {
    if (this.#isCompiled || this.isCode) return true;
    if (this.cache && (await wasmtime.ask('isCompiled', await this.native(), limits))) return true;
    return (await this.#size()) <= SMALL;
  }

  async #size() {
    return typeof this.source === 'string' ? (await stat(this.source)).size : this.source.length;
  }
}

/** A folder that Node's permission model lets the process write to. @param {string | undefined} folder */
function permitted(folder) {
  const { permission } = /** @type {any} */ (process);
  if (folder === undefined || !permission) return folder;
  return permission.has('fs.read', folder) && permission.has('fs.write', folder)
    ? folder
    : undefined;
}

/**
 * @param {any} source what a user passed as a program
 * @param {boolean | string | undefined} cache
 * @returns {Code}
 */
function codeOf(source, cache) {
  if (typeof source === 'string') return new Code(path.resolve(source), cache);
  if (source instanceof URL) return new Code(fileURLToPath(source), cache);
  return new Code(bytesOf(source, 'source', 'of type string or an instance of URL,'), cache);
}

/** @param {any} source @param {string} name @param {string} others what it may be as well @returns {Uint8Array} */
function bytesOf(source, name, others) {
  if (ArrayBuffer.isView(source)) {
    return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  }
  const tag = Object.prototype.toString.call(source);
  if (tag === '[object ArrayBuffer]' || tag === '[object SharedArrayBuffer]') {
    return new Uint8Array(source);
  }
  throw invalidArgType(name, `${others} Uint8Array or ArrayBuffer`, source);
}

module.exports = { Code, bytesOf, codeOf };
