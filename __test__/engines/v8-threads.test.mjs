// The threads in which V8 runs programs: how many there are, what they share, and when they end.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { WasiError, run } from '../../index.js';
import { ProgramHandle } from '../../lib/program.js';
import { moduleOf } from '../../lib/v8/modules.js';
import { root, runInChild, temporaryFolder } from '../support/host.mjs';
import { SPIN, exits, program } from '../support/programs.mjs';
import { makeStart } from '../support/starts.mjs';
import { assemble } from '../support/wat.mjs';

const HANGS = { timeout: 60_000 };
const NO_PERMISSIONS =
  !process.allowedNodeEnvironmentFlags.has('--permission') && 'this Node has no --permission';

const start = makeStart('v8');
const EXIT_7 = exits(7);
const hex = (bytes) => Buffer.from(bytes).toString('hex');

/** For a script. */
const START = `
  const { ProgramHandle } = await import(${JSON.stringify(path.join(root, 'lib/program.js'))});
  const engine = await import(${JSON.stringify(path.join(root, 'lib/v8/engine.js'))});
  const start = (what, how) => engine.start(what.v8(how.limits).prepared, how);`;

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
    await assert.rejects(run(code, { engine, signal }), { name: 'AbortError' }, engine);
  }
});

test(
  'a hundred guests at once take a bounded number of threads; those that wait can be killed',
  HANGS,
  async (t) => {
    // Threads that end do not keep this one's event loop alive.
    const awake = setInterval(() => {}, 1000);
    t.after(() => clearInterval(awake));
    let alive = 0;
    let most = 0;
    const exits = [];
    const count = (worker) => {
      most = Math.max(most, ++alive);
      exits.push(once(worker, 'exit').then(() => alive--));
    };
    process.on('worker', count);
    const running = Array.from({ length: 100 }, () => start(program(SPIN)));
    const error = new WasiError('ERR_WASI_KILLED', 'enough');
    // The last ones first: they are still waiting.
    for (const { kill } of running.toReversed()) kill(error);
    const reasons = await Promise.allSettled(running.map(({ result }) => result));
    assert.ok(reasons.every(({ reason }) => reason === error));
    await Promise.all(exits);
    const finished = await Promise.all(Array.from({ length: 100 }, () => start(EXIT_7).result));
    assert.ok(finished.every(({ exitCode }) => exitCode === 7));
    process.off('worker', count);
    // A thread whose guest was killed may be slow to end: it has no place any more, but is there.
    const places = Math.max(4, os.availableParallelism());
    assert.ok(most > 0 && most <= 2 * places, `${most} threads`);
  },
);

