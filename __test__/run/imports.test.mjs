// The option `imports` of run() and spawn(): functions of JavaScript that a program calls.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { run, spawn } from '../../index.js';
import { deferred } from '../support/deferred.mjs';
import { program } from '../support/programs.mjs';
import { assemble } from '../support/wat.mjs';

const cache = false;

/** Calls `env.give` with 20, and exits with what that returns. */
const PROGRAM = assemble(`(module
  (import "env" "give" (func $give (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1) (data (i32.const 8) "text\\00")
  (func (export "_start") (call $exit (call $give (i32.const 20)))))`);
const withGive = (give, options) => run(PROGRAM, { cache, imports: { env: { give } }, ...options });

describe('options.imports', () => {
  test('are called, and may return promises', async () => {
    assert.equal((await withGive((n) => n + 1)).exitCode, 21);
    const later = async (n) => {
      await turn();
      return n + 2;
    };
    assert.equal((await withGive(later)).exitCode, 22);
    const child = spawn(PROGRAM, { cache, imports: { env: { give: () => 3 } } });
    assert.equal((await child.result).exitCode, 3);
    const { usage } = await withGive(() => 0);
    assert.equal(usage.calls, 2);
  });

  test('reach the memory of the program', async () => {
    let text;
    const imports = ({ memory }) => ({ env: { give: () => ((text = memory.readString(8)), 0) } });
    await run(PROGRAM, { cache, imports });
    assert.equal(text, 'text');
  });

  test('end the program by throwing', async () => {
    for (const cause of [Object.freeze(new Error('no')), 'text', undefined]) {
      const give = () => {
        throw cause;
      };
      await assert.rejects(withGive(give), (error) => {
        assert.equal(error.code, 'ERR_WASI_HOST');
        assert.equal(error.cause, cause);
        assert.equal(error.signal, 'SIGTERM');
        assert.equal(error.usage.calls, 1);
        return true;
      });
    }
  });

  test('do not keep a program from being ended', async () => {
    const never = () => new Promise(() => {});
    await assert.rejects(withGive(never, { timeout: 30 }), { code: 'ERR_WASI_TIMEOUT' });
    const child = spawn(PROGRAM, { cache, imports: { env: { give: () => void child.kill() } } });
    await assert.rejects(child.result, { code: 'ERR_WASI_KILLED' });
  });

  test('are not called any more once the program is ended', async () => {
    const asks = assemble(`(module (import "env" "ask" (func $ask)) (memory (export "memory") 1)
      (func (export "_start") (loop (call $ask) (br 0))))`);
    for (let i = 0; i < 20; i++) {
      let calls = 0;
      const first = deferred();
      const ask = () => {
        if (++calls === 10) first.resolve();
      };
      const child = spawn(asks, { cache, imports: { env: { ask } } });
      await first.promise;
      child.kill();
      const before = calls;
      await assert.rejects(child.result, { code: 'ERR_WASI_KILLED' });
      await turn();
      assert.equal(calls, before);
    }
  });

  test('are for programs that import them', async () => {
    const missing = { code: 'ERR_WASI_IMPORT', message: /env\.give \(function\)/ };
    await assert.rejects(run(PROGRAM, { cache }), missing);
    await assert.rejects(run(PROGRAM, { cache, imports: { env: {} } }), missing);
    await assert.rejects(run(PROGRAM, { cache, imports: { other: { give() {} } } }), missing);
    const unused = { cache, imports: { env: { unused() {} } } };
    assert.equal((await run(program('(call $proc_exit (i32.const 4))'), unused)).exitCode, 4);
    const reactor = assemble('(module (func (export "_initialize")))');
    await assert.rejects(run(reactor, unused), {
      code: 'ERR_WASI_PROGRAM',
      message: /exports no function '_start'/,
    });
  });

  test('are refused for V8, and where they are no functions', async () => {
    for (const [options, code] of [
      [{ engine: 'v8', imports: {} }, 'ERR_INVALID_ARG_VALUE'],
      [{ imports: null }, 'ERR_INVALID_ARG_TYPE'],
      [{ imports: [] }, 'ERR_INVALID_ARG_TYPE'],
      [{ imports: { env: { give: 1 } } }, 'ERR_INVALID_ARG_TYPE'],
      [{ imports: { wasi_unstable: {} } }, 'ERR_INVALID_ARG_VALUE'],
    ]) {
      await assert.rejects(run(PROGRAM, { cache, ...options }), { code });
    }
  });

  test('a thousand programs at a time', async () => {
    const exits = await Promise.all(
      Array.from({ length: 1000 }, async (_, i) => {
        const { exitCode } = await withGive(
          async () => {
            await turn();
            return i % 100;
          },
          { concurrency: 1000 },
        );
        return exitCode;
      }),
    );
    assert.deepEqual(
      exits,
      Array.from({ length: 1000 }, (_, i) => i % 100),
    );
  });
});
