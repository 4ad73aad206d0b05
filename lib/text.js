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

/** Encodings in which the text is no output of the program, but shows its bytes. */
const OF_BYTES = new Set(['hex', 'base64', 'base64url']);

/** True for an encoding that has no lines. @param {unknown} encoding */
const isOfBytes = (encoding) => OF_BYTES.has(String(encoding).toLowerCase());

/**
 * Splits a text at the ends of its lines, \n or \r\n; another \r belongs to its line.
 *
 * @param {string} text
 * @returns {{ lines: string[], rest: string }} the lines without their ends, and what is behind the last end
 */
function split(text) {
  const lines = text.split('\n');
  const rest = /** @type {string} */ (lines.pop());
  return { lines: lines.map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line)), rest };
}

/** The lines of a text, without their ends. @param {string} text */
function linesOf(text) {
  const { lines, rest } = split(text);
  return rest === '' ? lines : [...lines, rest];
}

/**
 * The lines of a stream, as soon as each is complete.
 *
 * @param {import('node:stream').Readable} stream of text
 */
async function* linesIn(stream) {
  let text = '';
  for await (const chunk of stream) {
    text += chunk;
    if (!chunk.includes('\n')) continue; // a long line is put together once
    const { lines, rest } = split(text);
    yield* lines;
    text = rest;
  }
  if (text !== '') yield text;
}

module.exports = { decode, isOfBytes, linesIn };
