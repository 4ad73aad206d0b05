// The engine "V8 in a worker": what it promises to run() and spawn().
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import * as wasi from '../index.js';
import { ProgramHandle } from '../lib/program.js';
import * as engine from '../lib/v8/engine.js';
import { Tickets } from '../lib/wasmtime.js';
import { runInChild, temporaryFolder } from './support/host.mjs';
import { assemble } from './support/wat.mjs';

const HANGS = { timeout: 60_000 };
const NO_PERMISSIONS =
  !process.allowedNodeEnvironmentFlags.has('--permission') && 'this Node has no --permission';

/** A program: what it imports of WASI, and the rest of its module. */
function program(imports, rest, { memory = '1', abi = 'preview1' } = {}) {
  const namespace = abi === 'preview1' ? 'wasi_snapshot_preview1' : 'wasi_unstable';
  const types = {
    fd_read: '(param i32 i32 i32 i32) (result i32)',
    fd_write: '(param i32 i32 i32 i32) (result i32)',
    fd_close: '(param i32) (result i32)',
    poll_oneoff: '(param i32 i32 i32 i32) (result i32)',
    proc_exit: '(param i32)',
    args_sizes_get: '(param i32 i32) (result i32)',
    args_get: '(param i32 i32) (result i32)',
    environ_sizes_get: '(param i32 i32) (result i32)',
    environ_get: '(param i32 i32) (result i32)',
    path_open: '(param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)',
  };
  const lines = imports.map(
    (name) => `(import "${namespace}" "${name}" (func $${name} ${types[name]}))`,
  );
  return code(`(module ${lines.join('\n')} (memory (export "memory") ${memory}) ${rest})`);
}

/** What run() makes of a module. */
const code = (text) => new ProgramHandle(assemble(text), false);

const tickets = new Tickets();

/** How a guest is run here unless a test says otherwise: nothing to read, everything captured. */
const plan = ({ stdio = [new Uint8Array(), 'capture', 'capture'], limits, ...over } = {}) => ({
  args: [],
  env: [],
  preopens: [],
  limits: { stdout: 2 ** 26, ...limits },
  ...over,
  stdio: stdio.map((one) => (typeof one === 'number' ? tickets.copy(one, 'stdin') : one)),
});

const start = (what, how) => engine.start(what.v8(how.limits).prepared, how);
const run = (what, over) => start(what, plan(over)).result;

/** The same for a script. */
const url = (file) => JSON.stringify(new URL(file, import.meta.url));
const START = `
  const { ProgramHandle } = await import(${url('../lib/program.js')});
  const engine = await import(${url('../lib/v8/engine.js')});
  const start = (what, how) => engine.start(what.v8(how.limits).prepared, how);`;

/** The iovec at 0: `length` bytes from `address` on. */
const iovec = (address, length) =>
  `(i32.store (i32.const 0) (i32.const ${address})) (i32.store (i32.const 4) (i32.const ${length}))`;
const write = (fd) =>
  `(drop (call $fd_write (i32.const ${fd}) (i32.const 0) (i32.const 1) (i32.const 8)))`;
const read = (fd) =>
  `(drop (call $fd_read (i32.const ${fd}) (i32.const 0) (i32.const 1) (i32.const 8)))`;

const SPIN = program([], '(func (export "_start") (loop br 0))');
/** Writes `hello` to both, then goes round in a loop. */
const HELLO_SPIN = program(
  ['fd_write'],
  `(data (i32.const 64) "hello") (func (export "_start") ${iovec(64, 5)} ${write(1)} ${write(2)} (loop br 0))`,
);
const EXIT_7 = program(['proc_exit'], '(func (export "_start") (call $proc_exit (i32.const 7)))');
/** Copies stdin to stdout and stderr. */
const ECHO = program(
  ['fd_read', 'fd_write'],
  `(func (export "_start") (loop
    ${iovec(64, 60000)} ${read(0)}
    (i32.store (i32.const 4) (i32.load (i32.const 8)))
    (if (i32.load (i32.const 4)) (then ${write(1)} ${write(2)} (br 1)))))`,
);

