// The cost of a unit of work as there is more of it: linear growth is a constant here.

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { compareCalls } from './lib/compare.mjs';
import { checked, compileFor, openFile, putIovec, start, underBoth } from './lib/guest.mjs';
import { SIDES, wasiOf } from './lib/providers.mjs';
import { withScratch } from './lib/scratch.mjs';
import { assemble, call, load, loops } from './lib/wat.mjs';

export const title = 'As work grows';
export const about = 'Work that grows linearly costs the same per unit.';

const KIB = 1024;
const MIB = KIB * KIB;

/** @typedef {{ effort: import('./lib/compare.mjs').Effort, folder: string }} Context */

/** Each row: how it is measured. */
const ROWS = {
  'fd_readdir of 10 entries, per entry': (context) => listing(context, 10),
  'fd_readdir of 1,000 entries, per entry': (context) => listing(context, 1000),
  'fd_readdir of 100,000 entries, per entry': (context) => listing(context, 100_000),
  'fd_pread of 1 KiB, per KiB': (context) => reading(context, KIB),
  'fd_pread of 64 KiB, per KiB': (context) => reading(context, 64 * KIB),
  'fd_pread of 1 MiB, per KiB': (context) => reading(context, MIB),
  'fd_pread of 64 MiB, per KiB': (context) => reading(context, 64 * MIB),
  'fd_read of 16 B, 10 open descriptors': (context) => descriptors(context, 10),
  'fd_read of 16 B, 1,000 open descriptors': (context) => descriptors(context, 1000),
  'clock_time_get, 1 live WASI object': (context) => objects(context, 1),
  'clock_time_get, 1,000 live WASI objects': (context) => objects(context, 1000),
  'clock_time_get, 1 WASI object, from JavaScript': (context) => objectsInTurn(context, 1),
  'clock_time_get, 1,000 WASI objects in turn': (context) => objectsInTurn(context, 1000),
};

/** @param {{ effort: Context['effort'], wanted: (name: string) => boolean }} options */
export async function* run({ effort, wanted }) {
  for (const name of Object.keys(ROWS).filter(wanted)) {
    yield* withScratch(async function* (folder) {
      yield { name, unit: 'ns', ...ROWS[name]({ effort, folder }) };
    });
  }
}

/** The costs of `count` units, each alone. */
function perUnit({ ours, theirs, ratio }, count) {
  return { ours: ours / count, theirs: theirs / count, ratio };
}

function listing({ effort, folder }, count) {
  for (let i = 0; i < count; i++) fs.writeFileSync(path.join(folder, `entry-${i}`), '');
  const source = fileURLToPath(new URL('guests/list.wat', import.meta.url));
  const wasm = assemble(fs.readFileSync(source, 'utf8'), source);
  const guests = underBoth(wasm, { preopens: { '/': folder } });
  const repeat = (side) => (n) => {
    for (; n > 0; n--) {
      const found = guests[side].exports.list();
      // The standard lists . and .. as well; node:wasi does not.
      if (found !== count && found !== count + 2) throw new Error(`${side} finds ${found} entries`);
    }
  };
  return perUnit(compareCalls({ ours: repeat('ours'), theirs: repeat('theirs') }, effort), count);
}

const RESULT = 16;
const IOVEC = 32;
const DESCRIPTOR = 40;
const BUFFER = 1 << 16;

function reading({ effort, folder }, size) {
  fs.writeFileSync(path.join(folder, 'file'), Buffer.alloc(size, 'wasi'));
  const pread = call('fd_pread', load(DESCRIPTOR), IOVEC, 1, 0n, RESULT);
  const wasm = assemble(loops({ pread: [pread] }, 1 + Math.ceil(size / BUFFER)), 'reading.wat');
  const guests = underBoth(wasm, { preopens: { '/': folder } });
  for (const side of SIDES) {
    openFile(guests[side], 'file', DESCRIPTOR);
    putIovec(guests[side], IOVEC, BUFFER, size);
  }
  return perUnit(compareCalls(checked(guests, 'pread'), effort), size / KIB);
}

function descriptors({ effort, folder }, count) {
  fs.writeFileSync(path.join(folder, 'file'), '');
  fs.truncateSync(path.join(folder, 'file'), 2 ** 36); // without content, and never read to its end
  const read = call('fd_read', load(DESCRIPTOR), IOVEC, 1, RESULT);
  const wasm = assemble(loops({ read: [read] }, 2), 'descriptors.wat');
  const guests = underBoth(wasm, { preopens: { '/': folder } });
  for (const side of SIDES) {
    for (let i = 0; i < count; i++) openFile(guests[side], 'file', DESCRIPTOR);
    putIovec(guests[side], IOVEC, BUFFER, 16);
  }
  return compareCalls(checked(guests, 'read'), effort);
}

function objects({ effort }, count) {
  const guests = clocks(count);
  const last = { ours: guests.ours.at(-1), theirs: guests.theirs.at(-1) };
  const row = compareCalls(checked(last, 'clock'), effort);
  keep(guests, count);
  return row;
}

/** Ten calls of a guest, then ten of the next. */
function objectsInTurn({ effort }, count) {
  const guests = clocks(count);
  const each = 10;
  const turn = (side) => (n) => {
    for (let i = 0; i < n; i++) guests[side][i % count].exports.clock(each);
  };
  return perUnit(compareCalls({ ours: turn('ours'), theirs: turn('theirs') }, effort), each);
}

/** `count` started guests of each side. */
function clocks(count) {
  const clock = call('clock_time_get', 1, 0n, RESULT);
  const wasm = assemble(loops({ clock: [clock] }, 1), 'clocks.wat');
  const startMany = (side) => {
    const module = compileFor(side, wasm);
    return Array.from({ length: count }, () => start(module, wasiOf(side), {}));
  };
  return { ours: startMany('ours'), theirs: startMany('theirs') };
}

/** Holds the guests alive until here. */
function keep(guests, count) {
  if (guests.ours.length !== count || guests.theirs.length !== count) throw new Error('lost some');
}
