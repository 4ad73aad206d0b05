// The cost of system calls on files in memory, beside the same on files of the host, in one process.

import { createRequire } from 'node:module';
import path from 'node:path';
import { compareCalls } from './lib/compare.mjs';
import { checked } from './lib/guest.mjs';
import { PROVIDERS } from './lib/providers.mjs';
import { withScratch } from './lib/scratch.mjs';
import { ERRNOS, prepare } from './syscalls.mjs';

export const title = 'Files in memory';
export const about = `The same loops in the class of wasi-rs on both sides:
"wasi-rs" has a directory in memory, or one above the host's (overlay()), "node:wasi" stands for wasi-rs with a directory of the host.`;
export const hasMean = true;

const ROWS = [
  'fd_seek + fd_read, 16 B',
  'fd_pread, 4 KiB',
  'fd_pread, 64 KiB',
  'fd_pread, 1 MiB',
  'fd_pwrite, 4 KiB',
  'fd_filestat_get',
  'fd_filestat_set_size',
  'path_open + fd_close, depth 1',
  'path_open + fd_close, depth 6',
  'path_open + fd_close, through a link',
  'path_open, no such file',
  'create + fd_close + unlink',
  'path_filestat_get, depth 1',
  'path_filestat_get, depth 6',
  'path_create_ + path_remove_directory',
  'path_rename, there and back',
  'path_readlink',
  'path_symlink + path_unlink_file',
  'path_link + path_unlink_file',
  'fd_readdir, 100 entries',
];

/** Those that are asked of a directory in memory above one of the host, whose files they find. */
const THROUGH = [
  'fd_pread, 4 KiB',
  'fd_pread, 1 MiB',
  'fd_filestat_get',
  'path_open + fd_close, depth 1',
  'path_open + fd_close, depth 6',
  'path_open, no such file',
  'path_filestat_get, depth 1',
  'create + fd_close + unlink',
  'fd_readdir, 100 entries',
];

/** @param {{ effort: import('./lib/compare.mjs').Effort, wanted: (name: string) => boolean }} options */
export function run({ effort, wanted }) {
  const { WASI, memory, overlay } = createRequire(import.meta.url)(PROVIDERS.ours);
  const kinds = [
    { kind: 'in memory', rows: ROWS, make: (root) => memory.from(root) },
    { kind: 'through an overlay', rows: THROUGH, make: (root) => overlay({ lower: root }) },
  ];
  return withScratch(async function* (folder) {
    for (const { kind, rows, make } of kinds) {
      const preopenOf = (side, root) => (side === 'ours' ? make(root) : root);
      const guests = prepare(path.join(folder, kind), () => WASI, preopenOf);
      for (const name of rows.filter((row) => wanted(`${kind}: ${row}`))) {
        const row = compareCalls(checked(guests, name, ERRNOS[name]), effort);
        yield { name: `${kind}: ${name}`, unit: 'ns', ...row };
      }
    }
  });
}
