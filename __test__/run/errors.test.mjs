// What run() says of a program that traps, and of one that it can not run.

import assert from 'node:assert/strict';
import path from 'node:path';
import { after as afterAll, describe, test } from 'node:test';
import { forEachEngine } from '../support/engine.mjs';
import { temporaryFolder } from '../support/host.mjs';
import { exits, program } from '../support/programs.mjs';
import { assemble } from '../support/wat.mjs';

const folder = temporaryFolder({ after: afterAll });

forEachEngine(({ engine, run }) => {
  describe(`errors of run() in ${engine}`, () => {
    /** How a function is named in a line of its own. */
    const frame = (name) => (engine === 'v8' ? `\\n\\s+at ${name}` : `\\n\\s+\\d+: .*${name}`);

    test('a trap tells where', async () => {
      const wasm = program('(call $inner)', {
        items: '(func $inner (call $deepest)) (func $deepest unreachable)',
      });
      const named = nameFunctions(wasm);
      await assert.rejects(run(named), (error) => {
        assert.equal(error.code, 'ERR_WASI_TRAP');
        assert.match(error.message, /^wasm trap: .*unreachable/);
        assert.match(error.message, /deepest[^]*inner[^]*main/);
        const frames = ['deepest', 'inner', 'main'].map(frame).join('.*');
        assert.match(error.message, new RegExp(`unreachable.*${frames}`));
        assert.deepEqual(error.stdout, Buffer.alloc(0));
        assert.equal(error.usage.calls, 0);
        return true;
      });
      const deep = program('(call $deep)', { items: '(func $deep (call $deep))' });
      await assert.rejects(run(deep), { code: 'ERR_WASI_TRAP', message: /stack/ });
      const outside = program('(drop (i32.load (i32.const -4)))');
      await assert.rejects(run(outside), { code: 'ERR_WASI_TRAP', message: /out of bounds/ });
    });

    /** The error of a run. */
    const failed = (wasm) => run(wasm).catch((error) => error);

    test('the cause of a trap is the error of the engine, with the functions of the guest', async () => {
      const traps = (body) =>
        program('(call $inner)', {
          items: `(func $inner (call $deepest)) (func $deepest ${body})`,
        });
      const [words, divided] =
        engine === 'v8'
          ? ['unreachable', 'divide by zero']
          : [
              'wasm trap: wasm `unreachable` instruction executed',
              'wasm trap: integer divide by zero',
            ];
      const { cause, message } = await failed(nameFunctions(traps('unreachable')));
      assert.match(message, /^wasm trap: unreachable\n/);
      assert.ok(cause instanceof WebAssembly.RuntimeError);
      assert.deepEqual([cause.name, cause.message], ['RuntimeError', words]);
      const [head, ...frames] = cause.stack.split('\n');
      assert.equal(head, `RuntimeError: ${words}`);
      assert.equal(frames.length, 3, cause.stack);
      for (const [i, name] of ['deepest', 'inner', 'main'].entries()) {
        const place = `wasm-function\\[${[1, 0, 2][i]}\\]:0x[0-9a-f]+`;
        assert.match(
          frames[i],
          new RegExp(`^    at ${name} \\((wasm://wasm/[0-9a-f]+:)?${place}\\)$`),
        );
      }
      const nameless = await failed(traps('(drop (i32.div_s (i32.const 1) (i32.const 0)))'));
      assert.equal(nameless.cause.message, divided);
      assert.match(
        nameless.cause.stack,
        /\n {4}at (wasm:\/\/wasm\/[0-9a-f]+:)?wasm-function\[1\]:0x[0-9a-f]+\n/,
      );
      assert.equal((await run(exits(3), { check: true }).catch((error) => error)).cause, undefined);
    });

    test('the stack of that has bounds, and obeys no name of the guest', async () => {
      const trap = program('(call $inner)', {
        items: '(func $inner (call $deepest)) (func $deepest unreachable)',
      });
      const { cause, message } = await failed(
        nameFunctions(trap, ['m\x1b[2Jn', 'i\r\x07', 'd\x9b5m']),
      );
      for (const text of [cause.stack, message]) {
        assert.ok(!/[^\P{Cc}\n]/u.test(text), JSON.stringify(text));
        assert.ok(text.includes('m\\u{1b}[2Jn') && text.includes('d\\u{9b}5m'), text);
      }
      const long = 'x'.repeat(60_000);
      const { cause: shortened } = await failed(nameFunctions(trap, [long, long, long]));
      assert.ok(shortened.stack.length < 2000, `${shortened.stack.length}`);
      const endless = program('(call $f)', { items: '(func $f (call $f))' });
      const { cause: deep } = await failed(endless);
      const frames = deep.stack.split('\n').length - 1;
      assert.ok(frames >= 20 && frames <= 64, `${frames}`);
      assert.ok(deep.stack.length <= 16 * 1024);
      assert.equal(deep.name, engine === 'v8' ? 'RangeError' : 'RuntimeError');
    });

    test('recursion without end is a trap, and the next guest runs', async () => {
      const endless = program('(call $f)', { items: '(func $f (call $f))' });
      for (const stack of [undefined, 4096, 64 * 1024, 16 * 1024 * 1024]) {
        await assert.rejects(run(endless, { limits: { stack } }), {
          code: 'ERR_WASI_TRAP',
          message: new RegExp(`^wasm trap: call stack exhausted${frame('')}`),
        });
      }
      assert.equal((await run(exits(7))).exitCode, 7);
    });

    test('what can’t be run says why', async () => {
      const imports = assemble('(module (import "env" "f" (func)) (func (export "_start")))');
      await assert.rejects(run(imports), {
        code: 'ERR_WASI_IMPORT',
        message:
          'the program imports what WASI preview 1 does not have: env.f (function); give it what it imports by options.imports, or build it for wasm32-wasip1',
      });
      await assert.rejects(run(path.join(folder, 'none.wasm')), { code: 'ENOENT' });
      for (const bytes of [[], [0, 97, 115, 109], [35, 33]]) {
        await assert.rejects(run(Uint8Array.from(bytes)), { code: 'ERR_WASI_PROGRAM' });
      }
    });
  });
});

/** The same module with the names of its functions: of `_start` and two others. */
function nameFunctions(wasm, [main, inner, deepest] = ['main', 'inner', 'deepest']) {
  const entries = [inner, deepest, main].map((name, index) => {
    const bytes = Buffer.from(name);
    return Buffer.concat([Buffer.from([index, ...number(bytes.length)]), bytes]);
  });
  const map = Buffer.concat([Buffer.from([entries.length]), ...entries]);
  const names = Buffer.concat([Buffer.from([1, ...number(map.length)]), map]);
  const content = Buffer.concat([Buffer.from([4, ...Buffer.from('name')]), names]);
  return Buffer.concat([wasm, Buffer.from([0, ...number(content.length)]), content]);
}

/** A number as the binary format writes it. */
function number(value) {
  const bytes = [];
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128);
  return [...bytes, value];
}