test('guests one after the other share a thread', async () => {
  await start(EXIT_7).result;
  let threads = 0;
  const count = () => threads++;
  process.on('worker', count);
  for (let i = 0; i < 20; i++) await start(EXIT_7).result;
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
    const program = new ProgramHandle(Buffer.from('${hex(EXIT_7)}', 'hex'), false);
    const plan = { args: [], env: [], preopens: [], stdio: ['ignore', 'ignore', 'ignore'],
      limits: {}, maxBuffer: {} };
    const workers = [];
    process.on('worker', (worker) => workers.push(worker));
    for (let i = 0; i < 3; i++) await start(program, plan).result;
    const exit = once(workers[0], 'exit');
    // A thread that ends does not keep the process.
    const interval = setInterval(() => {}, 1000);
    mock.timers.tick(10_000);
    await exit;
    clearInterval(interval);
    console.log(workers.length, (await start(program, plan).result).exitCode, workers.length);`);
  assert.equal(stdout, '1 7 2\n');
});

test('a running guest keeps the process alive, one that has ended does not', HANGS, async () => {
  const script = (bytes) => `
    ${START}
    const bytes = Buffer.from('${hex(bytes)}', 'hex');
    const plan = { args: [], env: [], preopens: [], stdio: ['ignore', 'ignore', 'ignore'],
      limits: {}, maxBuffer: {} };
    const { result } = start(new ProgramHandle(bytes, false), plan);
    result.then(({ exitCode }) => console.log('exit code', exitCode));`;
  const { code, stdout, stderr } = await runInChild(script(EXIT_7));
  assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: 'exit code 7\n', stderr: '' });
  const ended = await runInChild(
    `${script(program(SPIN))}\nsetTimeout(() => process.exit(3), 300);`,
  );
  assert.deepEqual(ended, { code: 3, signal: null, stdout: '', stderr: '' });
});

test(
  'without permission for workers every run rejects',
  { skip: NO_PERMISSIONS, ...HANGS },
  async () => {
    const { stdout } = await runInChild(
      `${START}
    const bytes = Buffer.from('${hex(EXIT_7)}', 'hex');
    const plan = { args: [], env: [], preopens: [], stdio: ['ignore', 'ignore', 'ignore'],
      limits: {}, maxBuffer: {} };
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
    const program = new ProgramHandle(Buffer.from('${hex(program(''))}', 'hex'), false);
    const plan = { args: [], env: [], preopens: [], stdio: ['ignore', 'ignore', 'ignore'],
      limits: {}, maxBuffer: {} };
    await start(program, plan).result;`,
    { flags: ['-r', preload] },
  );
  assert.equal(stdout, 'loaded\n');
});

test('flags of the process are kept in threads that have been given others', HANGS, async (t) => {
  const file = path.join(temporaryFolder(t), 'large.wasm');
  const large = '(local.set 0 (i32.mul (local.get 0) (i32.load (local.get 0))))'.repeat(200_000);
  fs.writeFileSync(file, program(`(local i32) ${large}`)); // too much for V8's optimiser
  const script = `
    const { run } = require(${JSON.stringify(path.join(root, 'index.js'))});
    run(${JSON.stringify(file)}, { engine: 'v8', cache: false }).then((result) => console.log(result.exitCode));`;
  const { stdout, stderr } = await runInChild(
    `const { Worker } = await import('node:worker_threads');
    new Worker(${JSON.stringify(script)}, { eval: true, execArgv: [] });`,
    { flags: ['--freeze-flags-after-init'] }, // who changes one then ends the process
  );
  assert.equal(stdout, '0\n', stderr.slice(0, 1000));
});

test('a program is compiled by its worker, and no module of it is known here', async (t) => {
  const compile = t.mock.method(WebAssembly, 'compile');
  const Module = t.mock.method(WebAssembly, 'Module');
  assert.equal((await start(EXIT_7).result).exitCode, 7);
  const { module } = await new ProgramHandle(EXIT_7, false).v8({}).prepared;
  assert.deepEqual([module, compile.mock.callCount(), Module.mock.callCount()], [undefined, 0, 0]);
});

test('a worker keeps the modules of the last programs', async () => {
  let compilations = 0;
  const programOf = (id, padding = 0) => ({
    id,
    withBytes(use) {
      compilations++;
      const size = [padding & 0x7f, padding >> 7, padding >> 14, padding >> 21];
      const section = [0, ...size.map((part, i) => (part & 0x7f) | (i < 3 ? 0x80 : 0))];
      const rest = padding ? [Buffer.from(section), Buffer.alloc(padding)] : [];
      return use(new Uint8Array(Buffer.concat([EXIT_7, ...rest])).buffer);
    },
  });
  const [first, ...others] = Array.from({ length: 17 }, (_, id) => programOf(id));
  const module = await moduleOf(first);
  assert.ok(module instanceof WebAssembly.Module);
  assert.equal(await moduleOf(first), module);
  assert.equal(compilations, 1);
  for (const program of others.slice(1)) await moduleOf(program);
  assert.equal(await moduleOf(first), module, 'it is one of sixteen');
  await moduleOf(others[0]);
  assert.equal(await moduleOf(first), module, 'it was used after others');
  assert.equal(compilations, 17);
  await moduleOf(others[1]);
  assert.equal(compilations, 18, 'this one was dropped');
  const large = programOf(17, 33 * 1024 * 1024);
  const big = await moduleOf(large);
  assert.equal(await moduleOf(large), big, 'the last is kept, whatever its size');
  await moduleOf(others[1]);
  assert.equal(compilations, 20, 'no other is kept beside it');
});
