'use strict';

// Machine code for the next time, made by another process of low priority: a program that prints its version and ends
// would never live to see it otherwise.
//
// Run as a script: node background.js <folder of the cache> <path of the program, or '-' and its length: it comes on stdin>

const fs = require('node:fs');
const path = require('node:path');
const { clearTimeout, setImmediate, setTimeout } = require('node:timers');
const { isOpen } = require('./cache.js');

/** How old a lock may become before it is thought to be left over, or it is tried again. */
const STALE = 10 * 60 * 1000;

/** The paths that this process has asked for already. @type {Set<string>} */
const askedPaths = new Set();
/** The bytes, by what they are in. @type {WeakSet<ArrayBufferLike>} */
const askedBytes = new WeakSet();

/** How long a program has the processors for itself, in milliseconds. */
const HEAD_START = 1000;

/** What is to be compiled once it need not be waited for. @type {Set<() => void>} */
const due = new Set();
process.on('exit', () => due.forEach((begin) => begin()));

/**
 * Has a program compiled when its run is over, or takes long, or this process ends; unless that is going on.
 *
 * @param {import('./program.js').ProgramCode} code
 * @param {Promise<unknown>} run
 */
function compileAfter({ source, cache }, run) {
  if (cache === undefined || isAsked(source)) return;
  const begin = () => {
    clearTimeout(timer);
    if (due.delete(begin)) compile(source, cache);
  };
  due.add(begin);
  const timer = setTimeout(begin, HEAD_START).unref();
  // Behind what whoever waits for the run does then.
  const soon = () => void setImmediate(begin);
  run.then(soon, soon);
}

/** Whether that was asked before. @param {string | Uint8Array} source */
function isAsked(source) {
  const [asked, key] =
    typeof source === 'string' ? [askedPaths, source] : [askedBytes, source.buffer];
  const was = asked.has(/** @type {any} */ (key));
  asked.add(/** @type {any} */ (key));
  return was;
}

/** @param {string | Uint8Array} source @param {string} cache */
function compile(source, cache) {
  const { permission } = /** @type {any} */ (process);
  if (permission && !permission.has('child')) return; // there is machine code when somebody calls compile()
  if (isOpen(cache)) return;
  const isPath = typeof source === 'string';
  const { beside } = require('./wasmtime.js');
  if (isPath) beside([__filename, cache, source]);
  else beside([__filename, cache, '-', String(source.length)], source);
}

async function main([folder, source, length] = process.argv.slice(2)) {
  const program = source === '-' ? await readInput(Number(length)) : source;
  if (program === undefined) return;
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const unlock = lock(path.join(folder, `${nameOf(program)}.lock`));
  if (!unlock) return;
  const wasmtime = require('./wasmtime.js');
  await wasmtime.ask('compile', wasmtime.makeProgram({ source: program, cache: folder }));
  unlock(); // what can't be compiled keeps its lock, so that not everybody tries
}

/** All of stdin, if nothing of it is missing. @param {number} length @returns {Promise<Buffer | undefined>} */
async function readInput(length) {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  return bytes.length === length ? bytes : undefined;
}

/** @param {string | Buffer} program */
function nameOf(program) {
  return require('node:crypto').createHash('sha256').update(program).digest('hex');
}

/** @param {string} file @returns {(() => void) | undefined} what takes the lock away; nothing if somebody else has it */
function lock(file) {
  try {
    if (Date.now() - fs.statSync(file).mtimeMs > STALE) fs.rmSync(file, { force: true });
  } catch {
    // There is none.
  }
  try {
    fs.closeSync(fs.openSync(file, 'wx', 0o600));
  } catch {
    return undefined;
  }
  return () => fs.rmSync(file, { force: true });
}

module.exports = { compileAfter };

// What can't be compiled, V8 has told the user of.
if (require.main === module) main().catch(() => (process.exitCode = 1));
