// The engines as run() and spawn() call them: what is started gives a result, and can be killed.

import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { ProgramHandle } from '../../lib/program.js';
import * as v8 from '../../lib/v8/engine.js';
import { Tickets } from '../../lib/tickets.js';
import * as wasmtime from '../../lib/wasmtime.js';
import { ENGINES } from './engine.mjs';
import { temporaryFolder } from './host.mjs';

const STARTS = {
  wasmtime: (code, plan) => wasmtime.start({ native: code.native() }, plan),
  v8: (code, plan) => v8.start(code.v8(plan.limits).prepared, plan),
};

const tickets = new Tickets();

/** How a guest is run unless a test says otherwise: nothing to read, everything captured. */
const planOf = ({ stdio = [new Uint8Array(), 'capture', 'capture'] } = {}) => ({
  args: [],
  env: [],
  preopens: [],
  limits: {},
  maxBuffer: { stdout: 2 ** 26, stderr: 2 ** 26 },
  stdio: stdio.map((one) => (typeof one === 'number' ? tickets.copy(one, 'stdin') : one)),
});

/** Starts a program in one engine. */
export const makeStart = (engine) => (bytes, plan) =>
  STARTS[engine](new ProgramHandle(bytes, false), planOf(plan));

/** Starts a guest, whose stdout is captured, and waits until it has written something to stderr. */
const makeStarted =
  (start) =>
  async (t, bytes, stdin = new Uint8Array()) => {
    const file = path.join(temporaryFolder(t), 'stderr');
    const fd = fs.openSync(file, 'w+');
    const watcher = fs.watch(file);
    t.after(() => watcher.close());
    const running = start(bytes, { stdio: [stdin, 'capture', fd] });
    running.result.catch(() => {}).finally(() => fs.closeSync(fd));
    while (fs.fstatSync(fd).size === 0) await once(watcher, 'change');
    return running;
  };

/**
 * Declares the same tests for each engine.
 *
 * @param {(one: { engine: string, start: Function, started: Function }) => void} declare
 */
export function forEachStart(declare) {
  for (const engine of ENGINES) {
    const start = makeStart(engine);
    declare({ engine, start, started: makeStarted(start) });
  }
}