/** Starts a guest, whose stdout is captured, and waits until it has written something to stderr. */
async function started(t, what, stdin = new Uint8Array()) {
  const file = path.join(temporaryFolder(t), 'stderr');
  const fd = fs.openSync(file, 'w+');
  const watcher = fs.watch(file);
  t.after(() => watcher.close());
  const running = start(what, plan({ stdio: [stdin, 'capture', fd] }));
  running.result.catch(() => {}).finally(() => fs.closeSync(fd));
  while (fs.fstatSync(fd).size === 0) await once(watcher, 'change');
  return running;
}

test('a guest runs: input, both outputs, exit code', async () => {
  const input = Buffer.from('some bytes, '.repeat(30_000));
  const echoed = await run(ECHO, { stdio: [input, 'capture', 'capture'] });
  assert.equal(echoed.exitCode, 0);
  assert.deepEqual(echoed.stdout, input);
  assert.deepEqual(echoed.stderr, input);
  const exited = await run(EXIT_7, { stdio: [0, 1, 'capture'] });
  assert.equal(exited.exitCode, 7);
  assert.equal('stdout' in exited, false, 'what is not captured is not there');
  assert.deepEqual(exited.stderr, Buffer.alloc(0));
});

test('arguments, environment and preopens arrive', async (t) => {
  const folder = temporaryFolder(t);
  fs.writeFileSync(path.join(folder, 'file'), 'found');
  const showing = program(
    [
      'args_sizes_get',
      'args_get',
      'environ_sizes_get',
      'environ_get',
      'path_open',
      'fd_read',
      'fd_write',
    ],
    `(data (i32.const 32) "file")
     (func $show (param $from i32) (param $length i32)
       (i32.store (i32.const 0) (local.get $from)) (i32.store (i32.const 4) (local.get $length)) ${write(1)})
     (func (export "_start")
       (drop (call $args_sizes_get (i32.const 16) (i32.const 20)))
       (drop (call $args_get (i32.const 100) (i32.const 200)))
       (call $show (i32.const 200) (i32.load (i32.const 20)))
       (drop (call $environ_sizes_get (i32.const 16) (i32.const 20)))
       (drop (call $environ_get (i32.const 100) (i32.const 200)))
       (call $show (i32.const 200) (i32.load (i32.const 20)))
       (drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 32) (i32.const 4) (i32.const 0)
         (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 24)))
       ${iovec(200, 100)}
       (drop (call $fd_read (i32.load (i32.const 24)) (i32.const 0) (i32.const 1) (i32.const 28)))
       (call $show (i32.const 200) (i32.load (i32.const 28))))`,
  );
  const { stdout } = await run(showing, {
    args: ['app', 'ž', ''],
    env: ['A=b=c', 'EMPTY='],
    preopens: [{ guest: '/', path: folder, readOnly: false }],
  });
  assert.equal(stdout.toString(), 'app\0ž\0\0A=b=c\0EMPTY=\0found');
});

test("a preopen that is not there is the class's own error", async () => {
  await assert.rejects(
    run(EXIT_7, { preopens: [{ guest: '/', path: '/nowhere/at/all', readOnly: false }] }),
    (error) => {
      assert.equal(error.code, 'UVWASI_ENOENT');
      assert.match(error.message, /\/nowhere\/at\/all/);
      return true;
    },
  );
});

test('wasi_unstable is served', async () => {
  const old = program(['proc_exit'], '(func (export "_start") (call $proc_exit (i32.const 3)))', {
    abi: 'unstable',
  });
  assert.equal((await run(old)).exitCode, 3);
});

test('a program without a memory runs', async () => {
  const text =
    '(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))) (func (export "_start") (call 0 (i32.const 9))))';
  assert.equal((await run(code(text))).exitCode, 9);
});

test('imports that are no syscalls are named', async () => {
  const text = '(module (import "env" "foo" (func)) (func (export "_start")))';
  await assert.rejects(run(code(text)), {
    code: 'ERR_WASI_IMPORT',
    message: /env\.foo \(function\)/,
  });
});

test('a syscall imported with a type of its own is an error, not a crash', async () => {
  const text = `(module (import "wasi_snapshot_preview1" "fd_close" (func (param i64)))
    (memory (export "memory") 1) (func (export "_start")))`;
  await assert.rejects(run(code(text)), {
    code: 'ERR_WASI_PROGRAM',
    message:
      /imports wasi_snapshot_preview1\.fd_close as a function of type \(i64\) -> \(\); its type is \(i32\) -> i32/,
  });
});

