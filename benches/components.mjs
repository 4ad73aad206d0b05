// The cost of file calls of a component: loops inside a guest of WASI 0.2 and one of preview1, in wasmtime, off
// the event loop. Each measures itself, by its own clock.

import fs from 'node:fs';
import path from 'node:path';
import { load } from '../index.js';
import { median } from './lib/compare.mjs';
import { component } from './lib/component.mjs';
import { withScratch } from './lib/scratch.mjs';
import { assemble } from './lib/wat.mjs';
import { quantity } from './report/format.mjs';

export const title = 'File calls of components';
export const about = `The functions of WASI 0.2, in \`load()\`, against the calls of preview1 that do the same,
in \`load()\` as well: how many times as long they take.`;

const FOLLOW = 1;
const MIB = 1 << 20;
const ENTRIES = 1000;
const LISTED = 4096; // bytes for entries, as wasi-libc has them

/** Where things are in the guest's memory. */
const RESULT = 512;
const IOVEC = 640;
const OPENED = { root: 256, file: 260, output: 264, folder: 268, made: 272 };
const PATHS = ['file', 'a/b/c/d/e/file', 'new', 'here', 'there', 'link', 'output', 'folder'];
const BUFFER = 1 << 16;
const FREE = 1 << 20;
const PAGES = 64;

const i32 = (value) => `(i32.const ${value})`;
const i64 = (value) => `(i64.const ${value})`;
const load32 = (address) => `(i32.load ${i32(address)})`;
const pathOf = (name) => `${i32(1024 + 64 * PATHS.indexOf(name))} ${i32(name.length)}`;
const data = PATHS.map((name, index) => `(data (i32.const ${1024 + 64 * index}) "${name}")`).join(
  '\n',
);

/** A call of preview1, which must not fail. */
const call = (name, ...args) => `(if (call $${name} ${args.join(' ')}) (then (unreachable)))`;

/** A call of 0.2, which must not fail: the result is at RESULT, behind whether it is an error. */
const method = (name, ...args) =>
  `(call $${name} ${args.join(' ')} ${i32(RESULT)})
   (if (i32.load8_u ${i32(RESULT)}) (then (unreachable)))`;
const drop = (resource, address) => `(call $${resource}.drop ${load32(address)})`;
const keep = (address) => `(i32.store ${i32(address)} ${load32(RESULT + 4)})`;

/** A loop that is left by `(br $done)`. */
const forever = (body) => `(block $done (loop $on ${body} (br $on)))`;
const times = (count, body) =>
  `(local.set $i ${i32(count)})
   (loop $on ${body} (br_if $on (local.tee $i (i32.sub (local.get $i) ${i32(1)}))))`;

const rights = (...bits) => i64(bits.reduce((all, bit) => all | (1n << BigInt(bit)), 0n));
const RIGHTS = { read: rights(1, 2, 21), write: rights(2, 6, 21), list: rights(14, 21) };
const [root, file, output, folder] = ['root', 'file', 'output', 'folder'].map((name) =>
  load32(OPENED[name]),
);

const old = {
  open: (name, right, to, flags = 0) =>
    call(
      ...['path_open', root, i32(FOLLOW), pathOf(name), i32(flags), RIGHTS[right], i64(0), i32(0)],
      i32(OPENED[to]),
    ),
  close: call('fd_close', load32(OPENED.made)),
  iovec: (size) => `(i32.store ${i32(IOVEC + 4)} ${i32(size)})`,
  rewind: (of) => call('fd_seek', of, i64(0), i32(0), i32(RESULT)),
  read: call('fd_read', file, i32(IOVEC), i32(1), i32(RESULT)),
  write: call('fd_write', output, i32(IOVEC), i32(1), i32(RESULT)),
  unlink: call('path_unlink_file', root, pathOf('new')),
};

const READ = 1;
const WRITE = 2;
const fresh = {
  open: (name, flags, to, open = 0) =>
    method('descriptor.open-at', root, i32(FOLLOW), pathOf(name), i32(open), i32(flags)) +
    keep(OPENED[to]),
  close: drop('descriptor', OPENED.made),
  unlink: method('descriptor.unlink-file-at', root, pathOf('new')),
  reading: method('descriptor.read-via-stream', file, i64(0)) + keep(OPENED.made),
  writing: method('descriptor.write-via-stream', output, i64(0)) + keep(OPENED.made),
  made: load32(OPENED.made),
};
const reset = `(global.set $free ${i32(FREE)})`;

