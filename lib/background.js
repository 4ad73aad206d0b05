'use strict';

// Machine code for the next time, made by another process of low priority: a program that prints its version and ends
// would never live to see it otherwise.
//
// Run as a script: node background.js <folder of the cache> <path of the program, or '-' and its length: it comes on stdin>

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

/** How old a lock may become before it is thought to be left over, or it is tried again. */
const STALE = 10 * 60 * 1000;

/** The paths that this process has asked for already. @type {Set<unknown>} */
const asked = new Set();

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
  if (cache === undefined || asked.has(source)) return;
  if (typeof source === 'string') asked.add(source);
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

/** @param {string | Uint8Array} source @param {string} cache */
function compile(source, cache) {
  const what = typeof source === 'string' ? [source] : ['-', String(source.length)];
  try {
    const { spawn } = require('node:child_process');
    const child = spawn(process.execPath, [__filename, cache, ...what], {
      detached: true,
      stdio: [what.length > 1 ? 'pipe' : 'ignore', 'ignore', 'ignore'],
      // Neither flags nor preloads of this program; in Electron, be Node.
      env: { ELECTRON_RUN_AS_NODE: '1' },
      windowsHide: true,
    });
    child.on('error', () => {});
    // It does so itself, but not before Node has started.
    if (child.pid !== undefined) os.setPriority(child.pid, os.constants.priority.PRIORITY_LOW);
    child.stdin?.on('error', () => {}).end(source);
    child.unref();
  } catch {
    // The permission model, say: then there is machine code when somebody calls compile().
  }
}

async function main([folder, source, length] = process.argv.slice(2)) {
  os.setPriority(os.constants.priority.PRIORITY_LOW);
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
