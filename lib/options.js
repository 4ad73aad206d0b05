'use strict';

// The options of run() and spawn(), checked and brought into one form.
//
// Each file of JavaScript takes 0.1 to 0.3 ms to load, and many programs run for less than 1: the files that
// not every run needs are loaded by the runs that do.

const { basename } = require('node:path');
const { types } = require('node:util');
const { classAddon, permission } = require('./addon.js');
const {
  bytesOf,
  isComponent,
  isModule,
  isURL,
  pathOf,
  readCache,
  withoutNull,
} = require('./program.js');

/** Loaded when there is an error. */
const errors = () => require('./errors.js');

/**
 * The ranges of the limits, of the class as well: `src/class/limits.rs`.
 *
 * @type {() => {
 *   limits: Record<string, [least: number, most: number]>,
 *   captured: number,
 *   capturedAtLeast: number,
 *   stack: number,
 *   maxDescriptor: number,
 * }}
 */
const ranges = () => classAddon().ranges;

const ENGINES = ['auto', 'wasmtime', 'v8'];
const VERSIONS = ['unstable', 'preview1'];

/** The options of run() and spawn(); `cache`, which compile() has as well, is read by `lib/program.js`. */
const OPTIONS = [
  ...['args', 'argv0', 'env', 'preopens', 'stdin', 'input', 'stdout', 'stderr'],
  ...['encoding', 'lines', 'maxBuffer', 'limits', 'timeout', 'signal', 'concurrency'],
  ...['engine', 'cache', 'trace', 'usage', 'check', 'version', 'imports', 'fetch'],
  ...['sockets', 'clock', 'random', 'deterministic'],
];
const OUTPUTS = ['inherit', 'ignore', 'pipe'];
const INPUTS = ['inherit', 'ignore'];

/**
 * @typedef {import('./types.js').Limits} Limits
 * @typedef {InstanceType<typeof import('./memory.js').MemoryDirectory>} MemoryDirectory
 *
 * Standard streams as the options give them: descriptors, bytes, `'capture'` and `'ignore'`, which engines
 * know, and `'pipe'`, functions and streams, which `stdio.js` serves.
 *
 * @typedef {[stdin: unknown, stdout: unknown, stderr: unknown]} Stdio
 *
 * @typedef {object} Options
 * @property {string[]} args the first is the name of the program
 * @property {string[]} env
 * @property {import('./types.js').Plan['preopens']} preopens
 * @property {Stdio} stdio
 * @property {Limits} limits
 * @property {{ stdout: number, stderr: number }} maxBuffer bytes
 * @property {BufferEncoding | undefined} encoding
 * @property {boolean} lines
 * @property {Trace} [trace] where calls are shown
 * @property {boolean} byCall true if calls are counted by name
 * @property {boolean} check true if another exit code than 0 is an error
 * @property {number} timeout 0: none
 * @property {AbortSignal | undefined} signal
 * @property {number | undefined} concurrency
 * @property {'auto' | 'wasmtime' | 'v8'} engine
 * @property {import('./types.js').Host} [host] the functions that a module is given
 * @property {Given} [given] what a component is given
 * @property {Fetch} [fetch] makes the requests of a component
 * @property {(import('./sockets.js').Rule | number)[]} [sockets] where it may connect and listen, and
 * descriptors that it is given
 * @property {import('./types.js').Fixed} [fixed] the parts of its surroundings that are the same in each run
 * @property {() => Ends} [exchange] makes the tickets for the request that it answers, when it begins
 *
 * @typedef {import('./types.js').Trace} Trace
 *
 * @typedef {(request: Request) => any} Fetch
 *
 * @typedef {import('./http.js').Ends} Ends
 */

/**
 * Checks and copies the options, and makes paths absolute: later changes to the options, or of the working
 * directory, have no effect.
 *
 * @param {any} options
 * @param {boolean} isSpawned true if `'pipe'` is a stream at this end; otherwise it is captured
 * @param {string | Uint8Array | WebAssembly.Module} source of the program: the path of its file, bytes, or a
 * module
 * @returns {Options}
 */
