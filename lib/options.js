'use strict';

// The options of run() and spawn(), checked and brought into one form.

const { accessDenied, invalidArgType, invalidArgValue, outOfRange } = require('./errors.js');

/** How many bytes of a stream are captured unless `limits.stdout` says; as in the class. */
const CAPTURED = 64 * 1024 * 1024;

/** The most bytes of stack a program gets. */
const MAX_STACK = 64 * 1024 * 1024;

const ENGINES = ['auto', 'wasmtime', 'v8'];
const VERSIONS = ['unstable', 'preview1'];
const STREAMS = /** @type {const} */ (['stdin', 'stdout', 'stderr']);

/** The limits, and the range of each. @type {Record<string, [least: number, most: number]>} */
const LIMITS = {
  memory: [0, Number.MAX_SAFE_INTEGER],
  tableElements: [0, Number.MAX_SAFE_INTEGER],
  stack: [4096, MAX_STACK],
  fuel: [0, Number.MAX_SAFE_INTEGER],
  openFiles: [0, Number.MAX_SAFE_INTEGER],
  stdout: [0, Number.MAX_SAFE_INTEGER],
};

/**
 * @typedef {import('./v8/engine.js').Limits} Limits
 *
 * @typedef {object} Options
 * @property {string[]} args
 * @property {string[]} env
 * @property {import('./v8/engine.js').Plan['preopens']} preopens
 * @property {[unknown, unknown, unknown]} stdio as they were given, checked
 * @property {Limits & { stdout: number }} limits
 * @property {boolean} trace
 * @property {number} timeout 0: none
 * @property {AbortSignal | undefined} signal
 * @property {'auto' | 'wasmtime' | 'v8'} engine
 */

/**
 * @param {any} options
 * @param {[string, string, string]} stdio what the streams are by default
 * @returns {Options}
 */
function readOptions(options, stdio) {
  if (options === undefined) options = {};
  requireObject(options, 'options');
  requirePermission();
  requireOneOf(options.version, VERSIONS, 'options.version');
  return {
    args: readArgs(options.args),
    env: readEnv(options.env),
    preopens: readPreopens(options.preopens),
    stdio: /** @type {[unknown, unknown, unknown]} */ (
      STREAMS.map((name, index) => readStream(options[name], name, stdio[index]))
    ),
    limits: readLimits(options.limits),
    trace: readBoolean(options.trace, 'options.trace'),
    timeout: readWhole(options.timeout, 'options.timeout', 0, 2 ** 31 - 1) ?? 0,
    signal: readSignal(options.signal),
    engine: requireOneOf(options.engine, ENGINES, 'options.engine') ?? 'auto',
  };
}

/** Node's permission model asks for `--allow-wasi`, here as in the class. */
function requirePermission() {
  const { permission } = /** @type {any} */ (process);
  if (permission && !permission.has('wasi')) throw accessDenied();
}

/** @param {unknown} value @param {string} name */
function requireObject(value, name) {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw invalidArgType(name, 'of type object', value);
  }
}

/** @param {any} value @param {string[]} words @param {string} name */
function requireOneOf(value, words, name) {
  if (value === undefined || words.includes(value)) return value;
  if (typeof value !== 'string') throw invalidArgType(name, 'of type string', value);
  const list = words.map((word) => `'${word}'`).join(', ');
  throw invalidArgValue(name, value, `must be one of: ${list}`);
}

/** @param {any} args @returns {string[]} */
function readArgs(args) {
  if (args === undefined) return [];
  if (!Array.isArray(args)) throw invalidArgType('options.args', 'an instance of Array', args);
  return args.map(String);
}

/** @param {any} env @returns {string[]} */
function readEnv(env) {
  if (env === undefined) return [];
  requireObject(env, 'options.env');
  const given = Object.entries(env).filter(([, value]) => value !== undefined);
  return given.map(([name, value]) => `${name}=${value}`);
}

/** @param {any} preopens @returns {Options['preopens']} */
function readPreopens(preopens) {
  if (preopens === undefined) return [];
  requireObject(preopens, 'options.preopens');
  return Object.entries(preopens).map(([guest, value]) => readPreopen(guest, value));
}

/** @param {string} guest @param {any} value @returns {Options['preopens'][number]} */
function readPreopen(guest, value) {
  const isObject = typeof value === 'object' && value !== null;
  if (!isObject) return { guest, path: String(value), readOnly: false };
  const name = `options.preopens['${guest}']`;
  requireObject(value, name);
  const { path } = value;
  if (typeof path !== 'string') throw invalidArgType(`${name}.path`, 'of type string', path);
  return { guest, path, readOnly: readBoolean(value.readOnly, `${name}.readOnly`) };
}

/** @param {unknown} value @param {string} name */
function readBoolean(value, name) {
  if (value === undefined) return false;
  if (typeof value !== 'boolean') throw invalidArgType(name, 'of type boolean', value);
  return value;
}

/** @param {any} limits @returns {Limits & { stdout: number }} */
function readLimits(limits) {
  if (limits === undefined) limits = {};
  requireObject(limits, 'options.limits');
  const read = Object.entries(LIMITS).map(([name, [least, most]]) => {
    return [name, readWhole(limits[name], `options.limits.${name}`, least, most)];
  });
  const given = Object.fromEntries(read.filter(([, value]) => value !== undefined));
  return { stdout: CAPTURED, ...given };
}

/** @param {unknown} value @param {string} name @param {number} least @param {number} most */
function readWhole(value, name, least, most) {
  if (value === undefined) return undefined;
  if (typeof value !== 'number') throw invalidArgType(name, 'of type number', value);
  if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value);
  if (value < least || value > most) throw outOfRange(name, `>= ${least} && <= ${most}`, value);
  return value;
}

/** @param {any} signal @returns {AbortSignal | undefined} */
function readSignal(signal) {
  if (signal === undefined) return undefined;
  // As Node does it: signals come from other realms and from packages.
  if (signal === null || typeof signal !== 'object' || !('aborted' in signal)) {
    throw invalidArgType('options.signal', 'an instance of AbortSignal', signal);
  }
  return signal;
}

/**
 * What a stream can be: a descriptor, a word, bytes, a function, a stream.
 *
 * @param {any} value
 * @param {'stdin' | 'stdout' | 'stderr'} name
 * @param {string} [otherwise] what it is by default
 */
function readStream(value, name, otherwise) {
  if (value === undefined) return otherwise;
  const option = `options.${name}`;
  const isInput = name === 'stdin';
  if (typeof value === 'number') return readWhole(value, option, 0, 2 ** 31 - 1);
  if (typeof value === 'function') return value;
  if (typeof value === 'string') {
    if (!isInput) requireOneOf(value, ['inherit', 'ignore', 'pipe'], option);
    return value;
  }
  const isObject = value !== null && typeof value === 'object';
  if (isInput && (value instanceof Uint8Array || (isObject && value[Symbol.asyncIterator])))
    return value;
  if (!isInput && isObject && typeof value.write === 'function') return value;
  const streams = isInput ? 'Uint8Array, Readable or AsyncIterable' : 'Writable';
  throw invalidArgType(
    option,
    `one of type number, string, or function or an instance of ${streams}`,
    value,
  );
}

module.exports = { readOptions, requireObject, requireOneOf, requirePermission };
