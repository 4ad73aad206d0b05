// What V8 gets of a program under limits: what the module declares as the maximum of its memories and tables is lowered.
// (crates/modules/src/rewrite/limit.rs has the tests of what is written; here V8 reads it.)
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import { compile, run } from '../../index.js';
import { ProgramHandle } from '../../lib/program.js';
import { ask, makeProgram } from '../../lib/requests.js';
import { realModules } from '../support/real-modules.mjs';
import { assemble } from '../support/wat.mjs';

const PAGE = 65536;
const START = '(func (export "_start"))';

const addon = createRequire(import.meta.url)('../../lib/addon.js');

/** The module that V8 gets, of a file or bytes. */
const limit = async (source, limits) =>
  (await ask('forV8', makeProgram({ source }), limits).answer).withBytes((bytes) =>
    Buffer.from(bytes.slice()),
  );

/** How far a memory or table can grow, one by one. */
function growth(grow) {
  for (let grown = 0; ; grown++) {
    try {
      grow(1);
    } catch {
      return grown;
    }
  }
}

const exportsOf = (bytes) => new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;

describe('what V8 gets under limits', () => {
  test('a module that asks for no more is left as it is', async () => {
    for (const text of [START, `(memory 1 4) ${START}`, `(table 3 9 funcref) ${START}`]) {
      const bytes = assemble(`(module ${text})`);
      const { buffer, byteOffset, length } = await limit(bytes, {
        memory: 4 * PAGE,
        tableElements: 9,
      });
      assert.deepEqual(new Uint8Array(buffer, byteOffset, length), new Uint8Array(bytes));
    }
  });

  test('a memory grows as far as its limit', async () => {
    for (const limits of ['1', '1 65536', '3 3', '2 4', '2 5']) {
      const bytes = assemble(`(module (memory (export "m") ${limits}) ${START})`);
      const { m } = exportsOf(await limit(bytes, { memory: 3 * PAGE + PAGE - 1 }));
      const min = Number(limits.split(' ')[0]);
      assert.equal(
        growth((by) => m.grow(by)),
        3 - min,
        limits,
      );
    }
  });

  test('a table grows as far as its limit, and a memory beside it as it likes', async () => {
    const bytes = assemble(
      `(module (table (export "t") 2 funcref) (memory (export "m") 1 9) ${START})`,
    );
    const { m, t } = exportsOf(await limit(bytes, { tableElements: 1000 }));
    assert.equal(
      growth((by) => t.grow(by)),
      998,
    );
    assert.equal(
      growth((by) => m.grow(by)),
      8,
    );
  });

  test('what can not start with so little is an error that says how much it needs', async () => {
    const memory = assemble(`(module (memory 17) ${START})`);
    assert.ok(WebAssembly.validate(await limit(memory, { memory: 17 * PAGE })));
    await assert.rejects(limit(memory, { memory: 17 * PAGE - 1 }), {
      code: 'ERR_WASI_PROGRAM',
      message:
        "the program can't be started: it needs 1114112 bytes of memory, more than the 1114111 of limits.memory",
    });
    const table = assemble(`(module (table 4 funcref) (table 6 funcref) ${START})`);
    await assert.rejects(limit(table, { tableElements: 9 }), {
      code: 'ERR_WASI_PROGRAM',
      message:
        "the program can't be started: it needs tables of 10 elements, more than the 9 of limits.tableElements",
    });
  });

  test('real programs', async () => {
    let programs = 0;
    for (const file of realModules()) {
      const given = new WebAssembly.Module(fs.readFileSync(file));
      const limits = { memory: 2 ** 30, tableElements: 50_000 };
      const limited = await limit(file, limits).catch(({ code }) => code);
      if (limited === 'ERR_WASI_IMPORT' || limited === 'ERR_WASI_PROGRAM') continue; // no program
      programs++;
      const module = new WebAssembly.Module(limited);
      const { memory } = addon.engineAddon().describe(limited);
      assert.ok(
        memory.every(({ max }) => max <= 2 ** 30),
        file,
      );
      assert.deepEqual(WebAssembly.Module.imports(module), WebAssembly.Module.imports(given));
      assert.deepEqual(WebAssembly.Module.exports(module), WebAssembly.Module.exports(given));
    }
    assert.ok(programs >= 2, `${programs} programs`);
  });

  test('each set of limits is prepared once', async () => {
    const grow = '(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))';
    const bytes = assemble(`(module
      (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
      (memory (export "memory") 1 100) (func (export "_start") ${grow} (call 0 (memory.size))))`);
    const code = new ProgramHandle(bytes, false);
    const all = [{ memory: 5 * PAGE }, { memory: 5 * PAGE, stack: 4096 }, { memory: 6 * PAGE }, {}];
    const prepared = await Promise.all(all.map((limits) => code.v8(limits).prepared));
    const [one, same, ...others] = prepared.map(({ program }) => program);
    assert.equal(one, same);
    assert.equal(new Set([one, ...others]).size, 3);
    assert.equal((await code.v8({}).prepared).program, (await code.v8({}).prepared).program);
    const program = await compile(bytes, { cache: false });
    const limits = [undefined, 5, 6, 5, undefined].map(
      (pages) => pages && { memory: pages * PAGE },
    );
    const runs = limits.map((limits) => program.run({ engine: 'v8', limits }));
    const codes = (await Promise.all(runs)).map(({ exitCode }) => exitCode);
    assert.deepEqual(codes, [100, 5, 6, 5, 100]);
  });
});