function readOptions(options, isSpawned, source) {
  if (options === undefined) options = {};
  requireObject(options, 'options');
  refuseUnknown(options, 'options', OPTIONS);
  requirePermission();
  requireOneOf(options.version, VERSIONS, 'options.version');
  const limits = readAllLimits(options);
  const lines = readBoolean(options.lines, 'options.lines');
  const engine = requireOneOf(options.engine, ENGINES, 'options.engine') ?? 'auto';
  if (engine === 'v8') refuseForV8(options, limits);
  if (isModule(source)) requireNoBytes(engine, limits, options.imports);
  return {
    ...readSurroundings(options, source),
    stdio: [
      readStdin(options.stdin, options.input, isSpawned),
      readOutput(options.stdout, 'stdout', isSpawned),
      readOutput(options.stderr, 'stderr', isSpawned),
    ],
    limits,
    maxBuffer: readMaxBuffer(options.maxBuffer, limits),
    encoding: readEncoding(options.encoding, lines),
    lines,
    check: readBoolean(options.check, 'options.check'),
    engine,
    ...readImports(options.imports, source),
  };
}

/**
 * Refuses options that V8 can't keep.
 *
 * @param {any} options
 * @param {Limits} limits
 */
function refuseForV8({ imports }, { fuel, deterministic }) {
  if (deterministic) {
    const reason = `needs the engine 'wasmtime': V8 does not fix the bits of a NaN`;
    throw errors().invalidArgValue('options.deterministic', deterministic, reason);
  }
  if (fuel !== undefined) {
    const reason = `needs the engine 'wasmtime': V8 does not count`;
    throw errors().invalidArgValue('options.limits.fuel', fuel, reason);
  }
  if (imports !== undefined) {
    const reason = `needs the engine 'wasmtime': a worker of V8 can't call functions of this thread`;
    throw errors().invalidArgValue('options.imports', imports, reason);
  }
}

/**
 * The options that a program has in run(), spawn() and load() alike.
 *
 * @param {any} options
 * @param {string | Uint8Array | WebAssembly.Module} source of the program
 */
function readSurroundings(options, source) {
  return {
    args: [readArgv0(options.argv0, source), ...readArgs(options.args)],
    env: readEnv(options.env),
    preopens: readPreopens(options.preopens),
    trace: readTrace(options.trace),
    byCall: readUsage(options.usage),
    timeout: readWhole(options.timeout, 'options.timeout', 0, 2 ** 31 - 1) ?? 0,
    signal: readSignal(options.signal),
    concurrency: readWhole(options.concurrency, 'options.concurrency', 1, 2 ** 31 - 1),
    fetch: readFunction(options.fetch, 'options.fetch'),
    sockets: readSockets(options.sockets),
    fixed: readFixed(options),
  };
}

/**
 * The parts of a program's surroundings that are the same in each run. The addon reads them, as for the
 * class.
 *
 * @param {any} options
 * @returns {Options['fixed']}
 */
function readFixed({ clock, random, deterministic, fetch, sockets, preopens }) {
  const isAll = readBoolean(deterministic, 'options.deterministic');
  if (!isAll && clock === undefined && random === undefined) return undefined;
  const fixed = classAddon().fixed({ clock, random }, isAll);
  if (!isAll) return fixed;
  if (fetch !== undefined) throw errors().incompatible('options.deterministic', 'options.fetch');
  if (sockets !== undefined)
    throw errors().incompatible('options.deterministic', 'options.sockets');
  const present = BigInt(Date.now()) * 1_000_000n;
  if (preopens !== undefined && BigInt(fixed.now) > present) {
    const reason =
      'is in the future, where options.deterministic can not hide when files are changed in options.preopens';
    throw errors().invalidArgValue('options.clock.now', clock.now, reason);
  }
  return fixed;
}

/** The limits, and whether results are fixed that WebAssembly leaves open. @param {any} options */
function readAllLimits({ limits, deterministic }) {
  const read = readLimits(limits);
  return deterministic ? { ...read, deterministic: true } : read;
}

