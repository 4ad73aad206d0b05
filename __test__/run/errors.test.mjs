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
          'the program imports what WASI preview 1 does not have: env.f (function); build it for wasm32-wasip1',
      });
      await assert.rejects(run(path.join(folder, 'none.wasm')), { code: 'ENOENT' });
      for (const bytes of [[], [0, 97, 115, 109], [35, 33]]) {
        await assert.rejects(run(Uint8Array.from(bytes)), { code: 'ERR_WASI_PROGRAM' });
      }
    });
  });
});

/** The same module with the names of its functions. */
function nameFunctions(wasm) {
  const names = ['main', 'inner', 'deepest'];
  const entries = ['inner', 'deepest', 'main'].map((name, index) => [
    index,
    name.length,
    ...Buffer.from(name),
  ]);
  const map = [names.length, ...entries.flat()];
  const content = [4, ...Buffer.from('name'), 1, map.length, ...map];
  return Buffer.concat([wasm, Buffer.from([0, content.length, ...content])]);
}
