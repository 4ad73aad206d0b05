// Streams of the embedder at the other end of a program: nothing is lost, and nothing waits for ever.

import assert from 'node:assert/strict';
import { spawn as spawnProcess } from 'node:child_process';
import { once } from 'node:events';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { WasiError } from '../../index.js';
import { forEachEngine } from '../support/engine.mjs';
import { HANGS, index, runInChild, runInWorker } from '../support/host.mjs';
import { listeners } from '../support/pipes.mjs';
import { READ, SLEEP, SPIN, after, cat, program, writes } from '../support/programs.mjs';

const CAT = cat();
const bounded = { timeout: HANGS };

/** For scripts. */
const PROGRAMS = JSON.stringify(new URL('../support/programs.mjs', import.meta.url));

forEachEngine(({ engine, run, spawn }) => {
  describe(`streams in ${engine}`, bounded, () => {
    test('a program that closes its stdout ends the stream then', async () => {
      const child = spawn(after('last words', `(drop (call $fd_close (i32.const 1))) ${READ}`));
      assert.equal(await text(child.stdout), 'last words');
      assert.equal(child.exitCode, null, 'it runs on');
      child.stdin.end('go on');
      assert.equal((await child.result).exitCode, 0);
    });

    test('a program that closes its stdin is EPIPE to who writes then', async () => {
      const child = spawn(
        program(`(drop (call $fd_close (i32.const 0))) ${writes('closed').body} ${SLEEP}`, {
          items: writes('closed').items,
        }),
      );
      await once(child.stdout, 'data');
      child.stdin.write('anybody?');
      const [error] = await once(child.stdin, 'error');
      assert.equal(error.code, 'EPIPE');
      assert.equal(child.exitCode, null, 'it runs on');
      child.kill();
      await assert.rejects(child.result, { code: 'ERR_WASI_KILLED' });
    });

    test('a Writable has taken the last byte when the run is fulfilled', async () => {
      let [ended, taken] = [false, ''];
      const slow = new Writable({
        highWaterMark: 1 << 20, // it has room
        async write(chunk, _, done) {
          while (!ended) await turn();
          for (let i = 0; i < 20; i++) await turn();
          taken += chunk;
          done();
        },
      });
      const child = spawn(CAT, { input: 'all of it', stdout: slow });
      child.stderr.resume().on('end', () => (ended = true)); // with the program
      await child.result;
      assert.equal(taken, 'all of it');
      assert.equal(listeners(slow), 0);
    });

    test('timeout, signal and kill() end a run whose program has ended and whose stream takes nothing', async () => {
      const never = () => new Promise(() => {});
      for (const stdout of [never, new Writable({ write() {} }), { write: never }]) {
        await assert.rejects(run(after('x', ''), { stdout, timeout: 300 }), {
          code: 'ERR_WASI_TIMEOUT',
        });
      }
      const controller = new AbortController();
      const stdout = (chunk) => {
        controller.abort();
        return never(chunk);
      };
      const { signal } = controller;
      await assert.rejects(run(after('x', ''), { stdout, signal }), { code: 'ABORT_ERR' });
      await assert.rejects(run(CAT, { stdin: never, timeout: 100 }), { code: 'ERR_WASI_TIMEOUT' });
    });

    test('an old stream, which does not call back, is waited for as it asks', async () => {
      const { EventEmitter } = await import('node:events');
      const old = new EventEmitter();
      let [taken, isFull] = [0, false];
      old.write = (chunk) => {
        assert.ok(!isFull, 'nothing comes while it is full');
        taken += chunk.length;
        isFull = true;
        setImmediate(() => {
          isFull = false;
          old.emit('drain');
        });
        return false;
      };
      await run(CAT, { input: Buffer.alloc(500_000), stdout: old });
      assert.equal(taken, 500_000);
      assert.equal(listeners(old), 0);
    });

    test('output beyond its limit in any pieces is ERR_WASI_STDIO_MAXBUFFER', async () => {
      const writing = (times, length, rest = '') =>
        program(
          `(local $i i32) (i32.store (i32.const 0) (i32.const 4096)) (i32.store (i32.const 4) (i32.const ${length}))
           (loop $l (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
             (local.set $i (i32.add (local.get $i) (i32.const 1)))
             (br_if $l (i32.lt_u (local.get $i) (i32.const ${times})))) ${rest}`,
        );
      const maxBuffer = 160;
      const TOO_MUCH =
        'the program wrote more than 160 bytes to stdout, which is captured: raise options.maxBuffer, ' +
        'or pass a function or a stream as options.stdout to take any amount';
      const exit = '(call $proc_exit (i32.const 0))';
      for (const [times, length] of [
        [16, 10],
        [1, 160],
        [160, 1],
      ]) {
        assert.equal((await run(writing(times, length), { maxBuffer })).stdout.length, 160);
      }
      for (const [times, length, rest] of [
        [17, 10],
        [17, 10, exit],
        [161, 1],
        [2, 81],
        [1, 161],
        [1, 5000, exit],
        [17, 10, SPIN], // at once, and not when it ends
      ]) {
        await assert.rejects(run(writing(times, length, rest), { maxBuffer }), (error) => {
          assert.equal(error.code, 'ERR_WASI_STDIO_MAXBUFFER');
          assert.ok(error instanceof WasiError && error.isMaxBuffer);
          assert.equal(error.message, TOO_MUCH);
          assert.equal(error.stdout.length, 160);
          return true;
        });
      }
      await assert.rejects(run(writing(1, 1), { maxBuffer: 0 }), {
        code: 'ERR_WASI_STDIO_MAXBUFFER',
      });
      assert.equal((await run(writing(1, 0), { maxBuffer: 0 })).exitCode, 0);
    });
  });
});

