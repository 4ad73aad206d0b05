'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { WASI } = require('../index.js');
const { compileAfter } = require('../lib/background.js');
const { uncompiled } = require('../lib/errors.js');
const { handleOf } = require('../lib/program.js');
const { CliError, EXIT, inNameOf, reason } = require('./errors.js');
const { FLAGS } = require('./flags.js');
const { addon, sourceOf } = require('./program.js');

/** The signals that end the program. @type {readonly NodeJS.Signals[]} */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** @typedef {Record<string, any>} Flags */
/**
 * @typedef {object} Setting
 * @property {string} argv0
 * @property {string[]} args
 * @property {Record<string, string>} env
 * @property {Record<string, string | URL | import('../index.js').Preopen>} preopens
 * @property {true | { to: string } | undefined} trace
 * @property {import('../index.js').FixedClock | undefined} [clock]
 * @property {string | undefined} [random]
 * @property {import('../index.js').Fetch | undefined} [fetch]
 * @property {import('../lib/sockets.js').Rule[]} [sockets]
 */

/**
 * wasi-rs run
 *
 * @param {import('./parse.js').Invocation} invocation
 * @returns {Promise<number>} the exit code
 */
async function run({ flags, program, args }) {
  checkDirectories(flags);
  const { fetch, sockets, ...setting } = settingOf(program, flags, args);
  const { deterministic } = flags;
  if (deterministic) refuseForDeterministic(flags);
  const limits = limitsOf(flags);
  const isTimed = flags.timeout !== undefined;
  const isLimited = isTimed || deterministic || sockets || Object.keys(limits).length > 0;
  try {
    const source = await sourceOf(program, flags.timeout);
    const handle = handleOf(source, !flags['no-cache']);
    const { engine = 'auto' } = flags;
    if (engine === 'v8' && !isLimited) return await runHere(handle, setting, flags);
    const isHere = engine === 'auto' && !isLimited && !(await handle.isReady(limits));
    if (!isHere)
      return await runInBackground(handle, { ...setting, fetch, sockets }, flags, limits);
    compileAfter(handle);
    return await runHere(handle, setting, flags).catch((error) => {
      if (!isInvalid(error)) throw error;
      // wasmtime may have what V8 lacks, or has a better message.
      return runInBackground(handle, { ...setting, fetch, sockets }, flags);
    });
  } catch (error) {
    throw explainFailure(program, error);
  }
}

/** @param {string} program @param {Flags} flags @param {string[]} args */
function settingOf(program, flags, args) {
  return {
    argv0: path.basename(program), // the name that a program has under wasmtime, too
    args,
    env: Object.fromEntries(flags.env),
    preopens: preopensOf(flags),
    trace: typeof flags.trace === 'string' ? { to: flags.trace } : flags.trace,
    clock: flags.clock,
    random: flags.random,
    sockets: socketsOf(flags),
    fetch: flags.fetch.length > 0 ? require('./fetch.js').fetchOf(flags.fetch) : undefined,
  };
}

/** @param {Flags} flags */
function preopensOf({ dir, tmpfs, overlay }) {
  const empty = tmpfs.map((/** @type {[string, number | undefined]} */ [guest, limit]) => {
    const { memory } = require('../lib/memory.js');
    return [guest, { directory: memory({}, { limit }) }];
  });
  const above = overlay.map((/** @type {[string, string]} */ [guest, lower]) => [
    guest,
    { directory: require('../lib/memory.js').overlay({ lower }) },
  ]);
  const inMemory = [...empty, ...above];
  const all = [...dir, ...inMemory];
  const twice = all.find(([guest], i) => all.some(([other], j) => i < j && other === guest));
  if (twice && inMemory.length > 0)
    throw new CliError(`${twice[0]} is given twice, by --dir, --tmpfs or --overlay`);
  return Object.fromEntries(all);
}

/** Refuses flags by which two runs may differ. @param {Flags} flags */
function refuseForDeterministic({ engine, fetch, connect, listen, clock, dir, overlay }) {
  if (engine === 'v8')
    throw new CliError("--deterministic needs the engine wasmtime: V8 does not fix a NaN's bits");
  const given = Object.entries({ fetch, connect, listen }).find(([, values]) => values.length > 0);
  if (given) throw new CliError(`--${given[0]} can't be had with --deterministic`);
  if (clock && dir.length + overlay.length > 0 && clock.now > BigInt(Date.now()) * 1_000_000n) {
    const why = "where --deterministic can't hide when files in --dir are changed";
    throw new CliError(`--clock is in the future, ${why}`);
  }
}

/** @param {Flags} flags @returns {import('../lib/sockets.js').Rule[] | undefined} */
function socketsOf({ connect, listen }) {
  const rules = [...connect, ...listen];
  return rules.length > 0 ? rules : undefined; // what is not given loads nothing
}

/** @param {Flags} flags */
function checkDirectories({ dir, overlay }) {
  const given = [
    ...dir.map((/** @type {[string, { path: string }]} */ [, { path }]) => ['--dir', path]),
    ...overlay.map((/** @type {[string, string]} */ [, path]) => ['--overlay', path]),
  ];
  for (const [flag, host] of given) {
    try {
      fs.closeSync(fs.openSync(host, fs.constants.O_RDONLY | (fs.constants.O_DIRECTORY ?? 0)));
    } catch (error) {
      throw new CliError(`${flag} ${host}: ${reason(error)}${mendOf(host)}`);
    }
  }
}

