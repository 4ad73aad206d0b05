// Each system call as a line on stderr: of the class, of both engines, on the command line.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { WASI, run, spawn } from '../../index.js';
import { forEachEngine } from '../support/engine.mjs';
import { main, runInChild, runNode, temporaryFolder } from '../support/host.mjs';
import { cat, creates, program, reflect } from '../support/programs.mjs';
import { assemble } from '../support/wat.mjs';

const index = new URL('../../index.js', import.meta.url).href;
const folder = temporaryFolder({ after });
const file = (name, bytes) => {
  fs.writeFileSync(path.join(folder, name), bytes);
  return path.join(folder, name);
};

const MAKES = [
  'path_open(fd: 3, dirflags: 0, path: "made", oflags: CREAT, fs_rights_base: FD_WRITE, ' +
    'fs_rights_inheriting: 0, fdflags: 0, opened_fd: 0x10) = 0, opened_fd 4',
  'fd_write(fd: 4, iovs: [(0x1000, 4)], nwritten: 0x8) = 0, nwritten 4',
];

/** Asks what is remembered, answered or learned, more often than it takes to learn it. */
const ASKS = assemble(`(module
  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_res_get" (func $res (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start") (local $n i32)
    (loop $again
      (drop (call $prestat (i32.const 3) (i32.const 8)))
      (drop (call $args (i32.const 64) (i32.const 128)))
      (drop (call $res (i32.const 1) (i32.const 16)))
      (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1)))
        (i32.const 5000))))))`);

const lines = (stderr) => stderr.split('\n').filter(Boolean);

test('the class', async () => {
  const wasm = file('asks.wasm', ASKS);
  const { stderr, code } = await runInChild(`
    const preopens = { '/': ${JSON.stringify(folder)} };
    const wasi = new WASI({ version: 'preview1', preopens, args: ['a'], trace: true });
    const module = new WebAssembly.Module((await import('node:fs')).readFileSync(${JSON.stringify(wasm)}));
    wasi.start(new WebAssembly.Instance(module, wasi.getImportObject()));`);
  assert.equal(code, 0, stderr.slice(-1000));
  const calls = lines(stderr);
  assert.equal(calls.length, 15_000);
  assert.equal(calls.at(-3), 'fd_prestat_get(fd: 3, buf: 0x8) = 0');
  assert.equal(calls.at(-2), 'args_get(argv: 0x40, argv_buf: 0x80) = 0');
  assert.match(
    calls.at(-1),
    /^clock_res_get\(id: MONOTONIC, resolution: 0x10\) = 0, resolution \d/,
  );
});

test('a read that a function supplies is one call', async () => {
  const { stderr } = await runInChild(`
    const stdin = [Buffer.from('text'), null];
    const options = { stdin: () => stdin.shift(), stdout: 'pipe', trace: true };
    const wasi = new WASI({ version: 'preview1', ...options });
    const module = new WebAssembly.Module((await import('node:fs')).readFileSync(${JSON.stringify(file('cat.wasm', cat()))}));
    wasi.start(new WebAssembly.Instance(module, wasi.getImportObject()));`);
  assert.deepEqual(lines(stderr), [
    'fd_read(fd: 0, iovs: [(0x10000, 65536)], nread: 0x8) = 0, nread 4',
    'fd_write(fd: 1, iovs: [(0x10000, 4)], nwritten: 0x8) = 0, nwritten 4',
    'fd_read(fd: 0, iovs: [(0x10000, 65536)], nread: 0x8) = 0, nread 0',
  ]);
});

forEachEngine(({ engine }) => {
  test(`run() and spawn() in ${engine}`, async () => {
    const wasm = file(`creates-${engine}.wasm`, creates());
    for (const how of ['await run(wasm, options)', 'await spawn(wasm, options).result']) {
      fs.rmSync(path.join(folder, 'made'), { force: true });
      const { stderr } = await runInChild(`
        const { run, spawn } = await import(${JSON.stringify(index)});
        const preopens = { '/': ${JSON.stringify(folder)} };
        const options = { engine: '${engine}', cache: false, preopens, trace: true };
        const wasm = ${JSON.stringify(wasm)};
        const { stderr } = ${how};
        if (stderr?.length) throw new Error('the program wrote nothing');`);
      assert.deepEqual(lines(stderr), MAKES);
    }
  });
});

test('the command line shows the same in both engines', async () => {
  const programs = {
    creates: [creates(), MAKES.length],
    reflect: [reflect(), 6],
    exits: [program('(call $proc_exit (i32.const 7))'), 1],
  };
  for (const [name, [bytes, count]] of Object.entries(programs)) {
    const wasm = file(`${name}.wasm`, bytes);
    const shown = [];
    for (const flags of [['wasmtime'], ['v8'], ['v8', '--timeout=60s']]) {
      fs.rmSync(path.join(folder, 'made'), { force: true });
      const args = ['--no-cache', '--trace', '--dir', '.', '--engine', ...flags, wasm];
      const { stderr, code } = await runNode([main, ...args], { cwd: folder });
      assert.equal(code, name === 'exits' ? 7 : 0, stderr);
      shown.push(lines(stderr));
    }
    assert.equal(shown[0].length, count);
    assert.deepEqual(shown[1], shown[0]);
    assert.deepEqual(shown[2], shown[0]);
    if (name === 'exits') assert.deepEqual(shown[0], ['proc_exit(rval: 7)']);
  }
});

const NO_SHELL = process.platform === 'win32' && 'needs a Unix shell';
test('a guest is not hurt by a stderr that nobody reads', { skip: NO_SHELL }, () => {
  const wasm = file('read.wasm', reflect());
  const script = '"$0" "$@" 2>&1 >&3 3>&- | true';
  for (const engine of ['wasmtime', 'v8']) {
    const node = [process.execPath, main, '--no-cache', '--trace', '--engine', engine, wasm, 'x'];
    for (const shell of [`(${script}) 3>&1`, '"$0" "$@" 2>/dev/full', '"$0" "$@" 2>&-']) {
      const { stdout, status } = spawnSync('sh', ['-c', shell, ...node], { encoding: 'utf8' });
      assert.deepEqual([stdout, status], ['read.wasm\0x\0', 0], `${engine}: ${shell}`);
    }
  }
});

test('wrong types are named, the same everywhere', async () => {
  const check = {
    code: 'ERR_INVALID_ARG_TYPE',
    message:
      'The "options.trace" property must be one of type boolean, function, or object or an instance of Writable. Received type number (1)',
  };
  assert.throws(() => new WASI({ version: 'preview1', trace: 1 }), check);
  assert.throws(() => spawn(creates(), { trace: 1 }), check);
  await assert.rejects(async () => run(creates(), { trace: 1 }), check);
});