test('a run in a worker gives no warning', bounded, async () => {
  const { messages } = await runInWorker(
    `
    const { run, spawn } = await import(${JSON.stringify(index)});
    process.on('warning', ({ message }) => parentPort.postMessage(message));
    for (const engine of ['wasmtime', 'v8']) {
      const options = { engine, cache: false };
      await run(workerData, { ...options, stdin: () => null, stdout() {}, stderr: 'ignore' });
      const child = spawn(workerData, options);
      child.stdin.end();
      await child.result;
    }
    await new Promise(setImmediate);
    parentPort.postMessage('done');`,
    { workerData: CAT },
  );
  assert.deepEqual(messages, ['done']);
});

test('a source that always has something leaves the event loop to others', bounded, async () => {
  const script = `
    const { Readable } = await import('node:stream');
    const { run } = await import(${JSON.stringify(index)});
    const { cat } = await import(${PROGRAMS});
    const one = new Uint8Array(1);
    const sources = [
      async function* () { for (;;) yield one; },
      async function* () { for (;;) yield new Uint8Array(); },
      () => Readable.from(function* () { for (;;) yield one; }()),
      () => new Readable({ read() { this.push(one); } }),
      () => () => one,
      () => async () => one,
    ];
    for (const source of sources) {
      for (const engine of ['wasmtime', 'v8']) {
        const stdin = source();
        await run(cat(), { engine, cache: false, stdin, stdout: 'ignore', timeout: 20 }).catch(({ code }) => console.log(code));
      }
    }`;
  // What has the event loop for itself, no timer of its own process ends.
  const { code, stdout } = await runInChild(script);
  assert.deepEqual([code, stdout], [0, 'ERR_WASI_TIMEOUT\n'.repeat(12)]);
});

test("the process's own streams", bounded, async () => {
  const script = `
    const { run } = await import(${JSON.stringify(index)});
    const { cat } = await import(${PROGRAMS});
    for (const engine of ['wasmtime', 'v8']) {
      const { stdout, stderr } = process;
      await run(cat(), { engine, cache: false, input: engine + ' ', stdout });
      await run(cat(), { engine, cache: false, input: engine + ' ', stdout: stderr, stderr });
    }
    await run(cat(), { cache: false, stdin: process.stdin, stdout: process.stdout });
    process.exitCode = 0;`;
  const { code, stdout, stderr } = await runInChild(script, { input: 'and stdin' });
  assert.deepEqual([code, stdout, stderr], [0, 'wasmtime v8 and stdin', 'wasmtime v8 ']);
});

test("a process's own stdout that nobody reads any more rejects the run", bounded, async () => {
  const script = `
    const { run } = await import(${JSON.stringify(index)});
    const { WRITE_FOR_EVER, program } = await import(${PROGRAMS});
    for (const engine of ['wasmtime', 'v8']) {
      await run(program(WRITE_FOR_EVER), { engine, cache: false, stdout: process.stdout }).then(
        () => console.error('fulfilled'), ({ code }) => console.error(code));
    }`;
  const child = spawnProcess(process.execPath, ['--input-type=module', '-e', script]);
  child.stdout.destroy();
  const said = text(child.stderr);
  const [code] = await once(child, 'exit');
  assert.deepEqual([code, await said], [0, 'EPIPE\nEPIPE\n']);
});
