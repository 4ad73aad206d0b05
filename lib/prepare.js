'use strict';

// program.prepare(): programs that begin where an instance has stopped.

const { errorOf, invalidArgType, invalidArgValue, needsBytes } = require('./errors.js');
const { open } = require('./instance.js');
const { readLoadOptions } = require('./options.js');
const { ProgramHandle, isModule, readCache } = require('./program.js');
const { snapshot } = require('./requests.js');
const { isResourceClass } = require('./resources.js');

/**
 * Makes the program that begins with the state of an instance after a function.
 *
 * @param {import('./program.js').AnyHandle} handle
 * @param {any} init the name of an export, or a function that gets the instance
 * @param {any} [options] of load()
 * @returns {Promise<InstanceType<typeof ProgramHandle>>}
 */
async function prepare(handle, init, options = {}) {
  if (typeof init !== 'string' && typeof init !== 'function')
    throw invalidArgType('init', 'one of type string or function', init);
  if (isModule(handle.source)) throw needsBytes('program', handle.source);
  const program = /** @type {InstanceType<typeof ProgramHandle>} */ (handle);
  const { fresh, ...checked } = readLoadOptions(options, program.source);
  if (fresh) throw invalidArgValue('options.fresh', fresh, 'is an option of load()');
  const cache = readCache(options.cache);
  const instrumented = new ProgramHandle(await program.instrument(), cache, { isForAny: true });
  const { guest, instance } = await open(instrumented, { ...checked, fresh });
  try {
    await (typeof init === 'function' ? init(instance) : call(instance.exports, init));
    const bytes = await snapshot(guest.native, program.native());
    const made = new ProgramHandle(bytes, cache, { isForAny: true });
    await made.compile();
    return made;
  } finally {
    await instance.close();
  }
}

/**
 * Calls an export without arguments.
 *
 * @param {any} exports
 * @param {string} name of a function; of one in an interface, with that before a dot
 */
function call(exports, name) {
  const [interface_, inner] = [
    name.slice(0, name.lastIndexOf('.')),
    name.slice(name.lastIndexOf('.') + 1),
  ];
  const found = exports[name] ?? exports[interface_]?.[inner];
  const isFunction = typeof found === 'function' && !isResourceClass(found);
  if (isFunction && found.length === 0) return found();
  const message = isFunction
    ? `the function '${name}' has parameters: pass prepare() a function that calls it`
    : `the program exports no function '${name}'`;
  throw errorOf(TypeError, 'ERR_INVALID_ARG_VALUE', message);
}

module.exports = { prepare };