/**
 * Where calls are shown, as the option says, or the environment where it is not given.
 *
 * @param {unknown} trace
 * @returns {Options['trace']}
 */
function readTrace(trace) {
  if (trace === undefined && !process.env.WASI_RS_TRACE) return undefined;
  return classAddon().readTrace(trace);
}

/** @param {any} usage @returns {boolean} true if calls are counted by name */
function readUsage(usage) {
  if (usage === undefined) return false;
  requireObject(usage, 'options.usage');
  refuseUnknown(usage, 'options.usage', ['byCall']);
  return readBoolean(usage.byCall, 'options.usage.byCall');
}

/** @param {any} sockets @returns {Options['sockets']} */
function readSockets(sockets) {
  return sockets === undefined
    ? undefined
    : require('./sockets.js').readSockets(sockets, readDescriptor);
}

/** @param {any} value @param {string} name */
function readFunction(value, name) {
  if (value === undefined || typeof value === 'function') return value;
  throw errors().invalidArgType(name, 'of type function', value);
}

/**
 * The options of load().
 *
 * @typedef {Omit<Options, 'maxBuffer' | 'encoding' | 'lines' | 'check' | 'engine' | 'host'> &
 *   { given: Given, fresh: boolean }} LoadOptions
 */
const LOAD_OPTIONS = [
  ...['imports', 'args', 'argv0', 'env', 'preopens', 'stdin', 'stdout', 'stderr'],
  ...['limits', 'timeout', 'signal', 'engine', 'cache', 'trace', 'usage', 'fetch', 'fresh'],
  ...['concurrency', 'sockets', 'clock', 'random', 'deterministic'],
];
/** The streams of a loaded module, where they are not given. */
const LOAD_STDIO = { stdin: 'ignore', stdout: 'inherit', stderr: 'inherit' };

/**
 * Checks and copies the options of load().
 *
 * @param {any} options
 * @param {string | Uint8Array | WebAssembly.Module} source of the module
 * @param {boolean} [isHere] true for loadSync()
 * @returns {LoadOptions}
 */
function readLoadOptions(options, source, isHere = false) {
  if (isModule(source)) throw errors().needsBytes('source', source);
  if (options === undefined) options = {};
  requireObject(options, 'options');
  refuseUnknown(options, 'options', LOAD_OPTIONS);
  requirePermission();
  if (requireOneOf(options.engine, ENGINES, 'options.engine') === 'v8') {
    const reason = "must be 'auto' or 'wasmtime': modules are loaded in wasmtime";
    throw errors().invalidArgValue('options.engine', options.engine, reason);
  }
  const { stdin, stdout, stderr } = { ...LOAD_STDIO, ...given(options) };
  refusePipes({ stdin, stdout, stderr }, 'load()');
  const fresh = readBoolean(options.fresh, 'options.fresh');
  if (!fresh && options.concurrency !== undefined) {
    const reason =
      'is an option of load() with options.fresh: an instance makes one call at a time';
    throw errors().invalidArgValue('options.concurrency', options.concurrency, reason);
  }
  if (isHere) requireHere(options);
  return {
    ...readSurroundings(options, source),
    limits: readAllLimits(options),
    stdio: [
      readSource(stdin, false),
      readOutput(stdout, 'stdout', false),
      readOutput(stderr, 'stderr', false),
    ],
    given: makeImports(options.imports),
    fresh,
  };
}

/**
 * The options of handler().
 *
 * @typedef {Options & { onError: (error: any, request?: unknown) => unknown }} HandlerOptions
 */
const HANDLER_OPTIONS = [
  ...['args', 'argv0', 'env', 'preopens', 'stdout', 'stderr', 'limits', 'timeout'],
  ...['concurrency', 'cache', 'trace', 'imports', 'fetch', 'onError', 'sockets'],
  ...['clock', 'random'],
];

