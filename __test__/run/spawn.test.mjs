// spawn(): a program beside this one, shaped like Node's child processes.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import { constants } from 'node:os';
import { createInterface } from 'node:readline';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { describe, test } from 'node:test';
import { Runner, WasiError } from '../../index.js';
import { forEachEngine } from '../support/engine.mjs';
import { index, runInChild } from '../support/host.mjs';
import {
  READ,
  SLEEP,
  SPIN,
  WRITE_FOR_EVER,
  after,
  cat,
  exits,
  program,
  writes,
} from '../support/programs.mjs';

const CAT = cat();
const LINUX = process.platform === 'linux';
const PROGRAMS = JSON.stringify(new URL('../support/programs.mjs', import.meta.url));

/** The names of events in their order, with what came along. */
function record(child) {
  const events = [];
  for (const name of ['spawn', 'exit', 'close', 'error']) {
    child.on(name, (...args) => events.push([name, ...args]));
  }
  return events;
}

forEachEngine(({ engine, spawn }) => {
  describe(`spawn() in ${engine}`, () => {
    test('streams, events, exit code', async () => {
      const child = spawn(CAT);
      const events = record(child);
      assert.equal(child.exitCode, null);
      assert.deepEqual(child.stdio, [child.stdin, child.stdout, child.stderr]);
      child.stdin.write('one ');
      child.stdin.end('two');
      assert.equal(await text(child.stdout), 'one two');
      await once(child, 'close');
      assert.deepEqual(events, [['spawn'], ['exit', 0, null], ['close', 0, null]]);
      assert.equal(child.exitCode, 0);
      const { exitCode, stdout, usage } = await child.result;
      assert.deepEqual([exitCode, stdout, usage.read, usage.written], [0, null, 7, 7]);
    });

    test('lines, while it runs', async () => {
      const child = spawn(CAT);
      const lines = [];
      child.stdin.write('first\n');
      for await (const line of createInterface(child.stdout)) {
        lines.push(line);
        // Each answer is asked for by the one before.
        if (lines.length < 5) child.stdin.write(`after ${line.length}\n`);
        else child.stdin.end();
      }
      assert.deepEqual(lines, ['first', 'after 5', 'after 7', 'after 7', 'after 7']);
    });

    test('pipeline, and programs one behind the other', async () => {
      const input = Buffer.alloc(2_000_000, '0123456789');
      const children = [spawn(CAT), spawn(CAT), spawn(CAT)];
      const output = [];
      await pipeline(
        Readable.from([input]),
        ...children.map((child) => duplexOf(child)),
        async function (source) {
          for await (const chunk of source) output.push(chunk);
        },
      );
      assert.ok(Buffer.concat(output).equals(input));
      for (const child of children) assert.equal((await child.result).exitCode, 0);
    });

    test('output that nobody reads does not keep "close" from coming', async () => {
      const child = spawn(program(writes('unheard').body, writes('unheard')));
      const [code] = await once(child, 'close');
      assert.equal(code, 0);
    });

    test('kill() ends it', async () => {
      for (const wasm of [after('.', SPIN), after('.', READ), after('.', WRITE_FOR_EVER)]) {
        const child = spawn(wasm);
        const events = record(child);
        await once(child.stdout, 'readable');
        assert.equal(child.kill(), true);
        assert.equal(child.kill('SIGINT'), true, 'it has not ended yet');
        child.stdout.resume();
        await once(child, 'close');
        assert.deepEqual(events, [
          ['spawn'],
          ['exit', null, 'SIGTERM'],
          ['close', null, 'SIGTERM'],
        ]);
        assert.deepEqual([child.exitCode, child.signalCode, child.killed], [null, 'SIGTERM', true]);
        await assert.rejects(child.result, { code: 'ERR_WASI_KILLED', signal: 'SIGTERM' });
        assert.deepEqual([child.kill(), child.kill(0)], [false, false]);
      }
    });

    test('kill() takes the signals that child_process takes', async () => {
      const { SIGKILL } = constants.signals;
      for (const [signal, name] of [
        [undefined, 'SIGTERM'],
        ['SIGINT', 'SIGINT'],
        ['sigusr1', 'SIGUSR1'],
        [SIGKILL, 'SIGKILL'],
      ]) {
        const child = spawn(after('.', SPIN));
        await once(child.stdout, 'readable');
        assert.equal(child.kill(signal), true);
        const [code, signalCode] = await once(child, 'exit');
        assert.deepEqual([code, signalCode, child.signalCode], [null, name, name]);
      }
      const child = spawn(CAT);
      const events = record(child);
      for (const signal of ['SIGFOO', '', '9', 'TERM', 999, -1, 1.5, NaN, null, true, {}, 1n]) {
        assert.throws(() => child.kill(signal), {
          name: 'TypeError',
          code: 'ERR_UNKNOWN_SIGNAL',
          message: /^Unknown signal: /,
        });
      }
      assert.equal(child.kill(0), true);
      assert.equal(child.killed, false, 'it was only asked');
      child.stdin.end('goes on');
      assert.equal(await text(child.stdout), 'goes on');
      await once(child, 'close');
      assert.deepEqual(events, [['spawn'], ['exit', 0, null], ['close', 0, null]]);
    });

    test('the second parameter of kill() is the cause of the error', async () => {
      for (const cause of [Object.freeze(new Error('mine')), 'a text', null]) {
        const child = spawn(after('.', SPIN));
        child.kill('SIGHUP', cause);
        await assert.rejects(child.result, (error) => {
          assert.ok(error instanceof WasiError);
          assert.deepEqual([error.code, error.signal], ['ERR_WASI_KILLED', 'SIGHUP']);
          assert.equal(error.cause, cause);
          return true;
        });
      }
    });

    test('a program that is ended before it has begun', async () => {
      const child = spawn(CAT);
      const events = record(child);
      assert.equal(child.kill('SIGINT'), true);
      await once(child, 'close');
      assert.deepEqual(events, [
        ['exit', null, 'SIGINT'],
        ['close', null, 'SIGINT'],
      ]);
    });

    test('killed is true after each end from outside, whether it had begun or not', async () => {
      const controller = new AbortController();
      const { signal } = controller;
      const runner = new Runner({ engine, cache: false });
      const children = () => ({
        aborted: spawn(after('.', SPIN), { signal }),
        closed: runner.spawn(after('.', SPIN)),
        killed: spawn(after('.', SPIN)),
      });
      const begun = children();
      for (const { stdout } of Object.values(begun)) await once(stdout, 'readable');
      const unbegun = children();
      const timed = spawn(after('.', SPIN), { timeout: 1 });
      const all = [...Object.values(begun), ...Object.values(unbegun)];
      const ends = [timed, ...all].map((child) => {
        child.on('error', () => {});
        return new Promise((resolve) => child.on('exit', (...end) => resolve(end)));
      });
      assert.ok(all.every(({ killed }) => !killed));
      controller.abort();
      const closing = runner.close();
      for (const { killed } of [begun, unbegun]) killed.kill();
      assert.ok(all.every(({ killed }) => killed));
      await closing;
      for (const end of ends) assert.deepEqual(await end, [null, 'SIGTERM']);
      assert.equal(timed.killed, true);
      const aborted = spawn(after('.', SPIN), { signal });
      aborted.on('error', () => {});
      assert.equal(aborted.killed, true, 'before it was spawned');
    });

    test('a closed stdout is EPIPE to the program', async () => {
      const EPIPE = 64;
      const child = spawn(CAT);
      child.stdout.destroy();
      await once(child.stdout, 'close');
      child.stdin.on('error', () => {});
      child.stdin.write('anybody?');
      const [code] = await once(child, 'exit');
      assert.equal(code, EPIPE);
    });

    test('an error is an event, or the promise’s, and never lost', async () => {
      const trap = after('', 'unreachable');
      const heard = spawn(trap);
      const [error] = await once(heard, 'error');
      assert.equal(error.code, 'ERR_WASI_TRAP');
      await assert.rejects(spawn(trap).result, { code: 'ERR_WASI_TRAP' });
      const timed = spawn(after('.', SPIN), { timeout: 20 });
      await assert.rejects(timed.result, { code: 'ERR_WASI_TIMEOUT' });
      const both = spawn(trap);
      const events = record(both);
      await assert.rejects(both.result, { code: 'ERR_WASI_TRAP' });
      await new Promise((resolve) => both.on('close', resolve));
      assert.deepEqual(
        events.map(([name, ...rest]) => (name === 'error' ? [name] : [name, ...rest])),
        [['spawn'], ['error'], ['exit', null, 'SIGABRT'], ['close', null, 'SIGABRT']],
      );
    });

    test('the end has a code or a signal, whatever it is', async () => {
      const aborted = new AbortController();
      const signal = () => aborted.abort();
      const throwing = () => {
        throw new Error('mine');
      };
      for (const [what, wasm, options, code, name] of [
        ['a trap', after('.', 'unreachable'), {}, 'ERR_WASI_TRAP', 'SIGABRT'],
        ['a timeout', after('.', SPIN), { timeout: 50 }, 'ERR_WASI_TIMEOUT', 'SIGTERM'],
        [
          'an abort',
          after('.', SPIN),
          { stdout: signal, signal: aborted.signal },
          'ABORT_ERR',
          'SIGTERM',
        ],
        [
          'a function that fails',
          after('.', SPIN),
          { stdout: throwing },
          'ERR_WASI_STREAM',
          'SIGTERM',
        ],
      ]) {
        const child = spawn(wasm, options);
        const events = record(child);
        await new Promise((resolve) => child.on('close', resolve));
        const [exit, close] = events.slice(-2);
        assert.deepEqual(exit, ['exit', null, name], what);
        assert.deepEqual(close, ['close', null, name], what);
        assert.equal(events.at(-3)[1].code, code, what);
        assert.equal(child.killed, name === 'SIGTERM' && code !== 'ERR_WASI_STREAM', what);
      }
    });

    test('an error that nobody hears is uncaught, and the other events come all the same', async () => {
      const script = `
        const { spawn } = await import(${JSON.stringify(index)});
        const { program } = await import(${PROGRAMS});
        process.on('uncaughtException', ({ code }) => console.log('uncaught', code));
        const child = spawn(program('unreachable'), { engine: '${engine}', cache: false });
        for (const name of ['exit', 'close']) child.on(name, (...args) => console.log(name, ...args));`;
      const { stdout, stderr } = await runInChild(script);
      const expected = 'uncaught ERR_WASI_TRAP\nexit null SIGABRT\nclose null SIGABRT\n';
      assert.deepEqual([stdout, stderr], [expected, '']);
    });

    test('a signal that has been given already opens nothing', { skip: !LINUX }, async () => {
      const open = () => fs.readdirSync('/proc/self/fd').length;
      const first = spawn(CAT, { stdout: 'ignore' });
      first.stdin.end();
      await first.result; // whatever the engine needs is open now
      const before = open();
      const source = new Readable({ read: () => assert.fail('it is not read') });
      const reason = new Error('why');
      const signal = AbortSignal.abort(reason);
      const options = { signal, preopens: { '/': '/none' } };
      const children = [
        spawn('/none.wasm', options),
        spawn(CAT, { ...options, stdin: source }),
        spawn(CAT, { ...options, stdout: 5000, stderr: (chunk) => assert.fail(String(chunk)) }),
      ];
      assert.equal(open(), before);
      const recorded = children.map((child) => {
        const closed = new Promise((resolve) => child.on('close', resolve));
        return { child, events: record(child), closed };
      });
      for (const { child, events, closed } of recorded) {
        child.stdin?.on('error', () => {});
        child.stdin?.write('nobody reads this');
        if (child.stdout) assert.equal(await text(child.stdout), '');
        await closed;
        const [[, error], ...rest] = events;
        assert.deepEqual(
          [error.name, error.code, error.cause],
          ['AbortError', 'ABORT_ERR', reason],
        );
        assert.deepEqual(rest, [
          ['exit', null, 'SIGTERM'],
          ['close', null, 'SIGTERM'],
        ]);
        assert.equal(child.killed, true);
      }
      assert.ok(source.destroyed);
    });

    test('with check, another exit code than 0 rejects, and is no error event', async () => {
      const child = spawn(exits(3), { check: true });
      const events = record(child);
      await assert.rejects(child.result, { code: 'ERR_WASI_EXIT', exitCode: 3 });
      await once(child, 'close');
      assert.deepEqual(events, [['spawn'], ['exit', 3, null], ['close', 3, null]]);
    });

    test('stdio as run() takes it', async () => {
      const sink = new PassThrough();
      const child = spawn(CAT, { input: 'text', stdout: sink, stderr: 'ignore' });
      assert.deepEqual(child.stdio, [null, null, null]);
      await child.result;
      sink.end();
      assert.equal(await text(sink), 'text');
    });

    test('a signal, and dispose', async () => {
      const controller = new AbortController();
      const child = spawn(after('.', SPIN), { signal: controller.signal });
      controller.abort();
      const [error] = await once(child, 'error');
      assert.equal(error.name, 'AbortError');
      if (!Symbol.asyncDispose) return;
      const disposed = spawn(after('.', SPIN));
      await disposed[Symbol.asyncDispose]();
      assert.equal(disposed.signalCode, 'SIGTERM');
      const other = spawn(after('.', SPIN));
      other[Symbol.dispose]();
      await assert.rejects(other.result, { code: 'ERR_WASI_KILLED' });
    });

    test('what can not be read is not begun', async () => {
      const { ENOENT, EISDIR, ENOEXEC, EAGAIN } = constants.errno;
      const busy = { concurrency: 1 };
      const running = engine === 'wasmtime' ? spawn(after('.', SLEEP)) : undefined;
      if (running) await once(running.stdout, 'readable');
      for (const [source, options, code, errno] of [
        ['/no/such/file', {}, 'ENOENT', ENOENT],
        [import.meta.dirname, {}, 'EISDIR', EISDIR],
        [Buffer.from('no program'), {}, 'ERR_WASI_PROGRAM', ENOEXEC],
        [CAT, { preopens: { '/': '/none' } }, 'UVWASI_ENOENT', ENOENT],
        ...(running ? [[CAT, busy, 'ERR_WASI_BUSY', EAGAIN]] : []),
      ]) {
        const child = spawn(source, options);
        const events = record(child);
        await once(child, 'close').catch(() => once(child, 'close')); // an 'error' comes first
        const [[name, error], ...rest] = events;
        assert.deepEqual([name, error.code], ['error', code]);
        assert.deepEqual(rest, [['close', -errno, null]]);
        assert.deepEqual([child.exitCode, child.signalCode, child.killed], [-errno, null, false]);
        assert.equal(child.kill(), false);
      }
      running?.kill();
    });

    test('options are checked at once', () => {
      assert.throws(() => spawn(CAT, { timeout: 'x' }), { code: 'ERR_INVALID_ARG_TYPE' });
      assert.throws(() => spawn(5), { code: 'ERR_INVALID_ARG_TYPE' });
    });

    test('the exit code is there when the promise resolves', async () => {
      const child = spawn(exits(7));
      await child.result;
      assert.equal(child.exitCode, 7);
    });
  });
});

/** A child in the middle of a pipeline. */
function duplexOf(child) {
  return async function* (source) {
    const fed = pipeline(source, child.stdin);
    yield* child.stdout;
    await fed;
  };
}
