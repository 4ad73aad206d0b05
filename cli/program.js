'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { setTimeout: pause } = require('node:timers/promises');
const { CliError, EXIT, closest, reason } = require('./errors.js');
const { COMMANDS } = require('./flags.js');

/** The bytes at the beginning of a file that tell its kind. */
const HEAD = 4096;

/** The number of bytes that are read of a pipe at a time. */
const PIECE = 65_536;

/** The pause between two reads of a pipe that is empty, in milliseconds. */
const PAUSE = 5;

/**
 * The source of a program for an engine: the path of its file, or the bytes of a module where the file is no
 * module itself.
 *
 * @param {string} file
 * @param {number} [timeout] the longest wait for a pipe, in milliseconds
 * @returns {Promise<string | Buffer>}
 */
async function sourceOf(file, timeout) {
  const { bytes, isWhole } = await readHead(file, timeout);
  if (isText(file, bytes)) return assemble(file, isWhole ? bytes : readFile(file));
  refuse(file, bytes);
  return isWhole ? bytes : file;
}

/**
 * The bytes of a core module, from a file of it or of its text.
 *
 * @param {string} file
 * @returns {Promise<Buffer>}
 */
async function readProgram(file) {
  const source = await sourceOf(file);
  return typeof source === 'string' ? readFile(source) : source;
}

/**
 * The beginning of a file, or all of one that is no regular file and so can be read only once.
 *
 * @param {string} file
 * @param {number} [timeout] in milliseconds
 */
async function readHead(file, timeout) {
  // To open a named pipe without a writer would block this thread.
  const { O_RDONLY, O_NONBLOCK = 0 } = fs.constants;
  const descriptor = attempt(file, () => fs.openSync(file, O_RDONLY | O_NONBLOCK));
  try {
    const stat = attempt(file, () => fs.fstatSync(descriptor));
    if (!stat.isFile()) return { bytes: await readPipe(file, descriptor, timeout), isWhole: true };
    const head = Buffer.alloc(HEAD);
    const length = attempt(file, () => fs.readSync(descriptor, head));
    return { bytes: head.subarray(0, length), isWhole: length < HEAD };
  } finally {
    fs.closeSync(descriptor);
  }
}

/**
 * The content of a pipe or a device. It is refused at once if it does not begin as a program does.
 *
 * @param {string} file
 * @param {number} descriptor non-blocking
 * @param {number} [timeout] in milliseconds
 */
async function readPipe(file, descriptor, timeout = Infinity) {
  const begun = performance.now();
  // The first writer of a named pipe may be yet to come.
  const isAwaited = fs.lstatSync(file).isFIFO();
  const pieces = [];
  let length = 0;
  for (;;) {
    const piece = attempt(file, () => readPiece(descriptor));
    if (piece && piece.length > 0) {
      pieces.push(piece);
      if (length < HEAD && length + piece.length >= HEAD)
        refuseBeginning(file, Buffer.concat(pieces));
      length += piece.length;
      if (length > addon().maxBytes) throw tooLarge(file);
    } else if (piece && (length > 0 || !isAwaited)) {
      return Buffer.concat(pieces);
    } else {
      if (performance.now() - begun >= timeout) {
        throw new CliError(`${file}: it had not been read after ${timeout} ms`, EXIT.TIMEOUT);
      }
      await pause(PAUSE);
    }
  }
}

/** The bytes that can be read now; undefined if there are none yet. @param {number} descriptor */
function readPiece(descriptor) {
  const piece = Buffer.allocUnsafe(PIECE);
  try {
    return piece.subarray(0, fs.readSync(descriptor, piece));
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EAGAIN') return undefined;
    throw error;
  }
}

/** Throws unless it begins as a program or its text. @param {string} file @param {Buffer} head */
function refuseBeginning(file, head) {
  if (!isText(file, head)) refuse(file, head);
}

/** @param {string} file */
function readFile(file) {
  return attempt(file, () => {
    if (fs.statSync(file).size > addon().maxBytes) throw tooLarge(file);
    return fs.readFileSync(file);
  });
}

/** @param {string} file */
function tooLarge(file) {
  return new CliError(`${file} is too large: ${addon().maxBytes} bytes is the most`);
}

/** @template T @param {string} file @param {() => T} read @returns {T} */
function attempt(file, read) {
  try {
    return read();
  } catch (error) {
    if (error instanceof CliError) throw error;
    const isWord = path.basename(file) === file;
    const names = COMMANDS.map(({ name }) => name);
    const meant = isWord ? closest(file, names) : undefined;
    const mend = meant ? `; did you mean the command ${meant}?` : '';
    throw new CliError(`can't read ${file}: ${reason(error)}${mend}`);
  }
}

/** Throws unless it begins as a module or component. @param {string} file @param {Buffer} head */
function refuse(file, head) {
  const refusal = addon().refusal(head);
  if (refusal !== undefined) throw new CliError(`${file} ${refusal}`);
}

/**
 * True for WebAssembly's text, by the file's name or its beginning.
 *
 * @param {string} file
 * @param {Buffer} head
 */
function isText(file, head) {
  if (path.extname(file) === '.wat') return true;
  return /^(\s|;;.*\n)*\((module\b|component\b|;)/.test(head.toString('latin1'));
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

/** The addon that reads and describes modules. @returns {any} */
const addon = () => require('../lib/addon.js').engineAddon();

module.exports = { addon, readProgram, sourceOf };
