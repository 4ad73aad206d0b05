'use strict';

// Errors with Node's codes, in Node's words.

const { inspect } = require('node:util');

/**
 * @template {Error} E
 * @param {new (message: string, options?: ErrorOptions) => E} Base
 * @param {string} code
 * @param {string} message
 * @param {ErrorOptions} [options]
 * @returns {E & { code: string }}
 */
function errorOf(Base, code, message, options) {
  return Object.assign(new Base(message, options), { code });
}

/** @param {string} name @param {string} expected such as `of type number` @param {unknown} value */
function invalidArgType(name, expected, value) {
  const kind = name.includes('.') ? 'property' : 'argument';
  const message = `The "${name}" ${kind} must be ${expected}. Received ${received(value)}`;
  return errorOf(TypeError, 'ERR_INVALID_ARG_TYPE', message);
}

/** @param {string} name @param {unknown} value @param {string} reason such as `is invalid` */
function invalidArgValue(name, value, reason) {
  const kind = name.includes('.') ? 'property' : 'argument';
  const shown = cut(inspect(value), 128, 128);
  const message = `The ${kind} '${name}' ${reason}. Received ${shown}`;
  return errorOf(TypeError, 'ERR_INVALID_ARG_VALUE', message);
}

/** @param {string} name @param {string} range such as `an integer` @param {number} value */
function outOfRange(name, range, value) {
  const isBig = Number.isInteger(value) && Math.abs(value) > 2 ** 32;
  const shown = isBig ? String(value).replace(/\B(?=(\d{3})+$)/g, '_') : inspect(value);
  const message = `The value of "${name}" is out of range. It must be ${range}. Received ${shown}`;
  return errorOf(RangeError, 'ERR_OUT_OF_RANGE', message);
}

/** @param {unknown} value @returns {string} the end of a message: what came instead */
function received(value) {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'function') return `function ${value.name}`;
  if (typeof value === 'object') {
    const name = value.constructor?.name;
    return name ? `an instance of ${name}` : inspect(value, { depth: -1 });
  }
  const shown = typeof value === 'string' ? inspect(cut(value, 28, 25)) : inspect(value);
  return `type ${typeof value} (${shown})`;
}

/** @param {string} text @param {number} most @param {number} keep */
function cut(text, most, keep) {
  return text.length > most ? `${text.slice(0, keep)}...` : text;
}

/** What an AbortSignal ends a program with. */
class AbortError extends Error {
  code = 'ABORT_ERR';

  /** @param {unknown} cause the signal's reason */
  constructor(cause) {
    super('The operation was aborted', { cause });
    this.name = 'AbortError';
  }
}

/** What V8 says of a module that it does not compile, after the program's name. @param {{ message: string }} error */
function uncompiled({ message }) {
  return `can't be compiled: it is not valid, or needs what this engine does not have\n  ${message}`;
}

/** Options that contradict each other. @param {string} one @param {string} other */
function incompatible(one, other) {
  const message = `Option "${one}" cannot be used in combination with option "${other}"`;
  return errorOf(TypeError, 'ERR_INCOMPATIBLE_OPTION_PAIR', message);
}

/**
 * Adds to an error what had come of a program, where it takes that: it may be the embedder's own, of any kind.
 *
 * @param {any} error
 * @param {Record<string, unknown>} properties
 */
function addTo(error, properties) {
  if (error === null || (typeof error !== 'object' && typeof error !== 'function')) return;
  try {
    for (const [name, value] of Object.entries(properties)) Reflect.set(error, name, value);
  } catch {
    // A setter or a Proxy that throws.
  }
}

/** Under Node's permission model the process may not use WASI. */
function accessDenied() {
  const message = 'Access to this API has been restricted. Use --allow-wasi to manage permissions.';
  const error = errorOf(Error, 'ERR_ACCESS_DENIED', message);
  return Object.assign(error, { permission: 'WASI', resource: '' });
}

/** @param {string} stream @param {number} limit bytes that are captured of it */
function tooMuchOutput(stream, limit) {
  const mend = `raise options.limits.stdout, or pass a function or a stream as options.${stream} to take any amount`;
  const message = `the program wrote more than ${limit} bytes to ${stream}, which is captured: ${mend}`;
  return errorOf(RangeError, 'ERR_WASI_STDIO_MAXBUFFER', message);
}

/** @param {string} engine @param {number} most programs that may have begun in it at a time */
function busy(engine, most) {
  const message = `the program was not begun: as many as "options.concurrency" allows, ${most}, have begun in the engine '${engine}' and not ended`;
  return errorOf(Error, 'ERR_WASI_BUSY', message);
}

module.exports = {
  AbortError,
  accessDenied,
  addTo,
  busy,
  errorOf,
  incompatible,
  invalidArgType,
  invalidArgValue,
  outOfRange,
  tooMuchOutput,
  uncompiled,
};
