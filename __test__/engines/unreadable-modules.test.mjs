// Modules that the addon can't read: they could be neither limited nor ended, so no engine gets them, whatever it would make of
// them itself.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { run } from '../../index.js';
import { HANGS, index, main, runNode, temporaryFolder } from '../support/host.mjs';
import { assemble, assembleAny } from '../support/wat.mjs';

const folder = temporaryFolder({ after });
const cache = false;

/** How many bytes a name may have. */
const MOST = 100_000;
const OVER = 'x'.repeat(MOST + 1);
const UNCOMPILED =
  /^the program can't be compiled: it is not valid, or needs what this engine does not have\n/;
const ENGINES = ['wasmtime', 'v8', 'auto'];

const NAMED = {
  export: (name) => `(memory (export "${name}") 1) (func (export "_start"))`,
  'module of an import': (name) => `(import "${name}" "m" (memory 1)) (func (export "_start"))`,
  'name of an import': (name) => `(import "m" "${name}" (memory 1)) (func (export "_start"))`,
};

const wasi = (...args) => runNode([main, ...args]);

for (const [what, text] of Object.entries(NAMED)) {
  test(`the ${what} has ${MOST} bytes at most`, { timeout: HANGS }, async () => {
    for (const [length, isRun] of [
      [MOST, true],
      [MOST + 1, false],
    ]) {
      const module = assembleAny(`(module ${text('x'.repeat(length))})`);
      const file = path.join(folder, `${length}.wasm`);
      fs.writeFileSync(file, module);
      for (const engine of ENGINES) {
        for (const source of [module, file]) {
          for (const limits of [{}, { memory: 1 << 20 }]) {
            const running = run(source, { engine, limits, cache });
            if (isRun) assert.equal((await running).exitCode, 0);
            else await assert.rejects(running, { code: 'ERR_WASI_PROGRAM', message: UNCOMPILED });
          }
        }
      }
      for (const args of [[], ['--engine', 'v8'], ['--engine', 'v8', '--timeout', '1m']]) {
        const { code, stderr } = await wasi('--no-cache', ...args, file);
        assert.equal(code, isRun ? 0 : 2, stderr);
        if (!isRun) assert.match(stderr, /^wasi-rs: .*\.wasm can't be compiled: /);
      }
    }
  });
}

/** What would be neither ended nor limited, if it ran as it is. */
const HARMFUL = {
  'fills memory for ever': `(memory (export "memory") 16384) (func (export "_start")
    (loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 1073741824)) (br $l)))`,
  'makes arrays for ever': `(type $a (array (mut i64))) (table 100000 (ref null $a)) (func (export "_start") (local $i i32)
    (loop $l (table.set (local.get $i) (array.new $a (i64.const 1) (i32.const 100000)))
      (local.set $i (i32.add (local.get $i) (i32.const 1))) (br $l)))`,
};

for (const [what, items] of Object.entries(HARMFUL)) {
  test(`a name too long does not let through what ${what}`, { timeout: HANGS }, async () => {
    const file = path.join(folder, 'harmful.wasm');
    fs.writeFileSync(file, assembleAny(`(module ${items} (func (export "${OVER}")))`));
    const script = `
      const { run } = require(${JSON.stringify(index)});
      (async () => {
        for (const engine of ['auto', 'v8', 'wasmtime']) {
          const error = await run(${JSON.stringify(file)}, { engine, timeout: 10_000, cache: false }).catch((error) => error);
          console.log(error.code);
        }
        process.exit();
      })();`;
    const { code, signal, stdout } = await runNode(['-e', script]);
    assert.deepEqual(
      { code, signal, stdout },
      { code: 0, signal: null, stdout: 'ERR_WASI_PROGRAM\n'.repeat(3) },
    );
  });
}

test('an instruction that nobody knows is not run past', { timeout: HANGS }, async () => {
  const nop = assemble(`(module (memory 1) (func (export "_start"))
    (func (param i32) nop (memory.fill (i32.const 0) (i32.const 0) (local.get 0))))`);
  const module = Uint8Array.from(nop);
  module[module.lastIndexOf(1)] = 0xff;
  for (const engine of ENGINES) {
    await assert.rejects(run(module, { engine, cache }), {
      code: 'ERR_WASI_PROGRAM',
      message: UNCOMPILED,
    });
  }
});