test('a syscall imported twice is one syscall', async () => {
  const text = `(module
    (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
    (memory (export "memory") 1) (func (export "_start") (call 1 (i32.const 4))))`;
  assert.equal((await run(code(text))).exitCode, 4);
});

test('a library is not run', async () => {
  const text = '(module (memory (export "memory") 1) (func (export "_initialize")))';
  await assert.rejects(run(code(text)), {
    code: 'ERR_WASI_PROGRAM',
    message: /exports no function '_start'/,
  });
});

test('a memory that a program imports is made for it, within the limit', async () => {
  for (const [memory, pages] of [
    ['2 9 shared', 3],
    ['2', 3],
    ['1 2', 2],
  ]) {
    const text = `(module
      (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
      (import "env" "memory" (memory ${memory})) (export "memory" (memory 0))
      (func (export "_start") (loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
        (call $proc_exit (memory.size))))`;
    const { exitCode } = await run(code(text), { limits: { memory: 3 * 65536 } });
    assert.equal(exitCode, pages, memory);
  }
});

test('bytes that are no module reject', async () => {
  await assert.rejects(run(new ProgramHandle(Buffer.from('nothing'), false)), {
    code: 'ERR_WASI_PROGRAM',
    message: /is not a WebAssembly module/,
  });
  const cut = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 10, 9]);
  await assert.rejects(run(new ProgramHandle(cut, false)), {
    code: 'ERR_WASI_PROGRAM',
    message: /^the program can't be compiled: /,
  });
});

test('a trap tells the functions it happened in', async () => {
  // What wabt would write as the name section.
  const names = [0, 5, ...[4, ...Buffer.from('name')]];
  const section = [1, 15, 2, 0, 4, ...Buffer.from('boom'), 1, 6, ...Buffer.from('_start')];
  const bytes = Buffer.concat([
    assemble(`(module (memory (export "memory") 1)
      (func unreachable) (func (export "_start") (call 0)))`),
    Buffer.from([names[0], names.length - 2 + section.length, ...names.slice(2), ...section]),
  ]);
  await assert.rejects(run(new ProgramHandle(bytes, false)), (error) => {
    assert.equal(error.code, 'ERR_WASI_TRAP');
    assert.match(error.message, /^wasm trap: unreachable\n\s+at boom .*\n\s+at _start /);
    assert.deepEqual(error.stdout, Buffer.alloc(0));
    assert.equal(error.usage.calls, 0);
    return true;
  });
});

test('recursion without end is a trap, and the next guest runs', async () => {
  const endless = program([], '(func $f (call $f)) (func (export "_start") (call $f))');
  for (const stack of [undefined, 4096, 64 * 1024, 16 * 1024 * 1024]) {
    await assert.rejects(run(endless, { limits: { stack } }), {
      code: 'ERR_WASI_TRAP',
      message: /^wasm trap: call stack exhausted\n\s+at /,
    });
  }
  assert.equal((await run(EXIT_7)).exitCode, 7);
});

test('limits.stack: more of it goes deeper', async () => {
  const deep = program(
    ['proc_exit'],
    `(func $f (param i32) (if (local.get 0) (then (call $f (i32.sub (local.get 0) (i32.const 1))))))
     (func (export "_start") (call $f (i32.const 300000)) (call $proc_exit (i32.const 5)))`,
  );
  await assert.rejects(run(deep, { limits: { stack: 256 * 1024 } }), { code: 'ERR_WASI_TRAP' });
  assert.equal((await run(deep, { limits: { stack: 128 * 1024 * 1024 } })).exitCode, 5);
});

/** Exits with how many pages it got, one by one. */
const GROW = program(
  ['proc_exit'],
  `(func (export "_start") (loop
    (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
    (call $proc_exit (memory.size)))`,
);

test('limits.memory makes memory.grow fail', async () => {
  for (const pages of [1, 2, 100]) {
    assert.equal((await run(GROW, { limits: { memory: pages * 65536 + 1 } })).exitCode, pages);
  }
  const { usage } = await run(GROW, { limits: { memory: 50 * 65536 } });
  assert.equal(usage.memory, 50 * 65536);
  await assert.rejects(run(GROW, { limits: { memory: 65535 } }), {
    code: 'ERR_WASI_PROGRAM',
    message: /needs 65536 bytes of memory, more than the 65535 of/,
  });
});