/**
 * Checks and copies the options of handler().
 *
 * @param {any} options
 * @param {string | Uint8Array | WebAssembly.Module} source of the component
 * @returns {HandlerOptions}
 */
function readHandlerOptions(options, source) {
  if (isModule(source)) throw errors().needsBytes('source', source);
  if (options === undefined) options = {};
  requireObject(options, 'options');
  if (options.deterministic) {
    const reason = "can't be had in handler(): nothing fixes in which pieces a request comes";
    throw errors().invalidArgValue('options.deterministic', options.deterministic, reason);
  }
  refuseUnknown(options, 'options', HANDLER_OPTIONS);
  const { onError = report, stdout = 'inherit', stderr = 'inherit', ...rest } = options;
  readFunction(onError, 'options.onError');
  refusePipes({ stdout, stderr }, 'handler()');
  const { imports, ...given } = rest;
  const read = readOptions({ ...given, stdout, stderr, engine: 'wasmtime' }, false, source);
  const i = read.sockets?.findIndex((one) => typeof one === 'number') ?? -1;
  if (i >= 0) {
    const reason = 'is a descriptor, which a component has no use for';
    throw errors().invalidArgValue(`options.sockets[${i}]`, read.sockets?.[i], reason);
  }
  return { ...read, onError, given: makeImports(imports) };
}

/**
 * Refuses pipes, whose other end nobody would get.
 *
 * @param {object} streams
 * @param {string} entry the function that the user has called
 */
function refusePipes(streams, entry) {
  for (const [name, value] of Object.entries(streams)) {
    if (value !== 'pipe') continue;
    const reason = `can't be 'pipe' in ${entry}: pass a stream or a function`;
    throw errors().invalidArgValue(`options.${name}`, value, reason);
  }
}

/** Writes the error of a request that has failed. @param {unknown} error */
function report(error) {
  console.error(error);
}

/** The most stack of a guest on the thread of its embedder, whose own stack it uses. */
const MOST_STACK_HERE = 2 ** 20;

/**
 * Refuses options that need the event loop, which waits for the guest, or another thread.
 *
 * @param {any} options of loadSync()
 */
function requireHere({ stdin, stdout, stderr, signal, limits, fetch, fresh }) {
  for (const [name, value] of Object.entries({ stdin, stdout, stderr })) {
    const isStream = typeof value === 'function' || (typeof value === 'object' && value !== null);
    if (!isStream || types.isUint8Array(value)) continue;
    const reason =
      'needs the event loop, which loadSync() does not run: use load(), or a descriptor';
    throw errors().invalidArgValue(`options.${name}`, value, reason);
  }
  if (signal !== undefined) {
    const reason =
      'needs the event loop, which loadSync() does not run: use load(), or options.timeout';
    throw errors().invalidArgValue('options.signal', signal, reason);
  }
  if (fetch !== undefined) {
    const reason = 'needs the event loop, which loadSync() does not run: use load()';
    throw errors().invalidArgValue('options.fetch', fetch, reason);
  }
  if (fresh) throw errors().invalidArgValue('options.fresh', fresh, 'is an option of load()');
  if (limits?.stack > MOST_STACK_HERE) {
    const reason = `is more than the ${MOST_STACK_HERE} bytes that there are on this thread: use load()`;
    throw errors().invalidArgValue('options.limits.stack', limits.stack, reason);
  }
}

/** The properties that are not undefined. @param {object} value */
const given = (value) =>
  Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined));

/**
 * The imports of a program, and its memory for them.
 *
 * @typedef {object} Given
 * @property {any} imports undefined if it is given nothing
 * @property {InstanceType<typeof import('./host.js').GuestMemory>} memory
 */

/**
 * The imports of one instance.
 *
 * @param {any} imports an object, or a function that makes it
 * @returns {Given}
 */
function makeImports(imports) {
  const memory = new (require('./host.js').GuestMemory)();
  if (imports === undefined) return { imports, memory };
  const isMaker = typeof imports === 'function';
  const made = isMaker ? imports({ memory }) : imports;
  requireNames(made, isMaker ? 'the result of options.imports()' : 'options.imports');
  return { imports: made, memory };
}

