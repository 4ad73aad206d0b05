import { randomFillSync } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

const CHUNK = 1 << 20;

/** Writes a file of `size` bytes, a multiple of a MiB, none like another. */
export function writeRandomFile(file, size) {
  const chunk = new Uint32Array(randomFillSync(Buffer.alloc(CHUNK)).buffer);
  const fd = fs.openSync(file, 'w');
  try {
    for (let at = 0; at < size; at += CHUNK) {
      chunk[0] = at / CHUNK;
      fs.writeSync(fd, chunk);
    }
  } finally {
    fs.closeSync(fd);
  }
}

/** Makes folders with `perFolder` small files each, `total` altogether. */
export function makeTree(root, total, perFolder) {
  for (let i = 0; i < total; i++) {
    const folder = path.join(root, `folder-${Math.floor(i / perFolder)}`);
    if (i % perFolder === 0) fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(path.join(folder, `file-${i}.txt`), 'x'.repeat(i % 100));
  }
}

/** True if two files have the same content. */
export function areEqual(one, other) {
  const files = [one, other].map((file) => ({ fd: fs.openSync(file), chunk: Buffer.alloc(CHUNK) }));
  try {
    for (;;) {
      const [first, second] = files.map(({ fd, chunk }) =>
        chunk.subarray(0, fs.readSync(fd, chunk)),
      );
      if (!first.equals(second)) return false;
      if (first.length === 0) return true;
    }
  } finally {
    for (const { fd } of files) fs.closeSync(fd);
  }
}
