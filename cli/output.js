'use strict';

const fs = require('node:fs');

/**
 * The time that a reader of stderr has to make room for a message, and the pause between attempts, in
 * milliseconds.
 */
const TIME_TO_WRITE = 1000;
const PAUSE = 20;

/**
 * Writes to stdout. Nothing else here touches `process.stdout`: Node makes it non-blocking at the first
 * access, and the program uses it too.
 *
 * @param {string} text
 */
function write(text) {
  process.stdout.on('error', (/** @type {NodeJS.ErrnoException} */ error) => {
    // The reader may have closed it: `wasi-rs inspect app.wasm | head`.
    if (error.code !== 'EPIPE') throw error;
  });
  process.stdout.write(text);
}

/**
 * Writes a message to stderr, and has the process end with this code, also where nobody reads it.
 *
 * @param {string} text
 * @param {number} exitCode
 */
function complain(text, exitCode) {
  process.exitCode = exitCode;
  const fd = openStderr();
  if (fd === undefined) {
    const timer = setTimeout(() => process.exit(exitCode), TIME_TO_WRITE);
    process.stderr.write(text, () => clearTimeout(timer));
    return;
  }
  writeTo(fd, text);
}

/** Writes a message to stderr, of a process that goes on. @param {string} text */
function notice(text) {
  const fd = openStderr();
  if (fd === undefined) process.stderr.write(text);
  else writeTo(fd, text);
}

/** @param {number} fd non-blocking, closed afterwards @param {string} text */
function writeTo(fd, text) {
  const bytes = Buffer.from(text);
  const until = Date.now() + TIME_TO_WRITE;
  let written = 0;
  const go = () => {
    try {
      while (written < bytes.length) written += fs.writeSync(fd, bytes, written);
    } catch (error) {
      const isFull = /** @type {NodeJS.ErrnoException} */ (error).code === 'EAGAIN';
      if (isFull && Date.now() < until) return void setTimeout(go, PAUSE);
    }
    fs.closeSync(fd);
  };
  go();
}

/**
 * A non-blocking descriptor of the pipe or terminal that stderr is: a write to stderr itself would wait for
 * as long as nobody reads. Undefined for files, which never wait, and sockets, which can't be opened anew.
 */
function openStderr() {
  try {
    const stat = fs.fstatSync(2);
    if (!stat.isFIFO() && !stat.isCharacterDevice()) return undefined;
    const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = fs.constants;
    return fs.openSync('/proc/self/fd/2', O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    return undefined;
  }
}

module.exports = { complain, notice, write };
