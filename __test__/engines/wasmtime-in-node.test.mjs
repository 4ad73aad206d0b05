// wasmtime inside of Node: what both share, and what must not hurt the other.
import assert from 'node:assert/strict';
import { execFileSync, spawn as spawnProcess } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import path from 'node:path';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { run as runAnywhere } from '../../index.js';
import { makeRun } from '../support/engine.mjs';
import { index, runNode } from '../support/host.mjs';
import {
  READ,
  SHARED,
  SLEEP,
  SPIN,
  WAIT,
  after,
  cat,
  exits,
  program,
} from '../support/programs.mjs';
import { assemble } from '../support/wat.mjs';

const run = makeRun('wasmtime');

// Both V8 and wasmtime handle SIGSEGV, and each must leave the other its own.
const OUTSIDE = assemble(`(module (memory 1) (func (export "read") (param i32) (result i32)
  (i32.load (local.get 0))))`);

/** Has V8 trap, a few times. */
function trapInV8() {
  const { read } = new WebAssembly.Instance(new WebAssembly.Module(OUTSIDE)).exports;
  for (let i = 0; i < 10; i++) assert.throws(() => read(-4), WebAssembly.RuntimeError);
  assert.equal(read(0), 0);
}

test('V8’s traps and wasmtime’s are each their own', async () => {
  trapInV8();
  const trap = program('(drop (i32.load (i32.const -4)))');
  for (let i = 0; i < 5; i++) {
    const trapping = Promise.allSettled([run(trap), run(trap)]);
    trapInV8();
    for (const { reason } of await trapping) assert.match(reason.message, /out of bounds/);
    trapInV8();
  }
});

test('... in workers too, whoever comes first', async () => {
  for (const first of ['v8', 'wasmtime']) {
    const worker = new Worker(
      `const { workerData: { index, outside, trap, first } } = require('node:worker_threads');
      const { run } = require(index);
      const { read } = new WebAssembly.Instance(new WebAssembly.Module(outside)).exports;
      const inV8 = () => { try { read(-4); } catch (error) { return error.message; } };
      const inWasmtime = () => run(trap, { engine: 'wasmtime', cache: false }).catch(({ message }) => message);
      (async () => {
        const messages = [];
        if (first === 'v8') messages.push(inV8());
        for (let i = 0; i < 3; i++) messages.push(await inWasmtime(), inV8());
        require('node:worker_threads').parentPort.postMessage(messages);
      })();`,
      {
        eval: true,
        workerData: {
          index,
          outside: OUTSIDE,
          trap: program('(drop (i32.load (i32.const -4)))'),
          first,
        },
      },
    );
    const exit = once(worker, 'exit');
    const [messages] = await once(worker, 'message');
    await exit;
    assert.equal(messages.length, first === 'v8' ? 7 : 6);
    assert.ok(
      messages.every((message) => /out of bounds/.test(message)),
      messages.join(),
    );
    trapInV8();
  }
});

/** A script that starts one guest of each kind and then does something. */
const busy = (then) => `
  const { run } = require(${JSON.stringify(index)});
  const guests = ${JSON.stringify(
    [after('.', SPIN), after('.', SLEEP), after('.', READ)].map((wasm) =>
      Buffer.from(wasm).toString('base64'),
    ),
  )};
  const { PassThrough } = require('node:stream');
  let begun = 0;
  for (const guest of guests) {
    const stdout = () => { if (++begun === guests.length) then(); };
    run(Buffer.from(guest, 'base64'), { engine: 'wasmtime', cache: false, stdin: new PassThrough(), stdout })
      .catch(() => {});
  }
  function then() { ${then} }`;

test('the process ends while guests run', async () => {
  const ends = {
    'process.exit(7)': 7,
    'process.reallyExit(8)': 8,
    'setImmediate(() => { throw 1 })': 1,
    'process.kill(process.pid, "SIGTERM")': 'SIGTERM',
  };
  for (const [then, expected] of Object.entries(ends)) {
    for (let i = 0; i < 3; i++) {
      const child = spawnProcess(process.execPath, ['-e', busy(then)], { stdio: 'ignore' });
      const [code, signal] = await once(child, 'exit');
      assert.equal(code ?? signal, expected, then);
    }
  }
});

test('a worker ends while its guests run', async () => {
  for (const then of [
    '',
    'process.exit(5)',
    'setImmediate(() => { throw new Error("on purpose") })',
  ]) {
    for (let i = 0; i < 3; i++) {
      const script = busy(`require('node:worker_threads').parentPort.postMessage(0); ${then}`);
      const worker = new Worker(script, { eval: true });
      const ended = new Promise((resolve) => worker.on('exit', resolve));
      worker.on('error', (error) => assert.match(error.message, /on purpose/));
      if (then === '') {
        await once(worker, 'message');
        await worker.terminate();
      }
      await ended;
    }
  }
  assert.equal(String((await run(cat(), { input: 'still here' })).stdout), 'still here');
});

test('the addon is loaded once more, as jest does, while guests run', async () => {
  const require = createRequire(import.meta.url);
  const forget = () => {
    const ours = (file) => file.startsWith(path.dirname(index)) && !file.includes('node_modules');
    Object.keys(require.cache)
      .filter(ours)
      .forEach((file) => delete require.cache[file]);
  };
  const running = [];
  const controller = new AbortController();
  // Fewer than run at a time.
  for (let i = 0; i < 3; i++) {
    forget();
    const fresh = require(index);
    assert.notEqual(fresh.run, runAnywhere);
    const options = { engine: 'wasmtime', cache: false, signal: controller.signal };
    running.push(fresh.run(program(SPIN), options));
    const { stdout } = await fresh.run(cat(), { ...options, input: String(i) });
    assert.equal(String(stdout), String(i));
  }
  controller.abort();
  for (const { reason } of await Promise.allSettled(running))
    assert.equal(reason.code, 'ABORT_ERR');
});

test('threads that never come back are no others’ loss', async () => {
  // More than the pool has. They stay as long as the process, so it is not this one.
  const { code, stdout, stderr } = await runNode([
    '-e',
    `const { run } = require(${JSON.stringify(index)});
    const of = (text) => Buffer.from(text, 'base64');
    const waits = of(${JSON.stringify(Buffer.from(after('.', WAIT, SHARED)).toString('base64'))});
    const ends = of(${JSON.stringify(Buffer.from(exits(7)).toString('base64'))});
    const options = { engine: 'wasmtime', cache: false };
    const kill = async () => {
      const controller = new AbortController();
      const stdout = () => controller.abort();
      await run(waits, { ...options, stdout, signal: controller.signal }).catch(() => {});
    };
    (async () => {
      for (let i = 0; i < 10; i++) await Promise.all(Array.from({ length: 60 }, kill));
      console.log((await run(ends, options)).exitCode);
    })();`,
  ]);
  assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: '7\n', stderr: '' });
});

test('a process with nothing left to do ends', () => {
  const script = `
    const { run, compile } = require(${JSON.stringify(index)});
    const wasm = Buffer.from(${JSON.stringify(Buffer.from(cat()).toString('base64'))}, 'base64');
    run(wasm, { engine: 'wasmtime', cache: false, input: 'a' }).then(async ({ stdout }) => {
      const program = await compile(wasm, { cache: false });
      process.stdout.write(stdout + (await program.run({ input: 'b' })).stdout);
    });`;
  assert.equal(execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' }), 'ab');
});
