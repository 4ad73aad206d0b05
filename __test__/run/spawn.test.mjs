// spawn(): a program beside this one, shaped like Node's child processes.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { describe, test } from 'node:test';
import { forEachEngine } from '../support/engine.mjs';
import {
  READ,
  SPIN,
  WRITE_FOR_EVER,
  after,
  cat,
  exits,
  program,
  writes,
} from '../support/programs.mjs';

const CAT = cat();

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
        assert.equal(child.kill(), false);
        child.stdout.resume();
        await once(child, 'close');
        assert.deepEqual(events, [
          ['spawn'],
          ['exit', null, 'SIGTERM'],
          ['close', null, 'SIGTERM'],
        ]);
        assert.deepEqual([child.exitCode, child.signalCode, child.killed], [null, 'SIGTERM', true]);
        await assert.rejects(child.result, { code: 'ERR_WASI_KILLED' });
        assert.equal(child.kill(), false);
      }
      const reason = new Error('mine');
      const child = spawn(after('.', SPIN));
      child.kill(reason);
      await assert.rejects(child.result, reason);
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
        events.map(([name]) => name),
        ['spawn', 'exit', 'error', 'close'],
      );
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
      for (const [file, code] of [
        ['/no/such/file', 'ENOENT'],
        [import.meta.dirname, 'EISDIR'],
      ]) {
        const child = spawn(file);
        const events = record(child);
        await once(child, 'close').catch(() => once(child, 'close')); // an 'error' comes first
        const names = events.map(([name, first]) => (name === 'error' ? first.code : name));
        assert.deepEqual(names, [code, 'close']);
      }
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
