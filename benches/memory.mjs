// The cost of system calls on files in memory, beside the same on files of the host, in one process.

import { createRequire } from 'node:module';
import { compareCalls } from './lib/compare.mjs';
import { checked } from './lib/guest.mjs';
import { PROVIDERS } from './lib/providers.mjs';
import { withScratch } from './lib/scratch.mjs';
import { ERRNOS, prepare } from './syscalls.mjs';

export const title = 'Files in memory';
export const about = `The same loops in the class of wasi-rs on both sides:
"wasi-rs" has a directory in memory, "node:wasi" stands for wasi-rs with a directory of the host.`;
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

/** @param {{ effort: import('./lib/compare.mjs').Effort, wanted: (name: string) => boolean }} options */
export function run({ effort, wanted }) {
  const { WASI, memory } = createRequire(import.meta.url)(PROVIDERS.ours);
  return withScratch(async function* (folder) {
    const preopenOf = (side, root) => (side === 'ours' ? memory.from(root) : root);
    const guests = prepare(folder, () => WASI, preopenOf);
    for (const name of ROWS.filter((row) => wanted(row))) {
      const row = compareCalls(checked(guests, name, ERRNOS[name]), effort);
      yield { name: `in memory: ${name}`, unit: 'ns', ...row };
    }
  });
}