const readOn = (size) => [
  old.iovec(size) + old.rewind(file) + times(MIB / size, old.read),
  fresh.reading +
    times(MIB / size, method('input-stream.blocking-read', fresh.made, i64(size)) + reset) +
    drop('input-stream', OPENED.made),
];

const writeOn = (size, write) => [
  old.iovec(size) + old.rewind(output) + times(MIB / size, old.write),
  fresh.writing + times(MIB / size, write) + drop('output-stream', OPENED.made),
];

const readAt = (size) => [
  old.iovec(size) + call('fd_pread', file, i32(IOVEC), i32(1), i64(0), i32(RESULT)),
  method('descriptor.read', file, i64(size), i64(0)),
];

const bytes = (size) => [i32(BUFFER), i32(size)];

const LIST = `(local.set $cookie (i64.const 0))
  ${forever(`
    ${call('fd_readdir', folder, i32(BUFFER), i32(LISTED), '(local.get $cookie)', i32(RESULT))}
    (local.set $at ${i32(BUFFER)})
    (local.set $end (i32.add ${i32(BUFFER)} ${load32(RESULT)}))
    (block $cut (loop $entry
      (br_if $cut (i32.gt_u (i32.add (local.get $at) (i32.const 24)) (local.get $end)))
      (local.set $next (i32.add (i32.add (local.get $at) (i32.const 24)) (i32.load offset=16 (local.get $at))))
      (br_if $cut (i32.gt_u (local.get $next) (local.get $end)))
      (local.set $cookie (i64.load (local.get $at)))
      (local.set $count (i32.add (local.get $count) (i32.const 1)))
      (local.set $at (local.get $next))
      (br $entry)))
    (br_if $done (i32.lt_u ${load32(RESULT)} ${i32(LISTED)}))`)}`;

