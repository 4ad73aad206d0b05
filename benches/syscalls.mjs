// The cost of each system call: loops inside one guest, run by both providers in turn in this process.

import fs from 'node:fs';
import path from 'node:path';
import { compareCalls } from './lib/compare.mjs';
import { checked, compileFor, memory, putIovec, putText, start } from './lib/guest.mjs';
import { kernelFloors } from './lib/kernel.mjs';
import { SIDES, wasiOf } from './lib/providers.mjs';
import { withScratch } from './lib/scratch.mjs';
import { assemble, call, load, loops } from './lib/wat.mjs';

export const title = 'System calls';
export const about = `Loops inside one guest.
The kernel's own time is that of a program in Rust which makes the calls that a row can't do without,
and nothing else: with a second thread, as Node has several and the kernel then locks what they share.
Paths of several components are opened with openat2, which keeps them below the directory.`;
export const hasMean = true;

const RIGHTS = {
  read: 1n << 1n,
  seek: 1n << 2n,
  flags: 1n << 3n,
  sync: 1n << 4n,
  tell: 1n << 5n,
  write: 1n << 6n,
  advise: 1n << 7n,
  readdir: 1n << 14n,
  stat: 1n << 21n,
  size: 1n << 22n,
  times: 1n << 23n,
};
const rights = (...names) => names.reduce((all, name) => all | RIGHTS[name], 0n);

const FOLLOW = 1;
const CREATE_EXCLUSIVELY = 1 | 4;
const DIRECTORY = 2;
const ENOENT = 44;
const NOW = 2 | 8; // fstflags: ATIM_NOW, MTIM_NOW
const MIB = 1 << 20;

const ROOT = 3;
const STDOUT = 1;

// Where things are in the guest's memory.
const RESULT = 512;
const IOVECS = { 16: 1024, 4096: 1032, 65536: 1040, [MIB]: 1048, fourTimes16: 1088 };
const CLOCKS = { now: [2048, 0], soon: [2112, 20_000], later: [2176, 1_000_000] }; // address, ns
const OPENED = { file: 256, output: 260, folder: 264, scratch: 268 };
const BUFFER = 1 << 16;
const PATHS = [
  'file',
  'a/b/c/d/e/file',
  'link/c/d/e/file',
  'missing',
  'new',
  'here',
  'there',
  'link-to-file',
  'output',
  'folder',
];
const pathAt = (name) => [4096 + 64 * PATHS.indexOf(name), name.length];

const file = load(OPENED.file);
const output = load(OPENED.output);
const open = (name) =>
  call('path_open', ROOT, FOLLOW, ...pathAt(name), 0, rights('read'), 0n, 0, OPENED.scratch);
const create = (name) =>
  call(
    ...['path_open', ROOT, 0, ...pathAt(name), CREATE_EXCLUSIVELY],
    ...[rights('write'), 0n, 0, OPENED.scratch],
  );
const close = call('fd_close', load(OPENED.scratch));
const unlink = (name) => call('path_unlink_file', ROOT, ...pathAt(name));
const stat = (name) => call('path_filestat_get', ROOT, FOLLOW, ...pathAt(name), RESULT);
const rename = (from, to) => call('path_rename', ROOT, ...pathAt(from), ROOT, ...pathAt(to));
const wait = (clock) => call('poll_oneoff', CLOCKS[clock][0], BUFFER, 1, RESULT);
const pread = (size) => call('fd_pread', file, IOVECS[size], 1, 0n, RESULT);