/**
 * The imports of a program in run() and spawn(): the functions of a module, or all that a component is given,
 * from which it takes what it imports.
 *
 * @param {any} imports
 * @param {string | Uint8Array | WebAssembly.Module} source of the program
 * @returns {{ host?: import('./types.js').Host, given?: Given }}
 */
function readImports(imports, source) {
  if (imports === undefined) return {};
  const given = makeImports(imports);
  return isComponent(source) ? { given } : { host: hostOf(given) };
}

/**
 * The functions that a module is given.
 *
 * @param {Given} [given] its imports are an object of objects of functions
 */
function hostOf({ imports: made, memory } = makeImports(undefined)) {
  if (made === undefined) return undefined;
  const { HostFunctions, ofNumbers } = require('./host.js');
  const functions = propertiesOf(made).flatMap(([module, items]) => {
    const name = `options.imports['${module}']`;
    requireNames(items, name);
    if (SYSCALL_NAMESPACES.includes(module)) {
      throw errors().invalidArgValue(name, items, 'is served by wasi-rs itself');
    }
    return propertiesOf(items).map(([item, call]) => {
      if (typeof call === 'function') return { module, name: item, call: ofNumbers(call) };
      throw errors().invalidArgType(`${name}['${item}']`, 'of type function', call);
    });
  });
  return new HostFunctions(functions, memory);
}

/**
 * Refuses objects without names of their own, such as a promise of the imports or a Map.
 *
 * @param {any} value
 * @param {string} name
 */
function requireNames(value, name) {
  requireObject(value, name);
  if (typeof value.then === 'function' || types.isMap(value))
    throw errors().invalidArgType(name, 'of type object', value);
}

/**
 * The properties of an object, also those that it inherits from a class.
 *
 * @param {any} object
 * @returns {[name: string, value: any][]}
 */
function propertiesOf(object) {
  const names = new Set(Object.keys(object));
  for (let base = Object.getPrototypeOf(object); base; base = Object.getPrototypeOf(base)) {
    if (Object.getPrototypeOf(base) === null) break; // that of all objects, of any realm
    for (const name of Object.getOwnPropertyNames(base)) {
      if (name !== 'constructor') names.add(name);
    }
  }
  return [...names].map((name) => [name, object[name]]);
}

/** The modules of WASI's own functions. */
const SYSCALL_NAMESPACES = ['wasi_snapshot_preview1', 'wasi_unstable'];

/** The limits that are written into a module's bytes, or counted in wasmtime. */
const LIMITS_OF_BYTES = /** @type {const} */ (['memory', 'tableElements', 'fuel']);

/**
 * Refuses what needs the bytes of a module.
 *
 * @param {string} engine
 * @param {Limits} limits
 * @param {unknown} imports
 */
function requireNoBytes(engine, limits, imports) {
  if (imports !== undefined) throw errors().needsBytes('options.imports', imports);
  if (engine === 'wasmtime') throw errors().needsBytes('options.engine', engine);
  const name = LIMITS_OF_BYTES.find((name) => limits[name] !== undefined);
  if (name) throw errors().needsBytes(`options.limits.${name}`, limits[name]);
  if (limits.deterministic) throw errors().needsBytes('options.deterministic', true);
}

/** The options of a Runner: its size, and defaults for its programs. */
const RUNNER_OPTIONS = [
  ...['concurrency', 'engine', 'cache', 'limits', 'preopens', 'env'],
  ...['clock', 'random', 'deterministic'],
];

/**
 * Checks the options of a Runner, and makes paths absolute.
 *
 * @param {any} options
 */