/** Each row: the calls of preview1, and those of 0.2 that do the same. */
const ROWS = {
  'open and close': [
    old.open('file', 'read', 'made') + old.close,
    fresh.open('file', READ, 'made') + fresh.close,
  ],
  'open and close, depth 6': [
    old.open('a/b/c/d/e/file', 'read', 'made') + old.close,
    fresh.open('a/b/c/d/e/file', READ, 'made') + fresh.close,
  ],
  'stat of a path': [
    call('path_filestat_get', root, i32(FOLLOW), pathOf('file'), i32(RESULT)),
    method('descriptor.stat-at', root, i32(FOLLOW), pathOf('file')),
  ],
  'stat of an open file': [
    call('fd_filestat_get', file, i32(RESULT)),
    method('descriptor.stat', file),
  ],
  'metadata-hash of an open file': [
    call('fd_filestat_get', file, i32(RESULT)),
    method('descriptor.metadata-hash', file),
  ],
  'read at an offset, 16 B': readAt(16),
  'read at an offset, 4 KiB': readAt(4096),
  'read at an offset, 64 KiB': readAt(65536),
  'a stream made and read once, 4 KiB': [
    old.iovec(4096) + old.rewind(file) + old.read,
    fresh.reading +
      method('input-stream.blocking-read', fresh.made, i64(4096)) +
      drop('input-stream', OPENED.made),
  ],
  'a stream read, 256 times 4 KiB': readOn(4096),
  'a stream read, 16 times 64 KiB': readOn(65536),
  'write at an offset, 4 KiB': [
    old.iovec(4096) + call('fd_pwrite', output, i32(IOVEC), i32(1), i64(0), i32(RESULT)),
    method('descriptor.write', output, ...bytes(4096), i64(0)),
  ],
  'write at an offset, 64 KiB': [
    old.iovec(65536) + call('fd_pwrite', output, i32(IOVEC), i32(1), i64(0), i32(RESULT)),
    method('descriptor.write', output, ...bytes(65536), i64(0)),
  ],
  'a stream written, 256 times 4 KiB: check-write, write, flush': writeOn(
    4096,
    method('output-stream.check-write', fresh.made) +
      method('output-stream.write', fresh.made, ...bytes(4096)) +
      method('output-stream.blocking-flush', fresh.made),
  ),
  'a stream written, 16 times 64 KiB: check-write, write, flush': writeOn(
    65536,
    method('output-stream.check-write', fresh.made) +
      method('output-stream.write', fresh.made, ...bytes(65536)) +
      method('output-stream.blocking-flush', fresh.made),
  ),
  'a stream written, 256 times 4 KiB: blocking-write-and-flush': writeOn(
    4096,
    method('output-stream.blocking-write-and-flush', fresh.made, ...bytes(4096)),
  ),
  'a directory of 1000 entries listed': [
    LIST,
    method('descriptor.read-directory', folder) +
      keep(OPENED.made) +
      forever(
        method('directory-entry-stream.read-directory-entry', fresh.made) +
          `${reset} (br_if $done (i32.eqz ${load32(RESULT + 4)}))
           (local.set $count (i32.add (local.get $count) ${i32(1)}))`,
      ) +
      drop('directory-entry-stream', OPENED.made),
  ],
  'create, close, unlink': [
    old.open('new', 'write', 'made', 1 | 4) + old.close + old.unlink,
    fresh.open('new', WRITE, 'made', 1 | 4) + fresh.close + fresh.unlink,
  ],
  'rename, there and back': [
    call('path_rename', root, pathOf('here'), root, pathOf('there')) +
      call('path_rename', root, pathOf('there'), root, pathOf('here')),
    method('descriptor.rename-at', root, pathOf('here'), root, pathOf('there')) +
      method('descriptor.rename-at', root, pathOf('there'), root, pathOf('here')),
  ],
  'a directory made and removed': [
    call('path_create_directory', root, pathOf('new')) +
      call('path_remove_directory', root, pathOf('new')),
    method('descriptor.create-directory-at', root, pathOf('new')) +
      method('descriptor.remove-directory-at', root, pathOf('new')),
  ],
  'a symbolic link made and unlinked': [
    call('path_symlink', pathOf('file'), root, pathOf('new')) + old.unlink,
    method('descriptor.symlink-at', root, pathOf('file'), pathOf('new')) + fresh.unlink,
  ],
  'the target of a link': [
    call('path_readlink', root, pathOf('link'), i32(BUFFER), i32(256), i32(RESULT)),
    method('descriptor.readlink-at', root, pathOf('link')),
  ],
  'monotonic clock': [
    call('clock_time_get', i32(1), i64(1), i32(RESULT)),
    '(drop (call $monotonic-clock.now))',
  ],
  'wall clock': [
    call('clock_time_get', i32(0), i64(1), i32(RESULT)),
    `(call $wall-clock.now ${i32(RESULT)})`,
  ],
  'random, 32 B': [
    call('random_get', i32(BUFFER), i32(32)),
    `(call $random.get-random-bytes ${i64(32)} ${i32(RESULT)})`,
  ],
  'random, 4 KiB': [
    call('random_get', i32(BUFFER), i32(4096)),
    `(call $random.get-random-bytes ${i64(4096)} ${i32(RESULT)})`,
  ],
};

/** The rows that count entries. */
const COUNTS = { 'a directory of 1000 entries listed': ENTRIES };

const IMPORTED = {
  clock_time_get: 'i32 i64 i32',
  fd_close: 'i32',
  fd_filestat_get: 'i32 i32',
  fd_pread: 'i32 i32 i32 i64 i32',
  fd_pwrite: 'i32 i32 i32 i64 i32',
  fd_read: 'i32 i32 i32 i32',
  fd_readdir: 'i32 i32 i32 i64 i32',
  fd_seek: 'i32 i64 i32 i32',
  fd_write: 'i32 i32 i32 i32',
  path_create_directory: 'i32 i32 i32',
  path_filestat_get: 'i32 i32 i32 i32 i32',
  path_open: 'i32 i32 i32 i32 i32 i64 i64 i32 i32',
  path_readlink: 'i32 i32 i32 i32 i32 i32',
  path_remove_directory: 'i32 i32 i32',
  path_rename: 'i32 i32 i32 i32 i32 i32',
  path_symlink: 'i32 i32 i32 i32 i32',
  path_unlink_file: 'i32 i32 i32',
  random_get: 'i32 i32',
};

const nameOf = (row) => `row${Object.keys(ROWS).indexOf(row)}`;

/** Functions that make the calls of a row n times, and tell how long that took, in nanoseconds. */
const functions = (side, now, before = '') =>
  Object.entries(ROWS).map(
    ([row, calls]) => `(func (export "${nameOf(row)}") (param $n i32) (result i64)
      (local $i i32) (local $cookie i64) (local $at i32) (local $end i32) (local $next i32)
      (local $count i32) (local $start i64)
      (local.set $start ${now})
      (loop $again
        ${before} (local.set $count ${i32(0)})
        ${calls[side]}
        ${COUNTS[row] ? `(if (i32.lt_u (local.get $count) ${i32(COUNTS[row])}) (then (unreachable)))` : ''}
        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (i64.sub ${now} (local.get $start)))`,
  );