/** Each row: the calls that are made over and over. */
const ROWS = {
  sched_yield: [call('sched_yield')],
  'clock_time_get, monotonic': [call('clock_time_get', 1, 1n, RESULT)],
  'clock_time_get, realtime': [call('clock_time_get', 0, 1n, RESULT)],
  clock_res_get: [call('clock_res_get', 1, RESULT)],
  'random_get, 8 B': [call('random_get', BUFFER, 8)],
  'random_get, 64 KiB': [call('random_get', BUFFER, 65536)],
  args_sizes_get: [call('args_sizes_get', RESULT, RESULT + 4)],
  args_get: [call('args_get', BUFFER, BUFFER + 64)],
  environ_sizes_get: [call('environ_sizes_get', RESULT, RESULT + 4)],
  environ_get: [call('environ_get', BUFFER, BUFFER + 1024)],
  fd_prestat_get: [call('fd_prestat_get', ROOT, RESULT)],
  fd_prestat_dir_name: [call('fd_prestat_dir_name', ROOT, BUFFER, 1)],
  fd_fdstat_get: [call('fd_fdstat_get', file, RESULT)],
  fd_fdstat_set_flags: [call('fd_fdstat_set_flags', file, 0)],
  fd_seek: [call('fd_seek', file, 0n, 0, RESULT)],
  fd_tell: [call('fd_tell', file, RESULT)],
  fd_advise: [call('fd_advise', file, 0n, 0n, 0)],
  'fd_write, 16 B to /dev/null': [call('fd_write', STDOUT, IOVECS[16], 1, RESULT)],
  'fd_write, 4 x 16 B to /dev/null': [call('fd_write', STDOUT, IOVECS.fourTimes16, 4, RESULT)],
  'fd_seek + fd_read, 16 B': [
    call('fd_seek', file, 0n, 0, RESULT),
    call('fd_read', file, IOVECS[16], 1, RESULT),
  ],
  'fd_pread, 4 KiB': [pread(4096)],
  'fd_pread, 64 KiB': [pread(65536)],
  'fd_pread, 1 MiB': [pread(MIB)],
  'fd_pwrite, 4 KiB': [call('fd_pwrite', output, IOVECS[4096], 1, 0n, RESULT)],
  fd_sync: [call('fd_sync', output)],
  fd_filestat_get: [call('fd_filestat_get', file, RESULT)],
  fd_filestat_set_size: [call('fd_filestat_set_size', output, 4096n)],
  fd_filestat_set_times: [call('fd_filestat_set_times', output, 0n, 0n, NOW)],
  'path_open + fd_close, depth 1': [open('file'), close],
  'path_open + fd_close, depth 6': [open('a/b/c/d/e/file'), close],
  'path_open + fd_close, through a link': [open('link/c/d/e/file'), close],
  'path_open, no such file': [open('missing')],
  'create + fd_close + unlink': [create('new'), close, unlink('new')],
  'path_filestat_get, depth 1': [stat('file')],
  'path_filestat_get, depth 6': [stat('a/b/c/d/e/file')],
  'path_filestat_get, of a link': [stat('link-to-file')],
  'path_filestat_get, no such file': [stat('missing')],
  path_filestat_set_times: [
    call('path_filestat_set_times', ROOT, FOLLOW, ...pathAt('file'), 0n, 0n, NOW),
  ],
  'path_create_ + path_remove_directory': [
    call('path_create_directory', ROOT, ...pathAt('new')),
    call('path_remove_directory', ROOT, ...pathAt('new')),
  ],
  'path_rename, there and back': [rename('here', 'there'), rename('there', 'here')],
  path_readlink: [call('path_readlink', ROOT, ...pathAt('link-to-file'), BUFFER, 256, RESULT)],
  'path_symlink + path_unlink_file': [
    call('path_symlink', ...pathAt('file'), ROOT, ...pathAt('new')),
    unlink('new'),
  ],
  'path_link + path_unlink_file': [
    call('path_link', ROOT, 0, ...pathAt('file'), ROOT, ...pathAt('new')),
    unlink('new'),
  ],
  'fd_readdir, 100 entries': [call('fd_readdir', load(OPENED.folder), BUFFER, 65536, 0n, RESULT)],
  'poll_oneoff, clock of 0': [wait('now')],
  'poll_oneoff, clock of 20 us': [wait('soon')],
  'poll_oneoff, clock of 1 ms': [wait('later')],
};

export const ERRNOS = {
  'path_open, no such file': ENOENT,
  'path_filestat_get, no such file': ENOENT,
};

/** The shortest time of a call that has waited. */
const WAITS = {
  'poll_oneoff, clock of 20 us': CLOCKS.soon[1],
  'poll_oneoff, clock of 1 ms': CLOCKS.later[1],
};

