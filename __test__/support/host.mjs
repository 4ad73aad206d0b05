// The host's side of tests: folders, processes, threads.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

/** The folder of the package, with a slash at its end; the file that people require; and the command's. */
export const root = fileURLToPath(new URL('../..', import.meta.url));
export const index = path.join(root, 'index.js');
export const main = path.join(root, 'cli', 'main.js');

const url = (name) => JSON.stringify(new URL(name, import.meta.url));

/**
 * A folder that is gone after the test, or the suite. Its path leads through no link.
 *
 * @param {{ after(fn: () => void): void }} t a test's context, or `{ after }` of node:test
 */
export function temporaryFolder(t) {
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'wasi-rs-test-')));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A port of 127.0.0.1 at which nobody listens. */
export async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** After so many milliseconds a child that should have ended long ago is killed. */
export const HANGS = 120_000;

/** What scripts of children and workers find declared. */
const prelude = `
  const { WASI } = await import(${url('../../index.js')});
  const { wat } = await import(${url('./wat.mjs')});
  const { Guest } = await import(${url('./guest.mjs')});
`;

/**
 * Runs a Node of its own.
 *
 * @param {string[]} args
 * @param {object} [options]
 * @param {string} [options.cwd]
 * @param {string} [options.input] what is on stdin
 * @param {number} [options.timeout] when it is killed, in milliseconds
 * @returns {Promise<{ code: number, signal: string, stdout: string, stderr: string }>}
 */
export async function runNode(args, { cwd, input = '', timeout = HANGS } = {}) {
  const child = spawn(process.execPath, args, { cwd, timeout });
  child.stdin.on('error', () => {}); // it need not read
  child.stdin.end(input);
  const collect = async (stream) => Buffer.concat(await stream.toArray()).toString();
  const exit = new Promise((resolve) =>
    child.on('close', (code, signal) => resolve({ code, signal })),
  );
  const [stdout, stderr] = await Promise.all([collect(child.stdout), collect(child.stderr)]);
  return { ...(await exit), stdout, stderr };
}

/**
 * Runs a script, an async function's body that knows WASI, wat and Guest, in a Node of its own.
 *
 * @param {string} script
 * @param {object} [options] of runNode, and
 * @param {string[]} [options.flags] of Node
 */
export function runInChild(script, { flags = [], ...options } = {}) {
  return runNode([...flags, '--input-type=module', '-e', `${prelude}\n${script}`], options);
}

/**
 * Runs such a script in a thread. The answer is there when the thread has ended.
 *
 * @param {string} script
 * @param {object} [options] of Worker
 * @returns {Promise<{ code: number, messages: unknown[] }>}
 */
export function runInWorker(script, { workerData, ...options } = {}) {
  return new Promise((resolve, reject) => {
    const worker = startWorker(script, workerData, options);
    const messages = [];
    worker.on('message', (message) => messages.push(message));
    worker.on('error', reject);
    worker.on('exit', (code) => resolve({ code, messages }));
  });
}

/** Starts such a script in a thread; it knows parentPort and workerData as well. */
export function startWorker(script, workerData, options) {
  const source = `
    const { parentPort, workerData } = require('node:worker_threads');
    (async () => { ${prelude}\n${script} })();`;
  return new Worker(source, { ...options, eval: true, workerData });
}

/** What `run` throws. */
export function thrownBy(run) {
  try {
    run();
  } catch (error) {
    return error;
  }
  return assert.fail('nothing was thrown');
}
