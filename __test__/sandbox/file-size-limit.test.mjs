// Limits of the process that a guest runs into: it gets an errno, the host lives on.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { index, temporaryFolder } from '../support/host.mjs';

const EFBIG = 22;

test(
  'a write past the limit of file sizes is EFBIG',
  { skip: process.platform === 'win32' },
  (t) => {
    const program = `
const { WASI } = require(${JSON.stringify(index)});
const wasi = new WASI({ version: 'preview1', preopens: { '/': process.argv[1] } });
const memory = new WebAssembly.Memory({ initial: 2 });
wasi.initialize({ exports: { memory } });
const { path_open, fd_pwrite } = wasi.wasiImport;
Buffer.from(memory.buffer).write('file', 0);
const opened = path_open(3, 0, 0, 4, 1, -1n, -1n, 0, 64);
const view = new DataView(memory.buffer);
view.setUint32(72, 65536, true);
view.setUint32(76, 4096, true);
console.log(opened, fd_pwrite(view.getUint32(64, true), 72, 1, 1_048_576n, 80));`;
    // 100 blocks of 512 or 1024 bytes.
    const command = 'ulimit -f 100; exec "$0" -e "$1" "$2"';
    const child = spawnSync('sh', ['-c', command, process.execPath, program, temporaryFolder(t)], {
      encoding: 'utf8',
    });
    assert.deepEqual([child.signal, child.stdout], [null, `0 ${EFBIG}\n`], child.stderr);
  },
);
