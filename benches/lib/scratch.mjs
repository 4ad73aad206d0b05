import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const MEMORY = '/dev/shm';
const TMPFS_MAGIC = 0x01021994;

const parent = isTmpfs(MEMORY) ? MEMORY : os.tmpdir();

/** The folder for the files of the benchmark: in memory where possible, to leave the disk out of it. */
export const fileSystem = isTmpfs(parent) ? 'tmpfs' : 'disk';

/** A folder for files that must be on a disk: in the project, as the system's own may well be in memory. */
export function onDisk() {
  const folder = fileURLToPath(new URL('../../target', import.meta.url));
  fs.mkdirSync(folder, { recursive: true });
  return folder;
}

/**
 * A folder for `use`, gone afterwards.
 *
 * @template T
 * @param {(folder: string) => AsyncGenerator<T>} use
 * @param {string} [where] it is made
 * @returns {AsyncGenerator<T>}
 */
export async function* withScratch(use, where = parent) {
  const folder = fs.mkdtempSync(path.join(where, 'wasi-rs-bench-'));
  try {
    yield* use(folder);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Bytes that may be filled without harm. */
export function room() {
  const { bavail, bsize } = fs.statfsSync(parent);
  const free = bavail * bsize;
  return fileSystem === 'tmpfs' ? Math.min(free, os.freemem()) : free;
}

function isTmpfs(folder) {
  try {
    return fs.statfsSync(folder).type === TMPFS_MAGIC;
  } catch {
    return false;
  }
}