function readRunnerOptions(options) {
  if (options === undefined) options = {};
  requireObject(options, 'options');
  refuseUnknown(options, 'options', RUNNER_OPTIONS);
  const { concurrency = require('node:os').availableParallelism(), ...defaults } = options;
  const { preopens } = readOptions({ ...defaults, concurrency }, false, '');
  const cache = readCache(defaults.cache);
  const { clock } = defaults;
  const copy = { ...defaults, cache, limits: { ...defaults.limits }, env: { ...defaults.env } };
  if (clock !== undefined) copy.clock = { ...clock };
  const absolutes = preopens.map(({ guest, ...directory }) => [guest, directory]);
  return { concurrency, defaults: { ...copy, preopens: Object.fromEntries(absolutes) } };
}

/** Node's permission model asks for `--allow-wasi`, here as in the class. */
function requirePermission() {
  if (permission && !permission.has('wasi')) throw errors().accessDenied();
}

/** @param {unknown} value @param {string} name */
function requireObject(value, name) {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw errors().invalidArgType(name, 'of type object', value);
  }
}

/** @param {any} value @param {string} option @param {string[]} known */
function refuseUnknown(value, option, known) {
  if (Object.keys(value).every((name) => known.includes(name))) return; // without errors.js, as most often
  errors().refuseUnknown(value, option, known);
}

/** @param {any} value @param {string[]} words @param {string} name */
function requireOneOf(value, words, name) {
  if (value === undefined || words.includes(value)) return value;
  if (typeof value !== 'string') throw errors().invalidArgType(name, 'of type string', value);
  const list = words.map((word) => `'${word}'`).join(', ');
  throw errors().invalidArgValue(name, value, `must be one of: ${list}`);
}

/** The name of a program that has no file. */
const NAMELESS = 'program.wasm';

/**
 * The name of the program, as it is told to it.
 *
 * @param {any} argv0
 * @param {string | Uint8Array | WebAssembly.Module} source
 * @returns {string}
 */
function readArgv0(argv0, source) {
  if (argv0 === undefined) return typeof source === 'string' ? basename(source) : NAMELESS;
  if (typeof argv0 !== 'string')
    throw errors().invalidArgType('options.argv0', 'of type string', argv0);
  return withoutNull(argv0, 'options.argv0');
}

/** @param {any} args without the program's name @returns {string[]} */
function readArgs(args) {
  if (args === undefined) return [];
  if (!Array.isArray(args))
    throw errors().invalidArgType('options.args', 'an instance of Array', args);
  return Array.from(args, (arg, i) => withoutNull(String(arg), `options.args[${i}]`));
}

/** @param {any} env @returns {string[]} */
function readEnv(env) {
  if (env === undefined) return [];
  requireObject(env, 'options.env');
  const given = Object.entries(env).filter(([, value]) => value !== undefined);
  return given.map(([name, value]) => {
    const option = `options.env['${name}']`;
    if (name === '' || name.includes('='))
      throw errors().invalidArgValue(option, name, "must have a name, and without '='");
    return `${withoutNull(name, option)}=${withoutNull(`${value}`, option)}`;
  });
}

/** @param {any} preopens @returns {Options['preopens']} */
function readPreopens(preopens) {
  if (preopens === undefined) return [];
  requireObject(preopens, 'options.preopens');
  return Object.entries(preopens).map(([guest, value]) => readPreopen(guest, value));
}

/** @param {string} guest @param {any} value @returns {Options['preopens'][number]} */
function readPreopen(guest, value) {
  const name = `options.preopens['${guest}']`;
  withoutNull(guest, name);
  if (typeof value === 'string' || isURL(value)) {
    return { guest, path: pathOf(value, name), readOnly: false };
  }
  if (value === null || typeof value !== 'object') {
    const expected = 'one of type string or object or an instance of URL';
    throw errors().invalidArgType(name, expected, value);
  }
  if (isMemoryDirectory(value)) return { guest, directory: value, readOnly: false };
  requireObject(value, name);
  refuseUnknown(value, name, ['path', 'directory', 'readOnly']);
  const { path, directory, readOnly } = value;
  if (directory !== undefined) {
    if (path !== undefined) throw errors().incompatible(`${name}.directory`, `${name}.path`);
    if (!isMemoryDirectory(directory))
      throw errors().invalidArgType(
        `${name}.directory`,
        'an instance of MemoryDirectory',
        directory,
      );
    return { guest, directory, readOnly: readBoolean(readOnly, `${name}.readOnly`) };
  }
  if (typeof path !== 'string' && !isURL(path))
    throw errors().invalidArgType(`${name}.path`, 'of type string or an instance of URL', path);
  return {
    guest,
    path: pathOf(path, `${name}.path`),
    readOnly: readBoolean(readOnly, `${name}.readOnly`),
  };
}

