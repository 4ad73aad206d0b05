'use strict';

// Errors with Node's codes.

const { classAddon, engineAddon } = require('./addon.js');

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
 * The class's errors, made by the addon (`src/errors/functions.rs`): one place for their words.
 *
 * @type {{
 *   invalidArgType(name: string, expected: string, value: unknown): TypeError,
 *   invalidArgValue(name: string, value: unknown, reason: string): TypeError,
 *   unknownProperty(option: string, property: [name: string, value: unknown], known: string[]): TypeError,
 *   outOfRange(name: string, range: string, value: number): RangeError,
 *   incompatible(one: string, other: string): TypeError,
 *   accessDenied(): Error,
 *   tooMuchOutput(stream: string, limit: number): RangeError,
 *   notOpened(name: string, errno: number, why: string): Error,
 * }}
 */
const ofClass = classAddon().errors;

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
 * @returns {string}
 */
function uncompiled({ message }) {
  return engineAddon().engine.uncompiled(message);
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

/** An error for more programs than may run at a time. @param {string} engine @param {number} most */
function busy(engine, most) {
  const message = `the program was not begun: as many as "options.concurrency" allows, ${most}, have begun in the engine '${engine}' and not ended`;
  return errorOf(Error, 'ERR_WASI_BUSY', message);
}

module.exports = { ...ofClass, AbortError, addTo, busy, errorOf, uncompiled };
