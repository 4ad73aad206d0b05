// options.limits: what a program gets, and how it ends where it wants more.

import assert from 'node:assert/strict';
import { after as afterAll, describe, test } from 'node:test';
import { forEachEngine, makeRun } from '../support/engine.mjs';
import { temporaryFolder } from '../support/host.mjs';
import { SPIN, after, creates, exits, program, writes } from '../support/programs.mjs';

const folder = temporaryFolder({ after: afterAll });

/** Grows its memory until it gets no more, and exits with how many pages it has. */
const GROW = `(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
  (call $proc_exit (memory.size))`;

/** What is said of a limit of memory in which a program can't begin. */
const TOO_LITTLE = {
  wasmtime: /memory minimum size of 1 pages is more than limits\.memory allows/,
  v8: /needs 65536 bytes of memory, more than the 65535 of/,
};

/** Calls itself so many times, and exits with 5. */
const recursive = (depth) =>
  program(`(call $f (i32.const ${depth})) (call $proc_exit (i32.const 5))`, {
    items: `(func $f (param i32) (if (local.get 0) (then
      (call $f (i32.sub (local.get 0) (i32.const 1))))))`,
  });

forEachEngine(({ engine, run }) => {
  describe(`limits in ${engine}`, () => {
    test('limits: memory, tables, output, files', async () => {
      const grow = program('(call $proc_exit (memory.grow (i32.const 3)))');
      assert.equal((await run(grow, { limits: { memory: 5 * 65536 } })).exitCode, 2);
      assert.equal((await run(grow, { limits: { memory: 5 * 65536 - 1 } })).exitCode, -1);
      await assert.rejects(run(after('abcdef', SPIN), { maxBuffer: 4 }), (error) => {
        assert.equal(error.code, 'ERR_WASI_STDIO_MAXBUFFER');
        assert.equal(String(error.stdout), 'abcd');
        return true;
      });
      const EMFILE = 33;
      const create = (openFiles) =>
        run(creates(), { preopens: { '/': folder }, limits: { openFiles } });
      assert.equal((await create(4)).exitCode, EMFILE);
      assert.equal((await create(5)).exitCode, 0);
    });

    test('the limit holds for a shared memory, imported or not', async () => {
      for (const memory of [
        '(memory (export "memory") 2 100 shared)',
        '(import "env" "memory" (memory 2 100 shared)) (export "memory" (memory 0))',
      ]) {
        const wasm = program(GROW, { memory });
        const limited = await run(wasm, { limits: { memory: 5 * 65536 } });
        assert.deepEqual([limited.exitCode, limited.usage.memory], [5, 5 * 65536], memory);
        assert.equal((await run(wasm)).exitCode, 100, memory);
        await assert.rejects(run(wasm, { limits: { memory: 65536 } }), {
          code: 'ERR_WASI_PROGRAM',
          message: /limits\.memory/,
        });
      }
    });

    test('a memory that a program imports is made for it, within the limit', async () => {
      for (const [memory, pages] of [
        ['2 9 shared', 3],
        ['2', 3],
        ['1 2', 2],
      ]) {
        const imported = program(GROW, {
          memory: `(import "env" "memory" (memory ${memory})) (export "memory" (memory 0))`,
        });
        const { exitCode } = await run(imported, { limits: { memory: 3 * 65536 } });
        assert.equal(exitCode, pages, memory);
      }
    });

    test('limits.memory makes memory.grow fail', async () => {
      const grow = program(GROW, { memory: '(memory (export "memory") 1)' });
      for (const pages of [1, 2, 100]) {
        assert.equal((await run(grow, { limits: { memory: pages * 65536 + 1 } })).exitCode, pages);
      }
      const { usage } = await run(grow, { limits: { memory: 50 * 65536 } });
      assert.equal(usage.memory, 50 * 65536);
      await assert.rejects(run(grow, { limits: { memory: 65535 } }), {
        code: 'ERR_WASI_PROGRAM',
        message: TOO_LITTLE[engine],
      });
    });

    test('limits.tableElements makes table.grow fail', async () => {
      const grow = program(
        `(loop (br_if 0 (i32.ne (table.grow 0 (ref.null func) (i32.const 1)) (i32.const -1))))
        (call $proc_exit (table.size 0))`,
        { items: '(table 1 funcref)' },
      );
      assert.equal((await run(grow, { limits: { tableElements: 77 } })).exitCode, 77);
      await assert.rejects(run(grow, { limits: { tableElements: 0 } }), {
        code: 'ERR_WASI_PROGRAM',
      });
    });

    test('limits.openFiles', async () => {
      const limits = { openFiles: 3 };
      assert.equal((await run(exits(7), { limits })).exitCode, 7);
      await assert.rejects(run(exits(7), { limits, preopens: { '/': '/' } }), {
        code: 'UVWASI_EMFILE',
      });
    });

    test('the stack is limited', async () => {
      const deep = recursive(1000);
      assert.equal((await run(deep)).exitCode, 5);
      await assert.rejects(run(deep, { limits: { stack: 8192 } }), { code: 'ERR_WASI_TRAP' });
    });

    test('limits.stack: more of it goes deeper', async () => {
      const deep = recursive(300_000);
      await assert.rejects(run(deep, { limits: { stack: 256 * 1024 } }), { code: 'ERR_WASI_TRAP' });
      assert.equal((await run(deep, { limits: { stack: 64 * 1024 * 1024 } })).exitCode, 5);
    });

    test('without a limit a program gets 4 GiB, also one with addresses of 64 bits', async (t) => {
      // Its memory is never touched.
      const grow = program(
        `(call $proc_exit (i32.add
          (i32.wrap_i64 (memory.grow (i64.const 65536)))
          (i32.wrap_i64 (memory.grow (i64.const 65535)))))`,
        { memory: '(memory i64 1)' },
      );
      if (engine === 'v8' && !WebAssembly.validate(grow))
        return t.skip('V8 here has no such memory');
      assert.equal((await run(grow)).exitCode, -1 + 1);
      return undefined;
    });
  });
});

test('fuel', async () => {
  const run = makeRun('wasmtime');
  const spin = program(SPIN);
  await assert.rejects(run(spin, { limits: { fuel: 5000 } }), (error) => {
    assert.equal(error.code, 'ERR_WASI_FUEL');
    assert.match(error.message, /5000/);
    assert.equal(error.usage.fuel, 5000);
    return true;
  });
  const hello = program(writes('x').body, writes('x'));
  const first = (await run(hello, { limits: { fuel: 1e6 } })).usage.fuel;
  const second = (await run(hello, { limits: { fuel: 1e9 } })).usage.fuel;
  assert.ok(first > 0 && first === second, 'the same each time');
  // Only wasmtime counts, so that is what it runs in.
  const auto = makeRun('auto')(spin, { limits: { fuel: 5000 } });
  await assert.rejects(auto, { code: 'ERR_WASI_FUEL' });
});

test('limits.fuel is refused by V8, with what to do', async () => {
  await assert.rejects(makeRun('v8')(exits(7), { limits: { fuel: 1000 } }), {
    code: 'ERR_INVALID_ARG_VALUE',
    message: /'wasmtime'/,
  });
});
