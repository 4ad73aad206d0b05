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
 * Node's error for a method that was called with another `this`.
 *
 * @param {string} name of the class
 */
const invalidThis = (name) =>
  errorOf(TypeError, 'ERR_INVALID_THIS', `Value of "this" must be of type ${name}`);

/** @typedef {{ code: string, errno: number, syscall: string }} NotOpened */

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
 *   tooMuchOutput(stream: string, limit: number): RangeError & { code: string },
 *   notOpened(name: string, errno: number, why: string): Error & NotOpened,
 * }}
 */
const ofClass = classAddon().errors;

/**
 * The error of a program off the event loop.
 *
 * @typedef {object} Details
 * @property {unknown} [cause]
 * @property {number} [exitCode]
 * @property {string} [signal] the signal that a process would have been ended by
 * @property {boolean} [timedOut]
 * @property {boolean} [isCanceled]
 * @property {boolean} [isMaxBuffer]
 * @property {number} [errno]
 * @property {string} [syscall]
 * @property {string} [path]
 */
class WasiError extends Error {
  timedOut = false;
  isCanceled = false;
  isMaxBuffer = false;
  isTerminated = false;
  /** @type {Buffer | null} */
  stdout = null;
  /** @type {Buffer | null} */
  stderr = null;

  /** @param {string} code @param {string} message @param {Details} [details] */
  constructor(code, message, { cause, ...details } = {}) {
    super(message);
    this.code = code;
    if (cause !== undefined) hide(this, 'cause', cause);
    Object.assign(this, details);
    this.isTerminated = details.signal !== undefined;
  }
}
hide(WasiError.prototype, 'name', 'WasiError');
// An error that has none of these is shown without them.
for (const name of ['exitCode', 'signal', 'usage']) hide(WasiError.prototype, name, undefined);

/** The error that a function of a component has returned, or that one for its imports is to return. */
class ComponentError extends Error {
  /** @param {unknown} payload the value of the error, of its type in the component's interface */
  constructor(payload) {
    super(typeof payload === 'string' ? payload : require('node:util').inspect(payload));
    this.payload = payload;
  }
}
hide(ComponentError.prototype, 'name', 'ComponentError');

/** The error of a program that an AbortSignal has ended. */
class AbortError extends WasiError {
  /** @param {unknown} cause the signal's reason */
  constructor(cause) {
    const signal = 'SIGTERM';
    super('ABORT_ERR', 'The operation was aborted', { cause, isCanceled: true, signal });
  }
}
hide(AbortError.prototype, 'name', 'AbortError');

/**
 * Defines a property that is not enumerable.
 *
 * @param {object} object
 * @param {string} name
 * @param {unknown} value
 */
function hide(object, name, value) {
  const property = { value, writable: true, configurable: true, enumerable: false };
  Object.defineProperty(object, name, property);
}

/** Codes of errors for options: they are wrong, or not permitted. */
const OF_OPTIONS = new Set(['ERR_INVALID_ARG_VALUE', 'ERR_ACCESS_DENIED']);

/**
 * The error of an engine, or of a thread, as an error of the program. An error for an option stays.
 *
 * @param {any} error
 * @returns {Error}
 */
function wasiErrorOf(error) {
  if (error instanceof WasiError || OF_OPTIONS.has(error?.code)) return error;
  const { name, message } = error;
  if (name === 'CompileError' || name === 'LinkError') {
    return new WasiError('ERR_WASI_PROGRAM', `the program ${uncompiled(error)}`, { cause: error });
  }
  return new WasiError('ERR_WASI_RS', message, { cause: error, signal: 'SIGABRT' });
}

/**
 * The error for a stream or function of the embedder that has failed: the program is ended by it.
 *
 * @param {string} option
 * @param {unknown} cause that error, which may be anything and is not touched
 */
function streamError(option, cause) {
  return new WasiError('ERR_WASI_STREAM', `${option} has failed: ${textOf(cause)}`, {
    cause,
    signal: 'SIGTERM',
  });
}

/**
 * The error for a function of `options.imports` that has thrown: the program is ended by it.
 *
 * @param {unknown} cause
 */
function importError(cause) {
  const message = `a function of options.imports has thrown: ${textOf(cause)}`;
  return new WasiError('ERR_WASI_HOST', message, { cause, signal: 'SIGTERM' });
}

/** The text of anything that was thrown. @param {any} thrown @returns {string} */
function textOf(thrown) {
  try {
    return String(thrown?.message ?? thrown);
  } catch {
    return 'with an error that can not be shown';
  }
}

/**
 * The error for an option that a WebAssembly.Module can't have.
 *
 * @param {string} name
 * @param {unknown} value
 */
function needsBytes(name, value) {
  const reason =
    "can't be had for a WebAssembly.Module: pass the bytes or the path of the module instead";
  return ofClass.invalidArgValue(name, value, reason);
}

/** An object that holds the stack of a call. @typedef {{ stack?: unknown }} Caller */

/**
 * Gives an error the stack of the call that has led to it, in place of the one where the answer was received.
 *
 * @param {unknown} error
 * @param {Caller} caller of `Error.captureStackTrace`
 */
function from(error, { stack }) {
  if (!(error instanceof WasiError) || typeof stack !== 'string') return error;
  const frames = stack.slice(stack.search(/\n +at |$/));
  forgetOrigin(error);
  hide(error, 'stack', `${error.name}: ${error.message}${frames}`);
  return error;
}

/**
 * Has an error come from nowhere: if nobody catches it, Node shows the line that it was made at.
 *
 * @param {Error} error
 */
function forgetOrigin(error) {
  const { stackTraceLimit } = Error;
  // With --frozen-intrinsics it can't be set.
  if (!Reflect.set(Error, 'stackTraceLimit', 0)) return;
  Error.captureStackTrace(error);
  Error.stackTraceLimit = stackTraceLimit;
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
 * Refuses unknown properties: a misspelt one would leave a program without a limit, or with a right that it
 * was not to have.
 *
 * @param {any} value
 * @param {string} option
 * @param {string[]} known
 */
function refuseUnknown(value, option, known) {
  const isUnknown = (/** @type {string} */ name) =>
    !known.includes(name) && value[name] !== undefined;
  const name = Object.keys(value).find(isUnknown);
  if (name !== undefined) throw ofClass.unknownProperty(option, [name, value[name]], known);
}

/** An error for more programs than may run at a time. @param {string} engine @param {number} most */
function busy(engine, most) {
  const message = `the program was not begun: as many as "options.concurrency" allows, ${most}, have begun in the engine '${engine}' and not ended`;
  return new WasiError('ERR_WASI_BUSY', message);
}

/** Tells of an error that nobody waits for. @param {unknown} error */
function warn(error) {
  const { inspect, types } = require('node:util');
  process.emitWarning(types.isNativeError(error) ? error : inspect(error));
}

/** Does what nobody waits for: its errors are warnings. @param {() => any} act */
function leave(act) {
  new Promise((resolve) => resolve(act())).catch(warn);
}

module.exports = {
  ...ofClass,
  AbortError,
  ComponentError,
  WasiError,
  busy,
  errorOf,
  from,
  importError,
  invalidThis,
  leave,
  needsBytes,
  refuseUnknown,
  streamError,
  textOf,
  uncompiled,
  warn,
  wasiErrorOf,
};