const preview1 = () =>
  assemble(
    `(module
      ${Object.entries(IMPORTED)
        .map(
          ([name, types]) =>
            `(import "wasi_snapshot_preview1" "${name}" (func $${name} (param ${types}) (result i32)))`,
        )
        .join('\n')}
      (memory (export "memory") ${PAGES}) ${data}
      (func $now (result i64)
        ${call('clock_time_get', i32(1), i64(1), i32(RESULT))} (i64.load ${i32(RESULT)}))
      (func (export "prepare")
        (i32.store ${i32(IOVEC)} ${i32(BUFFER)}) (i32.store ${i32(OPENED.root)} (i32.const 3))
        ${old.open('file', 'read', 'file')} ${old.open('output', 'write', 'output')}
        ${old.open('folder', 'list', 'folder', 2)})
      ${functions(0, '(call $now)').join('\n')})`,
    'preview1.wat',
  );

const preview2 = () =>
  component({
    pages: PAGES,
    free: FREE,
    body: `${data}
      (func (export "prepare")
        (call $preopens.get-directories ${i32(RESULT)})
        (i32.store ${i32(OPENED.root)} (i32.load ${load32(RESULT)}))
        ${fresh.open('file', READ, 'file')} ${fresh.open('output', WRITE, 'output')}
        ${fresh.open('folder', READ, 'folder', 2)})
      ${functions(1, '(call $monotonic-clock.now)', reset).join('\n')}`,
    exports: {
      prepare: '',
      ...Object.fromEntries(
        Object.keys(ROWS).map((row) => [nameOf(row), '(param "n" u32) (result u64)']),
      ),
    },
  });

/** @param {{ effort: import('./lib/compare.mjs').Effort, wanted: (name: string) => boolean }} options */
export function run({ effort, wanted }) {
  return withScratch(async function* (scratch) {
    const names = Object.keys(ROWS).filter(wanted);
    if (names.length === 0) return;
    const guests = [
      await guest(scratch, 'old', preview1()),
      await guest(scratch, 'new', preview2()),
    ];
    for (const name of names) {
      const { costs, ratio } = await compare(
        guests.map(({ exports }) => exports[nameOf(name)]),
        effort,
      );
      const note = `${ratio.toFixed(2)} times the ${quantity(costs[0], 'ns')} of preview1`;
      yield { name, unit: 'ns', ours: costs[1], note };
    }
    await Promise.all(guests.map((one) => one.close()));
  });
}

async function guest(scratch, name, wasm) {
  const root = path.join(scratch, name);
  makeFiles(root);
  const instance = await load(wasm, { preopens: { '/': root }, cache: false });
  await instance.exports.prepare();
  return instance;
}

function makeFiles(root) {
  fs.mkdirSync(path.join(root, 'a/b/c/d/e'), { recursive: true });
  fs.mkdirSync(path.join(root, 'folder'));
  fs.writeFileSync(path.join(root, 'file'), Buffer.alloc(MIB, 'wasi'));
  fs.writeFileSync(path.join(root, 'output'), Buffer.alloc(MIB));
  for (const name of ['a/b/c/d/e/file', 'here']) fs.writeFileSync(path.join(root, name), name);
  for (let i = 0; i < ENTRIES; i++) fs.writeFileSync(path.join(root, 'folder', `entry-${i}`), '');
  fs.symlinkSync('file', path.join(root, 'link'));
}

/** Both in turn. The ratio is the median of the rounds' ratios. */
async function compare(sides, { rounds, sample, patience }) {
  const each = async (side, n) => Number(await side(n)) / n;
  let n = 1;
  for (; ; n *= 4) {
    const took = Math.max(...[await each(sides[0], n), await each(sides[1], n)]) * n;
    if (took >= (sample * 1e6) / 2) break;
  }
  const samples = [[], []];
  const end = performance.now() + patience;
  for (let round = 0; round < rounds && (round < 5 || performance.now() < end); round++) {
    for (const side of round % 2 === 0 ? [0, 1] : [1, 0])
      samples[side].push(await each(sides[side], n));
  }
  return {
    costs: samples.map(median),
    ratio: median(samples[1].map((took, i) => took / samples[0][i])),
  };
}
