// A program is ended by a signal or a timeout, in whatever it is.

import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { after as afterAll, describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { forEachEngine } from '../support/engine.mjs';
import { temporaryFolder } from '../support/host.mjs';
import {
  BIG,
  FILL,
  READ,
  SHARED,
  SLEEP,
  SPIN,
  WAIT,
  WRITE_FOR_EVER,
  after,
  creates,
  program,
  writes,
} from '../support/programs.mjs';

const folder = temporaryFolder({ after: afterAll });
const HELLO = program(writes('hello\n').body, writes('hello\n'));

const openDescriptors = () => fs.readdirSync('/proc/self/fd').length;

forEachEngine(({ engine, run }) => {
  describe(`run() in ${engine}`, () => {
    const ENDLESS = {
      'a loop': [after('.', SPIN)],
      'memory.fill over its memory': [after('.', FILL, BIG)],
      'memory.atomic.wait32': [after('.', WAIT, SHARED)],
      poll_oneoff: [after('.', SLEEP)],
      'a read from a pipe': [after('.', READ), { stdin: new PassThrough() }],
      'a write to a full pipe': [after('.', WRITE_FOR_EVER)],
      'calls without end': [after('.', '(loop $l (drop (call $sched_yield)) (br $l))')],
    };

    for (const [name, [wasm, options]] of Object.entries(ENDLESS)) {
      test(`${name} is ended by a signal, and all is closed`, async () => {
        const before = openDescriptors();
        const controller = new AbortController();
        const reason = new Error('enough');
        // The first byte says that it is at it; from then on nobody reads.
        const stdout = new Writable({ highWaterMark: 1, write: () => controller.abort(reason) });
        const running = run(wasm, { ...options, stdout, signal: controller.signal });
        await assert.rejects(running, (error) => {
          assert.deepEqual(
            [error.name, error.code, error.cause],
            ['AbortError', 'ABORT_ERR', reason],
          );
          assert.ok(error.usage.wall > 0);
          return true;
        });
        if (engine === 'wasmtime') await untilClosed(before);
      });
    }

    test('timeout', async () => {
      // On a busy machine it may not have begun by then.
      let error = { stdout: '' };
      for (let timeout = 100; String(error.stdout) === '' && timeout < 60_000; timeout *= 4) {
        error = await run(after('so far', SPIN), { timeout }).catch((reason) => reason);
        assert.equal(error.code, 'ERR_WASI_TIMEOUT');
        assert.match(error.message, new RegExp(`${timeout} ms`));
      }
      assert.equal(String(error.stdout), 'so far');
      assert.equal(error.usage.written, 6);
      assert.equal((await run(HELLO, { timeout: 2 ** 31 - 1 })).exitCode, 0);
    });

    test('a signal that has been given already', async () => {
      const made = path.join(folder, 'made');
      fs.rmSync(made, { force: true });
      const options = { signal: AbortSignal.abort('why'), preopens: { '/': folder } };
      await assert.rejects(run(creates(), options), { code: 'ABORT_ERR', cause: 'why' });
      assert.ok(!fs.existsSync(made), 'it never ran');
    });

    test('one signal for many runs has one listener', async () => {
      const controller = new AbortController();
      const { signal } = controller;
      const listeners = () => getEventListeners(signal, 'abort').length;
      assert.equal((await run(HELLO, { signal })).exitCode, 0);
      assert.equal(listeners(), 0);
      const runs = Array.from({ length: 20 }, () => run(after('.', SLEEP), { signal }));
      const settled = Promise.allSettled(runs);
      assert.equal(listeners(), 1);
      controller.abort('enough');
      for (const { reason } of await settled) {
        assert.deepEqual([reason.code, reason.cause], ['ABORT_ERR', 'enough']);
      }
      assert.equal(listeners(), 0);
    });

    test('what a killed program has used', async () => {
      await assert.rejects(run(after('.', FILL, BIG), { timeout: 300 }), ({ code, usage }) => {
        assert.equal(code, 'ERR_WASI_TIMEOUT');
        assert.ok(usage.cpu > 0 && usage.wall > 0, JSON.stringify(usage));
        assert.deepEqual([usage.memory, usage.calls, usage.written], [1000 * 65536, 1, 1]);
        return true;
      });
    });
  });
});

/** Descriptors are closed by other threads, and by Node in its own time. */
async function untilClosed(before) {
  while (openDescriptors() > before) await turn();
}