describe('bytes that are no module', () => {
  const whole = assemble(`(module
    (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))) (memory (export "m") 1)
    (table (export "t") 1 funcref) ${START} (func (param i64) (result i64) (local.get 0)))`);
  const limits = { memory: 2 * PAGE, tableElements: 3 };

  /** Under these limits; nothing if that is refused. */
  async function limitOrRefuse(bytes, what) {
    try {
      return await limit(bytes, limits);
    } catch (error) {
      assert.match(error.code, /^ERR_WASI_(PROGRAM|IMPORT)$/, `${what}: ${error.stack}`);
      assert.doesNotMatch(error.message, /panic/, what);
      return undefined;
    }
  }

  /** Whether a memory or table can have as much and no more, if there is one. */
  const isLimited = (one, most) => {
    if (one === undefined) return true;
    const now = one.buffer ? one.buffer.byteLength / PAGE : Number(one.length);
    const grow = (by) => {
      try {
        one.grow(by);
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        one.grow(BigInt(by)); // of 64 bits
      }
    };
    return now <= most && growth(grow) <= most - now;
  };

  test('cut off anywhere, they are refused or a module', async () => {
    for (let length = 0; length < whole.length; length++) {
      const bytes = await limitOrRefuse(whole.slice(0, length), String(length));
      if (bytes) assert.ok(addon.engineAddon().describe(bytes), String(length)); // the end of a section
    }
  });

  test('with any byte changed, what V8 accepts of the result is limited', async () => {
    let accepted = 0;
    const imports = new Proxy({}, { get: () => new Proxy({}, { get: () => () => 0 }) });
    for (let at = 8; at < whole.length; at++) {
      for (let value = 0; value < 256; value++) {
        const what = `${at} ${value}`;
        const changed = whole.slice();
        changed[at] = value;
        const bytes = await limitOrRefuse(changed, what);
        if (!bytes || !WebAssembly.validate(bytes)) continue;
        accepted++;
        const { memory } = addon.engineAddon().describe(bytes);
        for (const { max } of memory) assert.ok(max !== null && max <= 2 * PAGE, what);
        let exports;
        try {
          ({ exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), imports));
        } catch {
          continue; // it imports what is no function, or begins with a trap
        }
        for (const one of Object.values(exports)) {
          if (one instanceof WebAssembly.Memory) assert.ok(isLimited(one, 2), what);
          if (one instanceof WebAssembly.Table) assert.ok(isLimited(one, 3), what);
        }
      }
    }
    assert.ok(accepted > 100, `${accepted} modules`);
  });

  test('what can not be read is refused, under limits or not', async () => {
    const head = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
    for (const bytes of [
      [...head, 5, 0x80, 0x80, 0x80, 0x80, 0x80, 0],
      [...head, 5, 0xff, 0xff, 0xff, 0xff, 0x0f],
      [...head, 5, 4, 1, 16, 1, 1], // unknown flags of a memory
      [...head, 2, 5, 1, 0, 0, 9, 0], // unknown kind of import
      [0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0],
      [...Buffer.from('no module')],
    ]) {
      const wasm = Uint8Array.from(bytes);
      for (const limits of [undefined, { memory: PAGE }]) {
        await assert.rejects(run(wasm, { engine: 'v8', limits }), {
          code: 'ERR_WASI_PROGRAM',
          message:
            /^the program (can't be compiled: [^]*\(at offset 0x|is a component, which V8|is not a Web)/,
        });
      }
    }
  });
});