test('limits.tableElements makes table.grow fail', async () => {
  const grow = program(
    ['proc_exit'],
    `(table 1 funcref) (func (export "_start") (loop
      (br_if 0 (i32.ne (table.grow 0 (ref.null func) (i32.const 1)) (i32.const -1))))
      (call $proc_exit (table.size 0)))`,
  );
  assert.equal((await run(grow, { limits: { tableElements: 77 } })).exitCode, 77);
  await assert.rejects(run(grow, { limits: { tableElements: 0 } }), { code: 'ERR_WASI_PROGRAM' });
});

test('limits.openFiles', async () => {
  const limits = { openFiles: 3 };
  assert.equal((await run(EXIT_7, { limits })).exitCode, 7);
  await assert.rejects(
    run(EXIT_7, { limits, preopens: [{ guest: '/', path: '/', readOnly: false }] }),
    { code: 'UVWASI_EMFILE' },
  );
});

test('limits.fuel is refused, with what to do', () => {
  assert.throws(() => run(EXIT_7, { limits: { fuel: 1000 } }), {
    code: 'ERR_INVALID_ARG_VALUE',
    message: /'wasmtime'/,
  });
});

test('more output than limits.stdout is an error that keeps what came before', async () => {
  const input = Buffer.alloc(100_000, 'x');
  const limits = { stdout: 70_000 };
  await assert.rejects(run(ECHO, { stdio: [input, 'capture', 'capture'], limits }), (error) => {
    assert.ok(error instanceof RangeError);
    assert.equal(error.code, 'ERR_WASI_STDIO_MAXBUFFER');
    assert.match(error.message, /more than 70000 bytes to stdout/);
    assert.equal(error.stdout.length, 70_000);
    assert.equal(error.stderr.length, 60_000);
    return true;
  });
  const { stdout } = await run(ECHO, {
    stdio: [input, 'capture', 'capture'],
    limits: { stdout: 100_000 },
  });
  assert.equal(stdout.length, 100_000);
});

test('much output, a byte at a time', async () => {
  const bytewise = program(
    ['fd_write'],
    `(func (export "_start") (local $i i32) ${iovec(64, 1)} (loop
      (i32.store8 (i32.const 64) (local.get $i)) ${write(1)}
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if 0 (i32.lt_u (local.get $i) (i32.const 300000)))))`,
  );
  const { stdout, usage } = await run(bytewise);
  assert.equal(stdout.length, 300_000);
  assert.ok(stdout.every((byte, index) => byte === (index & 255)));
  assert.equal(usage.calls, 300_000);
  assert.equal(usage.written, 300_000);
});

test('usage', async () => {
  const { usage } = await run(ECHO, { stdio: [Buffer.alloc(150_000), 'capture', 'capture'] });
  const { wall, cpu, ...counted } = usage;
  // Three full reads, one that finds the end; after each that found something two writes.
  assert.deepEqual(counted, { memory: 65536, calls: 4 + 2 * 3, read: 150_000, written: 300_000 });
  assert.ok(wall > 0 && cpu > 0);
});

test('kill() ends a busy loop: that very error, with what was captured', HANGS, async (t) => {
  const error = new Error('enough');
  const running = await started(t, HELLO_SPIN);
  running.kill(error);
  running.kill(new Error('too late'));
  const reason = await running.result.then(assert.fail, (thrown) => thrown);
  assert.equal(reason, error);
  assert.equal(reason.stdout.toString(), 'hello');
  assert.ok(reason.usage.written >= 5); // the second write may not be counted yet
  assert.ok(reason.usage.cpu >= 0);
});

test('kill() ends a guest that fills its memory over and over', HANGS, async (t) => {
  const filling = program(
    ['fd_write'],
    `(func (export "_start") ${iovec(64, 1)} ${write(2)} (loop
      (memory.fill (i32.const 0) (i32.const 1) (i32.const 1048576)) (br 0)))`,
    { memory: '16' },
  );
  const running = await started(t, filling);
  running.kill(new Error('enough'));
  await assert.rejects(running.result, /enough/);
});

