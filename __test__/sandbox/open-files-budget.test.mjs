// Open files: all programs together leave the host a quarter of what the process may have, in the class, in workers and in
// both engines at once.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { HANGS, temporaryFolder } from '../support/host.mjs';
import { assemble } from '../support/wat.mjs';

const url = (name) => JSON.stringify(new URL(name, import.meta.url).href);
const onUnix = { skip: process.platform === 'win32' };
const folder = temporaryFolder({ after });
const program = path.join(folder, 'program.wasm');
fs.writeFileSync(path.join(folder, 'file'), '');

/** Opens a file until it can't, writes a byte, and waits until stdin ends; exits with the errno of the last try. */
const PROGRAM = `(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1) (data (i32.const 0) "file")
  (data (i32.const 64) "\\80\\00\\00\\00\\01\\00\\00\\00")
  (func (export "_start") (local $errno i32)
    (loop $again
      (local.set $errno (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 4)
        (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 32)))
      (br_if $again (i32.eqz (local.get $errno))))
    (drop (call $write (i32.const 1) (i32.const 64) (i32.const 1) (i32.const 32)))
    (drop (call $read (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 32)))
    (call $exit (local.get $errno))))`;
fs.writeFileSync(program, assemble(PROGRAM));

/** Runs a script in a Node that may have so many files open; what it prints as JSON. */
async function withLimit(limit, script) {
  const node = `ulimit -n ${limit}; exec "$0" --input-type=module -e "$1"`;
  const prelude = `
    import fs from 'node:fs';
    import { run, spawn } from ${url('../../index.js')};
    import { Guest } from ${url('../support/guest.mjs')};
    const [folder, program] = ${JSON.stringify([folder, program])};
    const preopens = { '/': folder };
    const MFILE = 33;
    /** How many files the host can still open. */
    const left = () => {
      const opened = [];
      try { for (;;) opened.push(fs.openSync('/dev/null')); } catch { /* full */ }
      for (const fd of opened) fs.closeSync(fd);
      return opened.length;
    };`;
  const child = spawn('sh', ['-c', node, process.execPath, prelude + script], { timeout: HANGS });
  const collect = async (stream) => Buffer.concat(await stream.toArray()).toString();
  const [stdout, stderr] = await Promise.all([collect(child.stdout), collect(child.stderr)]);
  assert.equal(stderr, '');
  return JSON.parse(stdout);
}

test(
  'guests of the class leave the host a quarter, and get on when one has ended',
  onUnix,
  async () => {
    const answer = await withLimit(
      256,
      `const fill = (guest) => { for (;;) { const fd = guest.open(3, 'file'); if (fd < 0) return fd; } };
     const guests = Array.from({ length: 3 }, () => new Guest({ preopens }));
     const ends = guests.map(fill);
     const spared = left();
     let failure;
     try { new Guest({ preopens }); } catch (error) { failure = { code: error.code, message: error.message }; }
     fs.writeFileSync(folder + '/kept', 'kept');
     const cut = guests[1].open(3, 'kept', { oflags: 8 });
     for (let fd = 4; fd < 40; fd++) guests[0].call('fd_close', fd);
     const again = guests[2].open(3, 'file') > 0;
     console.log(JSON.stringify({ ends, spared, failure, again, cut }));`,
    );
    const { ends, spared, failure, again, cut } = answer;
    assert.deepEqual({ ends, again, cut }, { ends: [-33, -33, -33], again: true, cut: -33 });
    assert.ok(spared >= 256 / 4 - 4 && spared <= 256 / 4, `${spared} were left`);
    assert.equal(failure.code, 'UVWASI_EMFILE');
    assert.match(failure.message, /preopen '\/'.*three quarters.*ulimit -n/);
  },
);

test('programs in both engines and guests of the class share one budget', onUnix, async () => {
  const answer = await withLimit(
    300,
    `const children = [];
     for (const engine of ['wasmtime', 'v8']) {
       const child = spawn(program, { engine, cache: false, preopens });
       await new Promise((resolve) => child.stdout.once('data', resolve));
       children.push(child);
     }
     const spared = left();
     let refused;
     try { new Guest({ preopens }); } catch (error) { refused = error.code; }
     const runs = [];
     for (const engine of ['wasmtime', 'v8']) {
       const options = { engine, cache: false, preopens, stdin: 'ignore' };
       runs.push(await run(program, options).then(() => 'ran', ({ code }) => code));
     }
     for (const child of children) child.stdin.end();
     const codes = await Promise.all(children.map(async (child) => (await child.result).exitCode));
     console.log(JSON.stringify({ spared, refused, runs, codes }));`,
  );
  const { spared, refused, runs, codes } = answer;
  assert.ok(spared >= 50, `${spared} were left`);
  assert.match(refused, /EMFILE/);
  assert.deepEqual(codes, [33, 33]);
  for (const code of runs) assert.match(code, /EMFILE/);
});
