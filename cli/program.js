'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { CliError, closest, reason } = require('./errors.js');
const { COMMANDS } = require('./flags.js');

/** How much of a file tells what it is. */
const HEAD = 4096;

const MAGIC = 0x6d736100; // "\0asm"

/**
 * What a file is to an engine: its path, or the bytes of a module where the file itself is something else.
 *
 * @param {string} file
 * @returns {string | Buffer}
 */
function sourceOf(file) {
  const { bytes, isWhole } = readHead(file);
  if (isText(file, bytes)) return assemble(file, isWhole ? bytes : readFile(file));
  refuse(file, bytes);
  return isWhole ? bytes : file;
}

/**
 * The bytes of a core module, from a file of it or of its text.
 *
 * @param {string} file
 * @returns {Buffer}
 */
function readProgram(file) {
  const source = sourceOf(file);
  return typeof source === 'string' ? readFile(source) : source;
}

/** The beginning of a file; what is no regular file can be read only once, so all of it. @param {string} file */
function readHead(file) {
  return attempt(file, () => {
    const descriptor = fs.openSync(file, 'r');
    try {
      if (!fs.fstatSync(descriptor).isFile())
        return { bytes: fs.readFileSync(descriptor), isWhole: true };
      const head = Buffer.alloc(HEAD);
      const length = fs.readSync(descriptor, head);
      return { bytes: head.subarray(0, length), isWhole: length < HEAD };
    } finally {
      fs.closeSync(descriptor);
    }
  });
}

/** @param {string} file */
const readFile = (file) => attempt(file, () => fs.readFileSync(file));

/** @template T @param {string} file @param {() => T} read @returns {T} */
function attempt(file, read) {
  try {
    return read();
  } catch (error) {
    const isWord = path.basename(file) === file;
    const names = COMMANDS.map(({ name }) => name);
    const meant = isWord ? closest(file, names) : undefined;
    const mend = meant ? `; did you mean the command ${meant}?` : '';
    throw new CliError(`can't read ${file}: ${reason(error)}${mend}`);
  }
}

/** Throws unless it begins as a core module. @param {string} file @param {Buffer} head */
function refuse(file, head) {
  const kind = kindOf(head);
  if (kind === 'component') {
    const mend = 'only core modules of WASI preview 1 run here; build it for wasm32-wasip1';
    throw new CliError(`${file} is a WebAssembly component (WASI 0.2); ${mend}`);
  }
  if (!kind) throw new CliError(`${file} is not a WebAssembly module: ${findings(head)}`);
}

/**
 * What a file's first eight bytes say it is.
 *
 * @param {Buffer} head
 * @returns {'module' | 'component' | undefined}
 */
function kindOf(head) {
  if (head.length < 8 || head.readUInt32LE(0) !== MAGIC) return undefined;
  // A component's "layer" stands where a core module has the upper half of its version.
  if (head.readUInt16LE(6) === 1) return 'component';
  return head.readUInt32LE(4) === 1 ? 'module' : undefined;
}

/** What a file is instead. @param {Buffer} head */
function findings(head) {
  if (head.length === 0) return 'it is empty';
  const begins = (/** @type {string} */ text) => head.toString('latin1', 0, text.length) === text;
  if (begins('\0asm'))
    return head.length < 8 ? 'it is cut off' : `its version is ${head.readUInt32LE(4)}`;
  if (begins('\x7fELF')) return 'it is a program for this machine; build it for wasm32-wasip1';
  return "it does not begin with '\\0asm'";
}

/** Whether it is WebAssembly's text: its name says so, or it begins as one does. @param {string} file @param {Buffer} head */
function isText(file, head) {
  if (path.extname(file) === '.wat') return true;
  return /^(\s|;;.*\n)*\((module\b|;)/.test(head.toString('latin1'));
}

/** @param {string} file @param {Buffer} text @returns {Buffer} */
function assemble(file, text) {
  const { watToWasm } = addon();
  if (!watToWasm) {
    const mend = `assemble it first, for instance: wat2wasm ${file}`;
    throw new CliError(
      `${file} is WebAssembly text, which this build of wasi-rs does not read; ${mend}`,
    );
  }
  try {
    return watToWasm(text.toString());
  } catch (error) {
    throw new CliError(`${file}: ${/** @type {Error} */ (error).message}`);
  }
}

/** The addon with what only the command line needs. @returns {any} */
const addon = () => require('../lib/addon.js').more();

module.exports = { addon, readProgram, sourceOf };
