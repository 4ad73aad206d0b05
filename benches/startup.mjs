// The time until a guest runs, and the memory of a WASI object that is not used.

import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runChild } from './lib/child.mjs';
import { compareCalls, inTurn, median } from './lib/compare.mjs';
import { PROVIDERS, wasiOf } from './lib/providers.mjs';
import { withScratch } from './lib/scratch.mjs';
import { assemble } from './lib/wat.mjs';

export const title = 'Start-up';
export const about = 'Times, and the memory of a WASI object that is not used.';

const OBJECTS = 1000;

const { binaryName, triples } = createRequire(import.meta.url)('../platform.js');

/** @typedef {{ effort: import('./lib/compare.mjs').Effort, runs: number, folder: string }} Context */

/** Each row: its unit and how it is measured. */
const ROWS = {
  'process that runs the hello module': ['ms', (context) => helloProcess(context, [])],
  'the same, warnings turned off': ['ms', (context) => helloProcess(context, ['--no-warnings'])],
  'process that does nothing (for comparison)': ['ms', emptyProcess],
  require: ['ms', required],
  'addon load (process.dlopen)': ['ms', addonLoad],
  'new WASI, bare': ['us', ({ effort }) => constructor({}, effort)],
  'new WASI, preopen and process.env': [
    'us',
    (context) => constructor(usual(context), context.effort),
  ],
  'new WASI + getImportObject + instance': ['us', ({ effort }) => instantiation(effort)],
  'memory per WASI object, bare': ['KiB', ({ runs }) => objects({}, runs)],
  'memory per WASI object, preopen, process.env': [
    'KiB',
    (context) => objects(usual(context), context.runs),
  ],
};

/** @param {{ quick: boolean, effort: Context['effort'], wanted: (name: string) => boolean }} options */
export function run({ quick, effort, wanted }) {
  return withScratch(async function* (folder) {
    const context = { effort, folder, runs: quick ? 7 : 41 };
    for (const name of Object.keys(ROWS).filter(wanted)) {
      const [unit, measure] = ROWS[name];
      yield { name, unit, ...measure(context) };
    }
  });
}

const usual = ({ folder }) => ({ preopens: { '/': folder }, env: process.env });

function helloProcess({ runs, folder }, flags) {
  const wasm = path.join(folder, 'hello.wasm');
  fs.writeFileSync(wasm, hello());
  const wall = (side) => {
    const { wall, stdout } = runChild('startup.cjs', [PROVIDERS[side], wasm], flags);
    if (stdout !== 'hello world\n') throw new Error(`${side} prints ${JSON.stringify(stdout)}`);
    return wall;
  };
  return alternately(runs, wall);
}

function emptyProcess({ runs }) {
  const walls = Array.from({ length: runs }, () => runChild('nothing.cjs', []).wall);
  return { ours: median(walls) };
}

function required({ runs }) {
  return alternately(runs, (side) => runChild('load.cjs', [PROVIDERS[side]]).report);
}

function addonLoad({ runs }) {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const addon = triples()
    .map((platform) => path.join(root, binaryName(platform)))
    .find((file) => fs.existsSync(file));
  const loads = Array.from({ length: runs }, () => runChild('load.cjs', [addon]).report);
  return { ours: median(loads) };
}

function constructor(options, effort) {
  const repeat = (WASI) => (n) => {
    for (; n > 0; n--) new WASI({ version: 'preview1', ...options });
  };
  return compareInUs(repeat, effort);
}

function instantiation(effort) {
  const module = new WebAssembly.Module(hello());
  const repeat = (WASI) => (n) => {
    for (; n > 0; n--) {
      const wasi = new WASI({ version: 'preview1' });
      new WebAssembly.Instance(module, wasi.getImportObject());
    }
  };
  return compareInUs(repeat, effort);
}

/** @param {(WASI: any) => (n: number) => void} repeat */
function compareInUs(repeat, effort) {
  const sides = { ours: repeat(wasiOf('ours')), theirs: repeat(wasiOf('theirs')) };
  const { ours, theirs, ratio } = compareCalls(sides, effort);
  return { ours: ours / 1e3, theirs: theirs / 1e3, ratio };
}

function objects(options, runs) {
  const args = [JSON.stringify(options), String(OBJECTS)];
  const few = Math.ceil(runs / 5);
  return alternately(
    few,
    (side) => runChild('objects.cjs', [PROVIDERS[side], ...args], ['--expose-gc']).report,
  );
}

/** The ratio of the medians of the two sides. */
function alternately(runs, measure) {
  const samples = inTurn(runs, { ours: () => measure('ours'), theirs: () => measure('theirs') });
  const [ours, theirs] = [median(samples.ours), median(samples.theirs)];
  return { ours, theirs, ratio: theirs / ours };
}

function hello() {
  const source = fileURLToPath(new URL('../examples/demo.wat', import.meta.url));
  return assemble(fs.readFileSync(source, 'utf8'), source);
}