/** @param {unknown} value @returns {value is MemoryDirectory} */
const isMemoryDirectory = (value) => require('./memory.js').isMemoryDirectory(value);

/** @param {unknown} value @param {string} name */
function readBoolean(value, name) {
  if (value === undefined) return false;
  if (typeof value !== 'boolean') throw errors().invalidArgType(name, 'of type boolean', value);
  return value;
}

/** @param {any} limits @returns {Limits} */
function readLimits(limits) {
  if (limits === undefined) return {};
  requireObject(limits, 'options.limits');
  const { limits: known } = ranges();
  if (limits.stdout !== undefined) {
    const reason = 'is a limit of the class WASI: here it is options.maxBuffer';
    throw errors().invalidArgValue('options.limits.stdout', limits.stdout, reason);
  }
  refuseUnknown(limits, 'options.limits', Object.keys(known));
  const read = Object.entries(known).map(([name, [least, most]]) => {
    return [name, readWhole(limits[name], `options.limits.${name}`, least, most)];
  });
  return Object.fromEntries(read.filter(([, value]) => value !== undefined));
}

/**
 * The most bytes of each output that are captured. By default as many as the program may have memory, at most
 * 64 MiB and at least 1 MiB.
 *
 * @param {any} value a number for each of both, or an object
 * @param {Limits} limits
 * @returns {{ stdout: number, stderr: number }}
 */
function readMaxBuffer(value, { memory = Infinity }) {
  const { captured, capturedAtLeast } = ranges();
  const usual = Math.max(capturedAtLeast, Math.min(captured, memory));
  if (value === null || typeof value !== 'object') {
    const both = readWhole(value, 'options.maxBuffer', 0, Number.MAX_SAFE_INTEGER) ?? usual;
    return { stdout: both, stderr: both };
  }
  requireObject(value, 'options.maxBuffer');
  refuseUnknown(value, 'options.maxBuffer', ['stdout', 'stderr']);
  const read = (/** @type {'stdout' | 'stderr'} */ name) =>
    readWhole(value[name], `options.maxBuffer.${name}`, 0, Number.MAX_SAFE_INTEGER) ?? usual;
  return { stdout: read('stdout'), stderr: read('stderr') };
}

/**
 * The encoding of captured output, as child_process has it: nothing for a Buffer.
 *
 * @param {any} encoding
 * @param {boolean} lines
 * @returns {BufferEncoding | undefined}
 */
function readEncoding(encoding, lines) {
  const isBuffer = encoding === null || encoding === 'buffer';
  if (lines && (isBuffer || require('./text.js').isOfBytes(encoding)))
    throw errors().incompatible('options.lines', 'options.encoding');
  if (encoding === undefined) return lines ? 'utf8' : undefined;
  if (isBuffer) return undefined;
  if (typeof encoding !== 'string')
    throw errors().invalidArgType('options.encoding', 'of type string', encoding);
  if (Buffer.isEncoding(encoding)) return encoding;
  throw errors().invalidArgValue('options.encoding', encoding, "must be an encoding, or 'buffer'");
}

/** @param {unknown} value @param {string} name @param {number} least @param {number} most */
function readWhole(value, name, least, most) {
  if (value === undefined) return undefined;
  if (typeof value !== 'number') throw errors().invalidArgType(name, 'of type number', value);
  if (!Number.isInteger(value)) throw errors().outOfRange(name, 'an integer', value);
  if (value < least || value > most)
    throw errors().outOfRange(name, `>= ${least} && <= ${most}`, value);
  return value;
}

