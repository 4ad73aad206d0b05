'use strict';

// Errors with Node's codes and messages. (Node has no public function that makes these messages.)

const { inspect } = require('node:util');

/**
 * An error with a code.
 *
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

/**
 * An error for a value of a wrong type.
 *
 * @param {string} name
 * @param {string} expected such as `of type number`
 * @param {unknown} value
 */
function invalidArgType(name, expected, value) {
  const kind = name.includes('.') ? 'property' : 'argument';
  const message = `The "${name}" ${kind} must be ${expected}. Received ${received(value)}`;
  return errorOf(TypeError, 'ERR_INVALID_ARG_TYPE', message);
}

/**
 * An error for a value that is of a right type and yet refused.
 *
 * @param {string} name
 * @param {unknown} value
 * @param {string} reason such as `is invalid`
 */
function invalidArgValue(name, value, reason) {
  const kind = name.includes('.') ? 'property' : 'argument';
  const shown = cut(inspect(value), 128, 128);
  const message = `The ${kind} '${name}' ${reason}. Received ${shown}`;
  return errorOf(TypeError, 'ERR_INVALID_ARG_VALUE', message);
}

/**
 * An error for a number out of range.
 *
 * @param {string} name
 * @param {string} range such as `an integer`
 * @param {number} value
 */
function outOfRange(name, range, value) {
  const isBig = Number.isInteger(value) && Math.abs(value) > 2 ** 32;
  const shown = inspect(value, { numericSeparator: isBig });
  const message = `The value of "${name}" is out of range. It must be ${range}. Received ${shown}`;
  return errorOf(RangeError, 'ERR_OUT_OF_RANGE', message);
}

/** The value as the end of a message shows it. @param {unknown} value @returns {string} */
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

/**
 * A text, or its beginning if it has more than `most` characters.
 *
 * @param {string} text
 * @param {number} most
 * @param {number} keep
 */
function cut(text, most, keep) {
  return text.length > most ? `${text.slice(0, keep)}...` : text;
}

/** The error that a program is ended with by an AbortSignal. */
class AbortError extends Error {
  code = 'ABORT_ERR';

  /** @param {unknown} cause the signal's reason */
  constructor(cause) {
    super('The operation was aborted', { cause });
    this.name = 'AbortError';
  }
}

/**
 * The reason why V8 does not compile a module, to follow the program's name.
 *
 * @param {{ message: string }} error
 */
function uncompiled({ message }) {
  return `can't be compiled: it is not valid, or needs what this engine does not have\n  ${message}`;
}

/** An error for options that contradict each other. @param {string} one @param {string} other */
function incompatible(one, other) {
  const message = `Option "${one}" cannot be used in combination with option "${other}"`;
  return errorOf(TypeError, 'ERR_INCOMPATIBLE_OPTION_PAIR', message);
}

/**
 * Adds the outcome of a program to an error, if possible: the error may be the embedder's own, of any kind.
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

/** The error of a process that may not use WASI under Node's permission model. */
function accessDenied() {
  const message = 'Access to this API has been restricted. Use --allow-wasi to manage permissions.';
  const error = errorOf(Error, 'ERR_ACCESS_DENIED', message);
  return Object.assign(error, { permission: 'WASI', resource: '' });
}

/** An error for more output than is captured. @param {string} stream @param {number} limit in bytes */
function tooMuchOutput(stream, limit) {
  const mend = `raise options.limits.stdout, or pass a function or a stream as options.${stream} to take any amount`;
  const message = `the program wrote more than ${limit} bytes to ${stream}, which is captured: ${mend}`;
  return errorOf(RangeError, 'ERR_WASI_STDIO_MAXBUFFER', message);
}

/** An error for more programs than may run at a time. @param {string} engine @param {number} most */
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
