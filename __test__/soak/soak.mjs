// npm run soak [-- options]: guests of every kind in every engine, started, timed out, aborted, killed and terminated for
// some minutes; then what the process holds is compared with what it held before.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { SCENARIOS } from './scenarios.mjs';

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '3' },
    lanes: { type: 'string', default: '8' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    only: { type: 'string' },
  },
});

/** How much more memory may be resident at the end, in MiB: what the allocators of V8 and of C keep for later. */
const MORE_MEMORY = 96;

/** The part of the time after which is looked what the process holds. */
const WARMING = 1 / 3;

/** How long idle threads, and what is closed by the collector, may take to go, in milliseconds. */
const SETTLING = 60_000;

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'wasi-rs-soak-'));
const cache = path.join(root, 'cache');
const names = Object.keys(SCENARIOS).filter((name) => name.includes(options.only ?? ''));
/** @type {Map<string, number>} */
const counts = new Map();
let state = Number(options.seed) | 0;

/** A number from 0 to `bound` - 1: mulberry32. @param {number} bound */
function below(bound) {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
}

let scenes = 0;
/** @param {string} name */
async function play(name) {
  const folder = path.join(root, `scene-${scenes++}`);
  fs.mkdirSync(folder);
  try {
    await SCENARIOS[name]({ below, folder, cache });
  } catch (cause) {
    throw new Error(`scenario '${name}', seed ${options.seed}`, { cause });
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

/** What the process holds. */
function holdings() {
  const status = fs.readFileSync('/proc/self/status', 'latin1');
  return {
    descriptors: fs.readdirSync('/proc/self/fd').length,
    threads: fs.readdirSync('/proc/self/task').length,
    children: childrenOf(process.pid),
    resident: Number(/VmRSS:\s*(\d+)/.exec(status)?.[1]) / 1024,
  };
}

/** @param {number} parent */
function childrenOf(parent) {
  const isChild = (/** @type {string} */ pid) => {
    try {
      const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === parent;
    } catch {
      return false; // it has just ended
    }
  };
  return fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isChild(name)).length;
}

/** @param {ReturnType<typeof holdings>} now @param {ReturnType<typeof holdings>} before @returns {string[]} what is more */
function surplus(now, before) {
  const more = [];
  for (const what of /** @type {const} */ (['descriptors', 'threads', 'children']))
    if (now[what] > before[what]) more.push(`${what}: ${before[what]} -> ${now[what]}`);
  if (now.resident > before.resident + MORE_MEMORY)
    more.push(`resident: ${before.resident.toFixed(0)} -> ${now.resident.toFixed(0)} MiB`);
  return more;
}

/** Waits until the process holds no more than before, or has had the time for it. @param {ReturnType<typeof holdings>} [before] */
async function settle(before) {
  const until = Date.now() + SETTLING;
  let now;
  do {
    /** @type {any} */ (globalThis).gc?.();
    await pause(500);
    now = holdings();
  } while (Date.now() < until && (!before || surplus(now, before).length > 0) && before);
  return now;
}

/** Scenarios by chance, in all lanes, for so many milliseconds. @param {number} time */
async function mix(time) {
  const until = Date.now() + time;
  const lane = async () => {
    while (Date.now() < until) await play(names[below(names.length)]);
  };
  await Promise.all(Array.from({ length: Number(options.lanes) }, lane));
}

async function main() {
  process.on('unhandledRejection', (error) => {
    throw error;
  });
  // Once each, so that what is made once is there; then all together, until the allocators have what they keep.
  for (const name of names) await play(name);
  const time = Number(options.minutes) * 60_000;
  await mix(time * WARMING);
  await pause(12_000); // idle threads end
  const before = await settle();
  console.log('before', before);
  counts.clear();
  await mix(time * (1 - WARMING));
  const after = await settle(before);
  console.log('after ', after);
  for (const [name, count] of counts) console.log(String(count).padStart(7), name);
  const more = surplus(after, before);
  if (more.length === 0) return;
  console.error(`more than before, seed ${options.seed}:\n  ${more.join('\n  ')}`);
  process.exitCode = 1;
}

try {
  await main();
} finally {
  fs.rmSync(root, { recursive: true, force: true });
}