/** Advice for a directory that is written as other programs take it, HOST:GUEST. @param {string} host */
function mendOf(host) {
  const [, path, guest] = /^([^:]+):(\/[^:]*)$/.exec(host) ?? [];
  return path === undefined ? '' : `. It is HOST::GUEST: did you mean ${path}::${guest}?`;
}

/** @param {Flags} flags @returns {Record<string, number>} */
function limitsOf(flags) {
  const given = FLAGS.filter(({ name, limit }) => limit && flags[name] !== undefined);
  return Object.fromEntries(given.map(({ name, limit }) => [limit, flags[name]]));
}

/**
 * Runs a program in V8 on this thread, which starts soonest. Nothing but a signal can end it. A program with
 * garbage-collected objects runs off this thread: where these fill the heap, V8 ends a worker, but on the
 * main thread the process.
 *
 * @param {import('../lib/program.js').Handle} handle
 * @param {Omit<Setting, 'fetch' | 'sockets'>} setting
 * @param {Flags} flags
 */
async function runHere(handle, setting, flags) {
  const { argv0, args, ...rest } = setting;
  const found = handle.forMainThread();
  const { exportsOf, importsOf } = require('../lib/v8/guest.js'); // meanwhile
  const program = await found;
  const { version, memories, isBaseline, start } = program;
  if (program.objects !== undefined) return runInBackground(handle, setting, flags);
  const wasi = new WASI({ version, args: [argv0, ...args], ...rest });
  const [[namespace, syscalls]] = Object.entries(wasi.getImportObject());
  const module = program.withBytes((bytes) =>
    isBaseline
      ? require('../lib/v8/baseline.js').compileBaseline(bytes)
      : new WebAssembly.Module(bytes),
  );
  const instance = new WebAssembly.Instance(module, importsOf(namespace, syscalls, memories));
  leaveToKernel();
  return wasi.start({ exports: exportsOf(instance, start) });
}

/**
 * Has signals end the process by the kernel's default. Node has a handler of its own for some, and a thread
 * in a call that does not end runs no handler.
 */
function leaveToKernel() {
  const listener = () => {};
  for (const signal of SIGNALS) process.on(signal, listener).removeListener(signal, listener);
}

/**
 * Runs a program off this thread, so that this thread can handle signals.
 *
 * @param {import('../lib/program.js').Handle} handle
 * @param {Setting} setting
 * @param {Flags} flags
 * @param {Record<string, number>} [limits]
 * @returns {Promise<number>}
 */
async function runInBackground(handle, setting, flags, limits = {}) {
  const { timeout, engine, deterministic } = flags;
  const controller = new AbortController();
  const abort = (/** @type {NodeJS.Signals} */ signal) => controller.abort(signal);
  for (const signal of SIGNALS) process.once(signal, abort);
  try {
    const { signal } = controller;
    const stdio = { stdin: 'inherit', stdout: 'inherit', stderr: 'inherit' };
    const options = { ...setting, ...stdio, limits, timeout, engine, deterministic, signal };
    return (await require('../lib/run.js').run(handle, options)).exitCode;
  } catch (error) {
    process.once('exit', quitIfHeldUp);
    if (!controller.signal.aborted) throw error;
    for (const signal of SIGNALS) process.removeListener(signal, abort);
    return raise(controller.signal.reason);
  }
}

/**
 * Ends the process if Node would wait for a thread that does not return from the kernel, or from V8.
 *
 * @param {number} exitCode
 */
function quitIfHeldUp(exitCode) {
  if (require('../lib/v8/threads.js').isHeldUp()) addon().quit?.(exitCode);
}

/**
 * Ends the process by a signal, so that its parent sees the signal; a shell shows it as 128 and the signal's
 * number.
 *
 * @param {NodeJS.Signals} signal
 * @returns {number} the exit code where that does not end the process: the first process of a container
 */
function raise(signal) {
  if (process.platform !== 'win32') process.kill(process.pid, signal);
  return 128 + os.constants.signals[signal];
}

/** The exit codes for errors that end a program. @type {Readonly<Record<string, number>>} */
const EXIT_OF = {
  ERR_WASI_TIMEOUT: EXIT.TIMEOUT,
  ERR_WASI_TRAP: EXIT.TRAP,
  ERR_WASI_FUEL: EXIT.TRAP,
};

/** True if V8 refuses the module. @param {unknown} error */
function isInvalid(error) {
  return error instanceof WebAssembly.CompileError || error instanceof WebAssembly.LinkError;
}

/** @param {string} program @param {any} error @returns {unknown} */
function explainFailure(program, error) {
  const { trapMessage } = require('../lib/v8/guest.js');
  const trap = trapMessage(error);
  if (trap !== undefined) return new CliError(`${program}: ${trap}`, EXIT.TRAP);
  if (isInvalid(error)) return new CliError(inNameOf(program, `the program ${uncompiled(error)}`));
  if (error?.code === undefined) return error;
  const limit = /(?:The property '|")options\.limits\.(\w+)['"]/;
  const message = error.message
    .replace(limit, flagOf)
    .replace(' for options.trace.to:', ' for --trace:');
  const isAboutFlag = message !== error.message;
  const told = isAboutFlag ? message : inNameOf(program, message);
  return new CliError(told, EXIT_OF[error.code]);
}

/** The flag that sets a limit. @param {string} match @param {string} wanted the limit @returns {string} */
function flagOf(match, wanted) {
  const flag = FLAGS.find(({ limit }) => limit === wanted);
  return flag ? `--${flag.name}` : match;
}

module.exports = { SIGNALS, checkDirectories, explainFailure, limitsOf, run, settingOf };