test(
  'a killed guest in a long instruction keeps neither its result nor its place',
  HANGS,
  async (t) => {
    // It takes V8 the better part of a second to fill so much, and nobody reaches it before.
    const filling = program(
      ['fd_write'],
      `(func (export "_start") ${iovec(64, 1)} ${write(2)}
      (memory.fill (i32.const 0) (i32.const 1) (i32.const 2147483648)))`,
      { memory: '32768' },
    );
    const running = await started(t, filling);
    running.kill(new Error('enough'));
    await assert.rejects(running.result, /enough/);
    assert.equal((await run(EXIT_7)).exitCode, 7);
  },
);

test('kill() ends a guest that waits for a clock', HANGS, async (t) => {
  const waiting = program(
    ['fd_write', 'poll_oneoff'],
    `(func (export "_start") ${iovec(64, 1)} ${write(2)}
       (i32.store (i32.const 144) (i32.const 1))
       (i64.store (i32.const 152) (i64.const 3600000000000))
       (drop (call $poll_oneoff (i32.const 128) (i32.const 256) (i32.const 1) (i32.const 8))))`,
  );
  const running = await started(t, waiting);
  running.kill('a reason that is no object');
  assert.equal(
    await running.result.then(assert.fail, (thrown) => thrown),
    'a reason that is no object',
  );
});

