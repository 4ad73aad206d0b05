// Streams of the embedder at the other end of a program: nothing is lost, and nothing is left behind.
import assert from 'node:assert/strict';
import { spawn as spawnProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import { PassThrough, Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { ReadableStream } from 'node:stream/web';
import { makeRun, makeSpawn } from './support/engine.mjs';
import { HANGS, runInChild, runInWorker, startWorker } from './support/host.mjs';
import { READ, SLEEP, SPIN, after, cat, exits, program, writes } from './support/programs.mjs';

const CAT = cat();
/** Writes a dot, and then nothing for long. */
const SILENT = after('.', SLEEP);
const bounded = { timeout: HANGS };

/** How many ends of pipes this process has. */
function pipes() {
  const target = (fd) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return ''; // that of the folder itself
    }
  };
  return fs.readdirSync('/proc/self/fd').filter((fd) => target(fd).startsWith('pipe:')).length;
}

/** They are closed by other threads, and by Node in its own time. */
async function untilClosed(before) {
  while (pipes() > before) await turn();
}

/** How many listeners a stream has. */
const listeners = (stream) =>
  stream.eventNames().reduce((count, name) => count + stream.listenerCount(name), 0);

const mine = new Error('mine');
const throwing = () => {
  throw mine;
};
const premature = { code: 'ERR_STREAM_PREMATURE_CLOSE' };

/** Sources that can't be read, and what comes of them. */
const SOURCES = {
  'throws when it is opened': [() => ({ [Symbol.asyncIterator]: throwing }), mine],
  'has a next() that throws': [
    () => ({ [Symbol.asyncIterator]: () => ({ next: throwing }) }),
    mine,
  ],
  'has a getter of next() that throws': [
    () => ({
      [Symbol.asyncIterator]: () => ({
        get next() {
          return throwing();
        },
      }),
    }),
    mine,
  ],
  'rejects at first': [
    () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(mine) }) }),
    mine,
  ],
  'opens as nothing': [() => ({ [Symbol.asyncIterator]: () => undefined }), { name: 'TypeError' }],
  'yields no object': [
    () => ({ [Symbol.asyncIterator]: () => ({ next: () => undefined }) }),
    { name: 'TypeError' },
  ],
  'yields what are no bytes': [
    () => Readable.from([5]),
    { code: 'ERR_INVALID_ARG_TYPE', message: /^The "chunk" argument must be of type string or / },
  ],
  'is destroyed': [() => new Readable({ read() {} }).destroy(), premature],
  'has failed': [
    () => {
      const failed = new Readable({ read() {} }).on('error', () => {});
      return failed.destroy(mine);
    },
    mine,
  ],
  'has ended': [
    async () => {
      const ended = Readable.from(['x']);
      await text(ended);
      return ended;
    },
    { code: 'ERR_INVALID_ARG_VALUE', message: /'options.stdin'.* read to its end/ },
  ],
  'is locked': [
    () => {
      const stream = new ReadableStream();
      stream.getReader();
      return stream;
    },
    { code: 'ERR_INVALID_STATE' },
  ],
  'fails while nobody reads': [
    () => {
      const failing = Readable.from(
        (async function* () {
          yield Buffer.alloc(1 << 20);
          await turn();
          throw mine;
        })(),
        { highWaterMark: 8 },
      );
      return failing;
    },
    mine,
    SILENT,
  ],
};

/** What becomes of a Writable while a program runs, or before, and what comes of the run. */
const brokenPipe = { code: 'EPIPE', syscall: 'write', message: /options\.stdout/ };
const WRITABLES = {
  'was destroyed before': [(output) => output.destroy(), undefined, brokenPipe],
  'had failed before': [(output) => output.on('error', () => {}).destroy(mine), undefined, mine],
  'was ended before': [(output) => output.end(), undefined, brokenPipe],
  'is destroyed': [undefined, (output) => output.destroy(), brokenPipe],
  'is destroyed with an error': [undefined, (output) => output.destroy(mine), mine],
  'is ended': [undefined, (output) => output.end(), brokenPipe],
};

