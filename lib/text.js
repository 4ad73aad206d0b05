'use strict';

// Output as text and as lines.

/**
 * Decodes the captured output of an outcome or an error.
 *
 * @template {any} T
 * @param {T} outcome
 * @param {BufferEncoding} encoding
 * @param {boolean} lines
 * @returns {T}
 */
function decode(outcome, encoding, lines) {
  const target = /** @type {any} */ (outcome);
  for (const name of ['stdout', 'stderr']) {
    if (!Buffer.isBuffer(target?.[name])) continue;
    const text = target[name].toString(encoding);
    target[name] = lines ? linesOf(text) : text;
  }
  return outcome;
}

/** The lines of a text, without their ends. @param {string} text */
function linesOf(text) {
  const lines = text.split('\n').map(withoutReturn);
  if (lines.at(-1) === '') lines.pop(); // after the last end
  return lines;
}

/** @param {string} line */
const withoutReturn = (line) => (line.endsWith('\r') ? line.slice(0, -1) : line);

/**
 * The lines of a stream, as soon as each is complete.
 *
 * @param {import('node:stream').Readable} stream of text
 */
async function* linesIn(stream) {
  let rest = '';
  for await (const chunk of stream) {
    const [first, ...others] = chunk.split('\n');
    rest += first;
    for (const other of others) {
      yield withoutReturn(rest);
      rest = other;
    }
  }
  if (rest !== '') yield withoutReturn(rest);
}

module.exports = { decode, linesIn };
