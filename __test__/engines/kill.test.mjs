// kill(), by which run() and spawn() end a guest in an engine: it ends in whatever it is, with that very error.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import os from 'node:os';
import { describe, test } from 'node:test';
import { WasiError } from '../../index.js';
import { READ, SPIN, exits, program, writes } from '../support/programs.mjs';
import { forEachStart } from '../support/starts.mjs';

const HANGS = { timeout: 60_000 };
const EXIT_7 = exits(7);

const killed = (message) => new WasiError('ERR_WASI_KILLED', message, { signal: 'SIGTERM' });

/** Writes `hello` to both, then does this. */
const helloThen = (body, memory) => {
  const { items } = writes('hello');
  const both = `${writes('hello').body} ${writes('hello', 2).body}`;
  return program(`${both} ${body}`, { items, ...(memory && { memory }) });
};

/** A pipe from which nothing comes. */
function silentPipe(t) {
  const silent = spawn(process.execPath, ['-e', 'process.stdin.resume()'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.after(() => silent.kill());
  return silent.stdout._handle.fd;
}

forEachStart(({ engine, start, started }) => {
  describe(`kill() in ${engine}`, () => {
    test('kill() ends a busy loop: that very error, with what was captured', HANGS, async (t) => {
      const error = killed('enough');
      const running = await started(t, helloThen(SPIN));
      running.kill(error);
      running.kill(killed('too late'));
      const reason = await running.result.then(assert.fail, (thrown) => thrown);
      assert.equal(reason, error);
      assert.equal(reason.stdout.toString(), 'hello');
      assert.ok(reason.usage.written >= 5); // the second write may not be counted yet
      assert.ok(reason.usage.cpu >= 0);
    });

    test('kill() ends a guest that fills its memory over and over', HANGS, async (t) => {
      const fill = '(loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 1048576)) (br 0))';
      const running = await started(t, helloThen(fill, '(memory (export "memory") 16)'));
      running.kill(killed('enough'));
      await assert.rejects(running.result, /enough/);
    });

    test(
      'a killed guest in a long instruction keeps neither its result nor its place',
      HANGS,
      async (t) => {
        // It takes the better part of a second to fill so much, and nobody reaches it before.
        const fill = '(memory.fill (i32.const 0) (i32.const 1) (i32.const 2147483648))';
        const running = await started(t, helloThen(fill, '(memory (export "memory") 32768)'));
        running.kill(killed('enough'));
        await assert.rejects(running.result, /enough/);
        assert.equal((await start(EXIT_7).result).exitCode, 7);
      },
    );

    test('kill() ends a guest that waits for a clock', HANGS, async (t) => {
      const wait = `(i32.store (i32.const 144) (i32.const 1))
        (i64.store (i32.const 152) (i64.const 3600000000000))
        (drop (call $poll_oneoff (i32.const 128) (i32.const 256) (i32.const 1) (i32.const 8)))`;
      const running = await started(t, helloThen(wait));
      running.kill(killed('enough'));
      await assert.rejects(running.result, /enough/);
    });

    test('kill() ends a guest that reads a silent pipe', HANGS, async (t) => {
      const running = await started(t, helloThen(READ), silentPipe(t));
      running.kill(killed('enough'));
      await assert.rejects(running.result, /enough/);
    });

    test('kill() after the end changes nothing', async () => {
      const running = start(EXIT_7);
      await running.result;
      running.kill(killed('too late'));
      assert.equal((await running.result).exitCode, 7);
      assert.equal((await start(EXIT_7).result).exitCode, 7);
    });

    test('of a hundred guests at once those that wait can be killed', HANGS, async () => {
      const running = Array.from({ length: 100 }, () => start(program(SPIN)));
      const error = killed('enough');
      // The last ones first: they are still waiting.
      for (const { kill } of running.toReversed()) kill(error);
      const reasons = await Promise.allSettled(running.map(({ result }) => result));
      assert.ok(reasons.every(({ reason }) => reason === error));
      const finished = await Promise.all(Array.from({ length: 100 }, () => start(EXIT_7).result));
      assert.ok(finished.every(({ exitCode }) => exitCode === 7));
    });

    test(
      'guests that wait give their places away',
      { skip: process.platform !== 'linux', ...HANGS },
      async (t) => {
        const fd = silentPipe(t);
        const reading = program(READ);
        const readers = Array.from({ length: 3 * Math.max(4, os.availableParallelism()) }, () =>
          start(reading, { stdio: [fd, 'capture', 'capture'] }),
        );
        assert.equal((await start(EXIT_7).result).exitCode, 7);
        const error = killed('enough');
        for (const { kill } of readers) kill(error);
        const reasons = await Promise.allSettled(readers.map(({ result }) => result));
        assert.ok(reasons.every(({ reason }) => reason === error));
      },
    );
  });
});
