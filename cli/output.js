'use strict';

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

module.exports = { write };