/** @param {{ effort: import('./lib/compare.mjs').Effort, wanted: (name: string) => boolean }} options */
export function run({ effort, wanted }) {
  return withScratch(async function* (folder) {
    const guests = prepare(folder, (side) => wasiOf(side));
    const names = Object.keys(ROWS).filter(wanted);
    const kernel = names.length > 0 ? prepareKernel(folder) : undefined;
    for (const name of names) {
      const row = compareCalls(checked(guests, name, ERRNOS[name]), effort);
      const compared = hasWaited(name, row) ? row : withoutRatio(row);
      yield { name, unit: 'ns', ...compared, kernel: kernel(name) };
    }
  });
}

const hasWaited = (name, { ours, theirs }) => Math.min(ours, theirs) >= (WAITS[name] ?? 0);

const withoutRatio = ({ ours, theirs }) => ({ ours, theirs, note: 'returned too early: no ratio' });

/**
 * A guest for each side, with files that it has open.
 *
 * @param {string} folder
 * @param {(side: 'ours' | 'theirs') => typeof import('../index.js').WASI} classOf
 * @param {(side: 'ours' | 'theirs', root: string) => any} [preopenOf]
 */
export function prepare(folder, classOf, preopenOf = (_, root) => root) {
  const wasm = assemble(loops(ROWS, 64), 'syscalls.wat');
  const stdout = fs.openSync('/dev/null', 'w');
  const options = (root) => ({
    args: ['bench', 'one', 'two'],
    env: { HOME: '/home/someone', LANG: 'C.UTF-8', PATH: '/usr/bin:/bin', TZ: 'UTC' },
    preopens: { '/': root },
    stdout,
  });
  const guests = {};
  for (const side of SIDES) {
    const root = path.join(folder, side); // of its own: neither finds the other's files in the kernel's caches
    makeFiles(root);
    guests[side] = start(compileFor(side, wasm), classOf(side), options(preopenOf(side, root)));
    fillMemory(guests[side]);
    openFiles(guests[side]);
  }
  return guests;
}

function prepareKernel(folder) {
  const root = path.join(folder, 'kernel');
  makeFiles(root);
  return kernelFloors(root);
}

function makeFiles(root) {
  fs.mkdirSync(path.join(root, 'a/b/c/d/e'), { recursive: true });
  fs.mkdirSync(path.join(root, 'folder'));
  fs.writeFileSync(path.join(root, 'file'), Buffer.alloc(MIB, 'wasi'));
  for (const name of ['a/b/c/d/e/file', 'output', 'here']) {
    fs.writeFileSync(path.join(root, name), name);
  }
  for (let i = 0; i < 100; i++) fs.writeFileSync(path.join(root, 'folder', `entry-${i}`), '');
  fs.symlinkSync('a/b', path.join(root, 'link'));
  fs.symlinkSync('file', path.join(root, 'link-to-file'));
}

function fillMemory(guest) {
  for (const name of PATHS) putText(guest, pathAt(name)[0], name);
  for (const size of [16, 4096, 65536, MIB]) putIovec(guest, IOVECS[size], BUFFER, size);
  for (let i = 0; i < 4; i++) putIovec(guest, IOVECS.fourTimes16 + 8 * i, BUFFER + 128 * i, 16);
  for (const [clock, nanoseconds] of Object.values(CLOCKS)) {
    memory(guest).setUint32(clock + 16, 1, true); // monotonic
    memory(guest).setBigUint64(clock + 24, BigInt(nanoseconds), true);
  }
}

function openFiles(guest) {
  const open = (name, slot, oflags, base) => {
    const errno = guest.wasi.wasiImport.path_open(
      ...[ROOT, FOLLOW, ...pathAt(name), oflags, base, 0n, 0, slot],
    );
    if (errno !== 0) throw new Error(`path_open of ${name}: errno ${errno}`);
  };
  open('file', OPENED.file, 0, rights('read', 'seek', 'tell', 'stat', 'advise', 'flags'));
  open('output', OPENED.output, 0, rights('write', 'seek', 'stat', 'size', 'times', 'sync'));
  open('folder', OPENED.folder, DIRECTORY, rights('readdir'));
}