test('kill() ends a guest that reads a silent pipe', HANGS, async (t) => {
  const silent = spawn(process.execPath, ['-e', 'process.stdin.resume()'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.after(() => silent.kill());
  const reading = program(
    ['fd_read', 'fd_write'],
    `(func (export "_start") ${iovec(64, 1)} ${write(2)} ${read(0)})`,
  );
  const running = await started(t, reading, silent.stdout._handle.fd);
  running.kill(new Error('enough'));
  await assert.rejects(running.result, /enough/);
});

test('what is ended while it is prepared for V8 does not begin', HANGS, async () => {
  for (const [engine, loop] of [
    ['v8', '(loop (br 0))'],
    ['auto', '(try (do (loop (br 0))) (catch_all))'], // which wasmtime does not have
  ]) {
    const controller = new AbortController();
    class Ended extends ProgramHandle {
      v8(limits) {
        controller.abort();
        return super.v8(limits);
      }
    }
    const module = `(module (memory (export "memory") 1) (func (export "_start") ${loop}))`;
    const code = new Ended(assemble(module), false);
    const { signal } = controller;
    await assert.rejects(wasi.run(code, { engine, signal }), { name: 'AbortError' }, engine);
  }
});

test('kill() after the end changes nothing', async () => {
  const running = start(EXIT_7, plan());
  await running.result;
  running.kill(new Error('too late'));
  assert.equal((await running.result).exitCode, 7);
  assert.equal((await run(EXIT_7)).exitCode, 7);
});

test(
  'a hundred guests at once take a bounded number of threads; those that wait can be killed',
  HANGS,
  async () => {
    let alive = 0;
    let most = 0;
    const exits = [];
    const count = (worker) => {
      most = Math.max(most, ++alive);
      exits.push(once(worker, 'exit').then(() => alive--));
    };
    process.on('worker', count);
    const running = Array.from({ length: 100 }, () => start(SPIN, plan()));
    const error = new Error('enough');
    // The last ones first: they are still waiting.
    for (const { kill } of running.toReversed()) kill(error);
    const reasons = await Promise.allSettled(running.map(({ result }) => result));
    assert.ok(reasons.every(({ reason }) => reason === error));
    await Promise.all(exits);
    const finished = await Promise.all(Array.from({ length: 100 }, () => run(EXIT_7)));
    assert.ok(finished.every(({ exitCode }) => exitCode === 7));
    process.off('worker', count);
    // A thread whose guest was killed may be slow to end: it has no place any more, but is there.
    const places = Math.max(4, os.availableParallelism());
    assert.ok(most > 0 && most <= 2 * places, `${most} threads`);
  },
);

test(
  'guests that wait give their places away',
  { skip: process.platform !== 'linux', ...HANGS },
  async (t) => {
    const silent = spawn(process.execPath, ['-e', 'process.stdin.resume()'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    t.after(() => silent.kill());
    const reading = program(['fd_read'], `(func (export "_start") ${iovec(64, 1)} ${read(0)})`);
    const { fd } = silent.stdout._handle;
    const readers = Array.from({ length: 3 * Math.max(4, os.availableParallelism()) }, () =>
      start(reading, plan({ stdio: [fd, 'capture', 'capture'] })),
    );
    assert.equal((await run(EXIT_7)).exitCode, 7);
    const error = new Error('enough');
    for (const { kill } of readers) kill(error);
    const reasons = await Promise.allSettled(readers.map(({ result }) => result));
    assert.ok(reasons.every(({ reason }) => reason === error));
  },
);

test('guests one after the other share a thread', async () => {
  await run(EXIT_7);
  let threads = 0;
  const count = () => threads++;
  process.on('worker', count);
  for (let i = 0; i < 20; i++) await run(EXIT_7);
  process.off('worker', count);
  assert.equal(threads, 0);
});

test('a thread that is not needed for long ends', HANGS, async () => {
  // The engine takes its timers when it is loaded.
  const { stdout } = await runInChild(`
    const { mock } = await import('node:test');
    const { once } = await import('node:events');
    mock.timers.enable({ apis: ['setTimeout'] });
    ${START}
    const program = new ProgramHandle(Buffer.from('${Buffer.from(EXIT_7.source).toString('hex')}', 'hex'), false);
    const plan = { args: [], env: [], preopens: [], stdio: ['ignore', 'ignore', 'ignore'], limits: {} };
    const workers = [];
    process.on('worker', (worker) => workers.push(worker));
    for (let i = 0; i < 3; i++) await start(program, plan).result;
    const exit = once(workers[0], 'exit');
    mock.timers.tick(10_000);
    await exit;
    console.log(workers.length, (await start(program, plan).result).exitCode, workers.length);`);
  assert.equal(stdout, '1 7 2\n');
});

test('a running guest keeps the process alive, one that has ended does not', HANGS, async () => {
  const script = (bytes) => `
    ${START}
    const bytes = Buffer.from('${Buffer.from(bytes).toString('hex')}', 'hex');
    const plan = { args: [], env: [], preopens: [], stdio: ['ignore', 'ignore', 'ignore'], limits: {} };
    const { result } = start(new ProgramHandle(bytes, false), plan);
    result.then(({ exitCode }) => console.log('exit code', exitCode));`;
  const { code, stdout, stderr } = await runInChild(script(EXIT_7.source));
  assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: 'exit code 7\n', stderr: '' });
  const ended = await runInChild(`${script(SPIN.source)}\nsetTimeout(() => process.exit(3), 300);`);
  assert.deepEqual(ended, { code: 3, signal: null, stdout: '', stderr: '' });
});

test(
  'without permission for workers every run rejects',
  { skip: NO_PERMISSIONS, ...HANGS },
  async () => {
    const { stdout } = await runInChild(
      `${START}
    const bytes = Buffer.from('${Buffer.from(EXIT_7.source).toString('hex')}', 'hex');
    const plan = { args: [], env: [], preopens: [], stdio: ['ignore', 'ignore', 'ignore'], limits: {} };
    const runs = Array.from({ length: 20 }, () => start(new ProgramHandle(bytes, false), plan).result);
    const reasons = (await Promise.allSettled(runs)).map(({ reason }) => reason?.code);
    console.log([...new Set(reasons)].join());`,
      {
        flags: [
          '--permission',
          '--allow-addons',
          '--allow-wasi',
          '--allow-fs-read=*',
          '--no-warnings',
        ],
      },
    );
    assert.equal(stdout, 'ERR_ACCESS_DENIED\n');
  },
);

test('preloads and flags of the process are not for its guests', HANGS, async (t) => {
  const folder = temporaryFolder(t);
  const preload = path.join(folder, 'preload.cjs');
  fs.writeFileSync(preload, "console.log('loaded')");
  const { stdout } = await runInChild(
    `${START}
    const { assemble } = await import(${JSON.stringify(new URL('./support/wat.mjs', import.meta.url))});
    const program = new ProgramHandle(assemble('(module (func (export "_start")))'), false);
    const plan = { args: [], env: [], preopens: [], stdio: ['ignore', 'ignore', 'ignore'], limits: {} };
    await start(program, plan).result;`,
    { flags: ['-r', preload] },
  );
  assert.equal(stdout, 'loaded\n');
});
