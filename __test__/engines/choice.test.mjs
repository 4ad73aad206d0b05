// Which engine runs what: a program that only one of them can run, runs there, unless it must not.

import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { run, spawn } from '../../index.js';
import { after, cat, program } from '../support/programs.mjs';

const name = (text) => [text.length, ...Buffer.from(text)];
const section = (id, content) => [id, content.length, ...content];

// Exceptions as they were first, which V8 has kept; and with a type that needs the garbage collector.
const ONLY_IN_V8 = {
  exceptions: program('(try (do (throw $e)) (catch_all (call $proc_exit (i32.const 5))))', {
    items: '(tag $e)',
  }),
  'garbage collection': Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [3, 0x5f, 0, 0x60, 0, 0, 0x60, 1, 0x7f, 0]), // (struct), (func), (func (param i32))
    ...section(2, [1, ...name('wasi_snapshot_preview1'), ...name('proc_exit'), 0, 2]),
    ...section(3, [1, 1]),
    ...section(7, [1, ...name('_start'), 0, 1]),
    // struct.new 0, ref.is_null, i32.const 5, i32.add, call 0
    ...section(10, [1, 11, 0, 0xfb, 0, 0, 0xd1, 0x41, 5, 0x6a, 0x10, 0, 0x0b]),
  ]),
};

test('what wasmtime can’t run, V8 runs, unless it must not', async () => {
  for (const [what, wasm] of Object.entries(ONLY_IN_V8)) {
    if (!WebAssembly.validate(wasm)) continue; // garbage collection in Node 20
    assert.equal((await run(wasm, { cache: false })).exitCode, 5, what);
    const stdin = Readable.from(['x']);
    const child = spawn(wasm, { cache: false, stdin });
    assert.equal((await child.result).exitCode, 5, what);
    for (const options of [{ engine: 'wasmtime' }, { limits: { fuel: 1e6 } }]) {
      await assert.rejects(run(wasm, { cache: false, ...options }), {
        code: 'ERR_WASI_PROGRAM',
      });
    }
  }
  // Where neither can, wasmtime says why.
  const component = Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0);
  await assert.rejects(run(component, { cache: false }), {
    code: 'ERR_WASI_PROGRAM',
    message: /is a component that is no command/,
  });
  const limits = { memory: 65536 };
  await assert.rejects(run(cat(), { cache: false, limits }), {
    code: 'ERR_WASI_PROGRAM',
    message: /can't be started/,
  });
});

test('what V8 does not compile, wasmtime runs, with the same streams', async () => {
  // Node 20 has no module with two memories.
  const wasm = after('taken over', '', '(memory (export "memory") 2) (memory 1)');
  const padding = Buffer.alloc(5 + 0x20000); // a section of its own: it is too large to be compiled at once
  padding.set([0, 0x80, 0x80, 0x88, 0]);
  const large = Buffer.concat([wasm, padding]);
  let written = '';
  const stdout = (chunk) => (written += chunk);
  const { exitCode } = await run(large, { cache: false, stdout });
  assert.deepEqual({ exitCode, written }, { exitCode: 0, written: 'taken over' });
  const inV8 = run(large, { cache: false, engine: 'v8' });
  if (WebAssembly.validate(wasm)) assert.equal(String((await inV8).stdout), 'taken over');
  else
    await assert.rejects(
      inV8,
      ({ code, cause }) => `${code} ${cause.name}` === 'ERR_WASI_PROGRAM CompileError',
    );
});