/** @param {number} value @param {string} name */
function readDescriptor(value, name) {
  return readWhole(value, name, 0, ranges().maxDescriptor);
}

/** @param {any} signal @returns {AbortSignal | undefined} */
function readSignal(signal) {
  if (signal === undefined) return undefined;
  // As Node does it: signals come from other realms and from packages.
  if (signal === null || typeof signal !== 'object' || !('aborted' in signal)) {
    throw errors().invalidArgType('options.signal', 'an instance of AbortSignal', signal);
  }
  return signal;
}

/**
 * @param {any} stdin
 * @param {any} input
 * @param {boolean} isSpawned
 * @returns {unknown} one of Stdio
 */
function readStdin(stdin, input, isSpawned) {
  if (input === undefined) return readSource(stdin, isSpawned);
  if (stdin !== undefined) throw errors().incompatible('options.input', 'options.stdin');
  if (typeof input === 'string') return new Uint8Array(Buffer.from(input));
  return new Uint8Array(bytesOf(input, 'options.input', 'of type string or an instance of'));
}

/** @param {any} value @param {boolean} isSpawned @returns {unknown} one of Stdio */
function readSource(value, isSpawned) {
  if (value === undefined) value = isSpawned ? 'pipe' : 'ignore';
  if (value === 'inherit') return 0;
  if (value === 'ignore') return new Uint8Array();
  if (value === 'pipe' && isSpawned) return value;
  if (typeof value === 'string') {
    const words = (isSpawned ? OUTPUTS : INPUTS).map((word) => `'${word}'`).join(', ');
    const reason = `must be one of: ${words}; what the program is to read belongs into options.input`;
    throw errors().invalidArgValue('options.stdin', value, reason);
  }
  if (typeof value === 'number') return readDescriptor(value, 'options.stdin');
  if (typeof value === 'function') return value;
  if (types.isUint8Array(value)) return new Uint8Array(value);
  const isObject = value !== null && typeof value === 'object';
  if (isObject && Symbol.asyncIterator in value) {
    if (value.readableEnded === true) {
      const reason = 'is a stream that has been read to its end before the program began';
      throw errors().invalidArgValue('options.stdin', value, reason);
    }
    return value;
  }
  throw notAStream('options.stdin', 'Uint8Array, Readable or AsyncIterable', value);
}

/**
 * @param {any} value
 * @param {'stdout' | 'stderr'} name
 * @param {boolean} isSpawned
 * @returns {unknown} one of Stdio
 */
function readOutput(value, name, isSpawned) {
  const option = `options.${name}`;
  if (value === undefined || value === 'pipe') return isSpawned ? 'pipe' : 'capture';
  if (value === 'inherit') return name === 'stdout' ? 1 : 2;
  if (typeof value === 'string') return requireOneOf(value, OUTPUTS, option);
  if (typeof value === 'number') return readDescriptor(value, option);
  const isObject = value !== null && typeof value === 'object';
  if (typeof value === 'function' || (isObject && typeof value.write === 'function')) return value;
  if (isObject && typeof value.getWriter === 'function') {
    if (!value.locked) return value;
    throw errors().invalidArgValue(option, value, 'is a WritableStream that is locked to a writer');
  }
  throw notAStream(option, 'Writable or WritableStream', value);
}

/** @param {string} option @param {string} classes the classes that it may be of @param {unknown} value */
function notAStream(option, classes, value) {
  const expected = `one of type number, string, or function or an instance of ${classes}`;
  return errors().invalidArgType(option, expected, value);
}

/**
 * Checks the options of compile(), but for `cache` itself.
 *
 * @param {any} options
 */
function checkCompileOptions(options) {
  if (options !== undefined) {
    requireObject(options, 'options');
    refuseUnknown(options, 'options', ['cache']);
  }
  requirePermission();
}

module.exports = {
  checkCompileOptions,
  hostOf,
  makeImports,
  readHandlerOptions,
  readLoadOptions,
  readOptions,
  readRunnerOptions,
  requirePermission,
};
