'use strict';

const fs = require('node:fs');

/** How long who reads stderr may take to have room for a message, and how often that is looked for, in milliseconds. */
const PATIENCE = 1000;
const INTERVAL = 20;

/**
 * Writes to stdout. Nothing else here touches `process.stdout`, which Node makes non-blocking when it is first looked at:
 * it is the program's, too.
 *
 * @param {string} text
 */
function write(text) {
  process.stdout.on('error', (/** @type {NodeJS.ErrnoException} */ error) => {
    // Whoever reads may have had enough: `wasi-rs inspect app.wasm | head`.
    if (error.code !== 'EPIPE') throw error;
  });
  process.stdout.write(text);
}

/**
 * Says what went wrong, and has the process end with this code, also where nobody reads that.
 *
 * @param {string} text
 * @param {number} exitCode
 */
function complain(text, exitCode) {
  process.exitCode = exitCode;
  const fd = openOwn();
  if (fd === undefined) {
    const patience = setTimeout(() => process.exit(exitCode), PATIENCE);
    process.stderr.write(text, () => clearTimeout(patience));
    return;
  }
  const bytes = Buffer.from(text);
  const until = Date.now() + PATIENCE;
  let written = 0;
  const go = () => {
    try {
      while (written < bytes.length) written += fs.writeSync(fd, bytes, written);
    } catch (error) {
      const isFull = /** @type {NodeJS.ErrnoException} */ (error).code === 'EAGAIN';
      if (isFull && Date.now() < until) return void setTimeout(go, INTERVAL);
    }
    fs.closeSync(fd);
  };
  go();
}

/**
 * A descriptor of our own for what stderr is, which never waits: for a pipe or a terminal, where a write would wait for as
 * long as nobody reads. Nothing where there is none: files never wait, and sockets can't be opened anew.
 */
function openOwn() {
  try {
    const stat = fs.fstatSync(2);
    if (!stat.isFIFO() && !stat.isCharacterDevice()) return undefined;
    const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = fs.constants;
    return fs.openSync('/proc/self/fd/2', O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    return undefined;
  }
}

module.exports = { complain, write };