for (const engine of ['wasmtime', 'v8']) {
  const run = makeRun(engine);
  const spawn = makeSpawn(engine);

  /** How many ends of pipes there are when as many threads of V8 rest as may: each has some. */
  const settled = async () => {
    const threads = engine === 'v8' ? Math.max(4, os.availableParallelism()) : 0;
    await Promise.all(Array.from({ length: threads }, () => run(exits(0))));
    return pipes();
  };

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

    for (const [what, [make, expected, wasm = CAT]] of Object.entries(SOURCES)) {
      test(`a source that ${what} rejects the run`, async () => {
        const before = await settled();
        await assert.rejects(run(wasm, { stdin: await make() }), expected);
        await untilClosed(before);
      });
    }

    test('what a source says to being left is of no interest', async () => {
      const source = { next: () => new Promise(() => {}), return: throwing };
      const stdin = { [Symbol.asyncIterator]: () => source };
      assert.equal((await run(exits(5), { stdin })).exitCode, 5);
      const stubborn = new Readable({ read() {}, destroy: (_, done) => setImmediate(done, mine) });
      assert.equal((await run(exits(6), { stdin: stubborn })).exitCode, 6);
      await new Promise((resolve) => stubborn.once('close', resolve));
    });

    for (const [what, [before, during, expected]] of Object.entries(WRITABLES)) {
      test(`a Writable that ${what} ends the program, which does not write`, async () => {
        const open = await settled();
        const output = new Writable({
          write(_chunk, _encoding, done) {
            done();
            during?.(output);
          },
        });
        before?.(output);
        await assert.rejects(run(SILENT, { stdout: output }), expected);
        await untilClosed(open);
      });
    }

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

    test('an error of a Writable that comes after the end of the program rejects the run', async () => {
      let ended = false;
      const failing = new Writable({
        async write(_chunk, _encoding, done) {
          while (!ended) await turn();
          for (let i = 0; i < 20; i++) await turn();
          done(mine);
        },
      });
      const child = spawn(after('x', ''), { stdout: failing, stderr: 'pipe' });
      // Its end is known by the other stream, which it holds open as long as it is there.
      child.stderr.resume().on('end', () => (ended = true));
      await assert.rejects(child.result, (error) => {
        assert.equal(error, mine);
        assert.equal(error.usage.written, 1);
        return true;
      });
      await turn();
      assert.equal(listeners(failing), 0);
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

    test('functions that throw or reject, and objects with write() like them', async () => {
      const rejecting = () => Promise.reject(mine);
      for (const stdout of [throwing, rejecting, { write: throwing }, { write: rejecting }]) {
        await assert.rejects(run(SILENT, { stdout }), mine);
      }
      for (const stdin of [throwing, rejecting]) await assert.rejects(run(CAT, { stdin }), mine);
      const written = [];
      const writer = {
        on() {}, // not all that has one is a stream
        async write(chunk) {
          await turn();
          written.push(String(chunk));
        },
      };
      await run(CAT, { input: 'to an object', stdout: writer });
      assert.deepEqual(written, ['to an object']);
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

    test('what was captured on the way is with the error, whatever that is', async () => {
      const frozen = Object.freeze(new Error('frozen'));
      const odd = Object.defineProperty(new Error('odd'), 'usage', { set: throwing });
      for (const error of [frozen, odd, 'text', undefined, null, 5, Symbol('symbol')]) {
        const stderr = () => Promise.reject(error);
        const promise = run(program(writes('x', 2).body, writes('x', 2)), { stderr });
        await promise.then(
          () => assert.fail('fulfilled'),
          (reason) => assert.equal(reason, error),
        );
      }
    });

    test('output beyond its limit in any pieces is ERR_WASI_STDIO_MAXBUFFER', async () => {
      const writing = (times, length, rest = '') =>
        program(
          `(local $i i32) (i32.store (i32.const 0) (i32.const 4096)) (i32.store (i32.const 4) (i32.const ${length}))
           (loop $l (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
             (local.set $i (i32.add (local.get $i) (i32.const 1)))
             (br_if $l (i32.lt_u (local.get $i) (i32.const ${times})))) ${rest}`,
        );
      const limits = { stdout: 160 };
      const TOO_MUCH =
        'the program wrote more than 160 bytes to stdout, which is captured: raise options.limits.stdout, ' +
        'or pass a function or a stream as options.stdout to take any amount';
      const exit = '(call $proc_exit (i32.const 0))';
      for (const [times, length] of [
        [16, 10],
        [1, 160],
        [160, 1],
      ]) {
        assert.equal((await run(writing(times, length), { limits })).stdout.length, 160);
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
        await assert.rejects(run(writing(times, length, rest), { limits }), (error) => {
          assert.equal(error.code, 'ERR_WASI_STDIO_MAXBUFFER');
          assert.ok(error instanceof RangeError);
          assert.equal(error.message, TOO_MUCH);
          assert.equal(error.stdout.length, 160);
          return true;
        });
      }
      await assert.rejects(run(writing(1, 1), { limits: { stdout: 0 } }), {
        code: 'ERR_WASI_STDIO_MAXBUFFER',
      });
      assert.equal((await run(writing(1, 0), { limits: { stdout: 0 } })).exitCode, 0);
    });

    test('runs leave no listener and no descriptor, also when many share a stream', async (t) => {
      const warnings = [];
      const note = (warning) => warnings.push(warning);
      process.on('warning', note);
      t.after(() => process.off('warning', note));
      const output = new PassThrough().resume();
      const [open, before] = [await settled(), listeners(output)];
      const one = () => run(CAT, { stdin: Readable.from(['x']), stdout: output, stderr: output });
      for (let round = 0; round < 5; round++) await Promise.all(Array.from({ length: 20 }, one));
      await turn();
      assert.deepEqual([listeners(output), warnings], [before, []]);
      await untilClosed(open);
    });

    test('a descriptor may be closed when run() has returned', async (t) => {
      const folder = fs.mkdtempSync('/tmp/wasi-rs-test-');
      t.after(() => fs.rmSync(folder, { recursive: true }));
      fs.writeFileSync(`${folder}/secret`, 'secret');
      fs.writeFileSync(`${folder}/input`, 'input');
      const fd = fs.openSync(`${folder}/input`);
      const running = run(CAT, { stdin: fd });
      fs.closeSync(fd);
      const other = fs.openSync(`${folder}/secret`);
      assert.equal(other, fd, 'another file has its number');
      assert.equal(String((await running).stdout), 'input');
      fs.closeSync(other);
    });

    test('runs that never begin leave no descriptor', async () => {
      const open = await settled();
      const streams = () => ({ stdin: new PassThrough(), stdout: new PassThrough() });
      const broken = Uint8Array.of(1, 2, 3);
      await assert.rejects(run(broken, streams()), { code: 'ERR_WASI_PROGRAM' });
      await assert.rejects(run('/none', streams()), { code: 'ENOENT' });
      await assert.rejects(run(CAT, { ...streams(), preopens: { '/': '/none' } }), {
        code: 'UVWASI_ENOENT',
      });
      await assert.rejects(run(CAT, { ...streams(), stderr: 999 }), { code: 'UVWASI_EBADF' });
      await assert.rejects(run(CAT, { ...streams(), signal: AbortSignal.abort() }));
      if (engine === 'v8') {
        // The next workers die as soon as they are there.
        const kill = (worker) => void worker.terminate();
        process.on('worker', kill);
        const limits = { stack: 3 * 1024 * 1024 }; // that no thread has yet
        await assert.rejects(run(CAT, { ...streams(), limits }), /the worker has ended/);
        process.off('worker', kill);
      }
      // More than run at once: some are killed in the queue.
      const children = Array.from({ length: 30 }, () => spawn(program(SPIN)));
      for (const child of children) child.kill();
      for (const { result } of children) await assert.rejects(result, { code: 'ERR_WASI_KILLED' });
      await untilClosed(open);
    });

    test('runs in a worker that is terminated leave no descriptor, and no warning', async () => {
      const script = `
        const { run, spawn } = await import(${JSON.stringify(new URL('../index.js', import.meta.url))});
        const { PassThrough, Writable } = await import('node:stream');
        process.on('warning', ({ message }) => parentPort.postMessage(message));
        const options = { engine: '${engine}', cache: false };
        await run(workerData.cat, { ...options, stdin: new PassThrough().end('x'), stdout() {} });
        let begun = 0;
        const stdout = { write: () => { if (++begun === 6) parentPort.postMessage('begun'); } };
        for (let i = 0; i < 6; i++) run(workerData.silent, { ...options, stdin: new PassThrough(), stdout });
        spawn(workerData.silent, options).stderr.destroy();`;
      const open = await settled();
      for (let round = 0; round < 2; round++) {
        const worker = startWorker(script, { cat: CAT, silent: SILENT });
        const [message] = await once(worker, 'message');
        assert.equal(message, 'begun');
        await worker.terminate();
        await untilClosed(open);
      }
    });
  });
}

test('a run in a worker gives no warning', bounded, async () => {
  const { messages } = await runInWorker(
    `
    const { run, spawn } = await import(${JSON.stringify(new URL('../index.js', import.meta.url))});
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
    const { run } = await import(${JSON.stringify(new URL('../index.js', import.meta.url))});
    const { cat } = await import(${JSON.stringify(new URL('./support/programs.mjs', import.meta.url))});
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
    const { run } = await import(${JSON.stringify(new URL('../index.js', import.meta.url))});
    const { cat } = await import(${JSON.stringify(new URL('./support/programs.mjs', import.meta.url))});
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
    const { run } = await import(${JSON.stringify(new URL('../index.js', import.meta.url))});
    const { WRITE_FOR_EVER, program } = await import(${JSON.stringify(new URL('./support/programs.mjs', import.meta.url))});
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

for (const engine of ['wasmtime', 'v8']) {
  test(`an answer that can’t be made rejects the run, in ${engine}`, bounded, async (t) => {
    const refuse = (name) => {
      Object.defineProperty(Object.prototype, name, { configurable: true, set: throwing });
      t.after(() => delete Object.prototype[name]);
    };
    const run = makeRun(engine);
    refuse('exitCode');
    await assert.rejects(run(exits(0)), { code: 'ERR_WASI_RS', cause: mine, message: /mine/ });
    delete Object.prototype.exitCode;
    assert.equal((await run(exits(0))).exitCode, 0);
  });
}
