// The rewriter that lowers what a module declares as the maximum of its memories and tables.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, test } from 'node:test';
import { limitModule } from '../lib/v8/limit.js';
import { readModule } from '../lib/v8/module.js';
import { realModules } from './support/modules.mjs';
import { assemble } from './support/wat.mjs';

const PAGE = 65536;

/** Bounds as data, without where they stand. */
const bounds = ({ min, max }) => ({ min, max });

/** How far a memory or table can grow, one by one. */
function growth(grow, argument) {
  let grown = 0;
  for (;;) {
    try {
      grow(1, argument);
      grown++;
    } catch {
      return grown;
    }
  }
}

describe('limitModule', () => {
  test('a module that asks for no more is left as it is', () => {
    for (const text of ['(module)', '(module (memory 1 4))', '(module (table 3 9 funcref))']) {
      const bytes = assemble(text);
      assert.equal(limitModule(bytes, { memory: 4 * PAGE, tableElements: 9 }), bytes);
      assert.equal(limitModule(bytes, {}), bytes);
    }
  });

  test('a maximum is lowered, or put where there was none', () => {
    for (const limits of ['1', '1 65536', '3 3', '2 4', '2 5']) {
      const bytes = limitModule(assemble(`(module (memory (export "m") ${limits}))`), {
        memory: 3 * PAGE + PAGE - 1,
      });
      const { m } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
      const min = Number(limits.split(' ')[0]);
      assert.equal(
        growth((by) => m.grow(by)),
        3 - min,
        limits,
      );
    }
    const bytes = limitModule(assemble('(module (table (export "t") 2 funcref) (memory 1))'), {
      tableElements: 1000,
    });
    const { t } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
    assert.equal(
      growth((by) => t.grow(by)),
      998,
    );
    assert.deepEqual(readModule(bytes).memories.map(bounds), [{ min: 1, max: undefined }]);
  });

  test('what can not start with so little is an error that says how much it needs', () => {
    const memory = assemble('(module (memory 17))');
    assert.equal(limitModule(memory, { memory: 17 * PAGE }).length > 0, true);
    assert.throws(() => limitModule(memory, { memory: 17 * PAGE - 1 }), {
      code: 'ERR_WASI_PROGRAM',
      message: /needs 1114112 bytes of memory, more than the 1114111 of limits\.memory/,
    });
    const table = assemble('(module (table 4 funcref) (table 6 funcref))');
    assert.throws(() => limitModule(table, { tableElements: 9 }), {
      code: 'ERR_WASI_PROGRAM',
      message: /needs tables of 10 elements, more than the 9 of limits\.tableElements/,
    });
  });

  test('the limit is for all of them together, first come, first served', () => {
    const text = '(module (table 1 funcref) (table 2 5 funcref) (table 3 funcref))';
    for (const [tableElements, expected] of [
      [6, [1, 2, 3]],
      [10, [5, 2, 3]],
      [1000, [995, 2, 3]],
      [2 ** 40, [undefined, 5, undefined]],
    ]) {
      const { tables } = readModule(limitModule(assemble(text), { tableElements }));
      assert.deepEqual(
        tables.map(({ max }) => max),
        expected,
      );
    }
  });

  test('shared memories, and imports of memories and tables', () => {
    const text = `(module
      (import "a" "m" (memory 1 100 shared))
      (import "a" "g" (global i32))
      (import "a" "t" (table 1 funcref))
      (import "a" "f" (func (param i64) (result f64))))`;
    const bytes = limitModule(assemble(text), { memory: 5 * PAGE, tableElements: 7 });
    assert.ok(WebAssembly.validate(bytes));
    const { imports } = readModule(bytes);
    assert.deepEqual(
      imports.map(({ limits }) => limits && bounds(limits)),
      [{ min: 1, max: 5 }, undefined, { min: 1, max: 7 }, undefined],
    );
    assert.deepEqual(imports[3].type, { params: [0x7e], results: [0x7c] });
  });

  test('sections whose length takes more bytes afterwards', () => {
    // 40 tables that get a maximum: the section grows past 127 bytes.
    const tables = Array.from({ length: 40 }, () => '(table 1 funcref)').join('');
    const bytes = limitModule(assemble(`(module ${tables} (memory 1))`), {
      tableElements: 1_000_000,
      memory: 300 * PAGE,
    });
    assert.ok(WebAssembly.validate(bytes));
    assert.deepEqual(
      readModule(bytes).tables.map(bounds),
      [1_000_000 - 39, ...Array(39).fill(1)].map((max) => ({ min: 1, max })),
    );
  });

  test('what newer modules have: groups of types, tables with a first value, 64 bits', () => {
    const section = (id, ...content) => [id, content.length, ...content];
    const bytes = Uint8Array.from([
      ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      // (rec (type (sub (func))) (type (struct (field (mut i8)) (field (ref null 0)))) (type (array i64)))
      ...section(
        1,
        2,
        0x4e,
        3,
        0x50,
        0,
        0x60,
        0,
        0,
        0x5f,
        2,
        0x78,
        1,
        0x63,
        0,
        0,
        0x5e,
        0x7e,
        0,
        0x60,
        0,
        0,
      ),
      // (table (ref null func) (ref.func 0)) from 2 on, and (table 1 externref)
      ...section(4, 2, 0x40, 0, 0x63, 0x70, 0, 2, 0xd2, 0, 0x0b, 0x6f, 0, 1),
      ...section(5, 1, 5, 1, 0x80, 0x80, 0x80, 0x80, 0x10), // i64, up to 2^32 pages
    ]);
    const { types, tables, memories } = readModule(bytes);
    assert.deepEqual(types, [
      { params: [], results: [] },
      undefined,
      undefined,
      { params: [], results: [] },
    ]);
    assert.deepEqual(tables.map(bounds), [
      { min: 2, max: undefined },
      { min: 1, max: undefined },
    ]);
    assert.deepEqual(memories.map(bounds), [{ min: 1, max: 2 ** 32 }]);
    const limited = readModule(limitModule(bytes, { memory: 10 * PAGE, tableElements: 5 }));
    assert.deepEqual(limited.tables.map(bounds), [
      { min: 2, max: 4 },
      { min: 1, max: 1 },
    ]);
    assert.deepEqual(limited.memories.map(bounds), [{ min: 1, max: 10 }]);
  });

  test('real programs', () => {
    const files = realModules();
    assert.ok(files.length > 0);
    for (const file of files) {
      const bytes = fs.readFileSync(file);
      const before = readModule(bytes);
      const limited = limitModule(bytes, { memory: 2 ** 30, tableElements: 50_000 });
      assert.ok(WebAssembly.validate(limited), file);
      const after = readModule(limited);
      assert.ok(
        after.memories.every(({ max }) => max <= 2 ** 14),
        file,
      );
      assert.ok(
        after.tables.every(({ max }) => max <= 50_000),
        file,
      );
      // V8's own view of the imports and exports, of all of them.
      const module = new WebAssembly.Module(limited);
      assert.deepEqual(
        before.imports.map(({ module, name, kind }) => ({ module, name, kind })),
        WebAssembly.Module.imports(module).map(({ module, name, kind }) => ({
          module,
          name,
          kind,
        })),
      );
      assert.deepEqual(
        before.exports.map(({ name, kind }) => ({ name, kind })),
        WebAssembly.Module.exports(module).map(({ name, kind }) => ({ name, kind })),
      );
    }
  });
});

describe('bytes that are no module', () => {
  const whole = assemble(`(module (import "a" "f" (func (param i32))) (memory (export "m") 1)
    (table 1 funcref) (func (export "g") (param i64) (result i64) (local.get 0)))`);

  test('cut off anywhere, they are refused or still a module', () => {
    for (let length = 0; length < whole.length; length++) {
      const cut = whole.slice(0, length);
      try {
        limitModule(cut, { memory: PAGE, tableElements: 1 });
        assert.ok(readModule(cut), String(length)); // the end of a section
      } catch (error) {
        assert.ok(error instanceof WebAssembly.CompileError, `${length}: ${error.stack}`);
      }
    }
  });

  test('with any byte changed, what V8 accepts of the result is limited', () => {
    let accepted = 0;
    for (let at = 8; at < whole.length; at++) {
      for (let value = 0; value < 256; value++) {
        const changed = whole.slice();
        changed[at] = value;
        let limited;
        try {
          limited = limitModule(changed, { memory: 2 * PAGE, tableElements: 3 });
        } catch (error) {
          const isOurs =
            error instanceof WebAssembly.CompileError || error.code === 'ERR_WASI_PROGRAM';
          assert.ok(isOurs, `${at} ${value}: ${error.stack}`);
          continue;
        }
        if (!WebAssembly.validate(limited)) continue;
        accepted++;
        const { memories, tables } = readModule(limited);
        for (const { max } of memories) assert.ok(max <= 2, `${at} ${value}`);
        for (const { max } of tables) assert.ok(max <= 3, `${at} ${value}`);
      }
    }
    assert.ok(accepted > 100, `${accepted} modules`);
  });

  test('sizes that are too long, or too large, are refused', () => {
    const head = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
    for (const bytes of [
      [5, 0x80, 0x80, 0x80, 0x80, 0x80, 0],
      [5, 0xff, 0xff, 0xff, 0xff, 0x1f],
      [5, 0xff, 0xff, 0xff, 0xff, 0x0f],
      [5, 4, 1, 8, 1, 1], // unknown flags of a memory
      [2, 5, 1, 0, 0, 9, 0], // unknown kind of import
    ]) {
      assert.throws(
        () => readModule(Uint8Array.from([...head, ...bytes])),
        WebAssembly.CompileError,
      );
    }
    assert.throws(
      () => readModule(Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0)),
      WebAssembly.CompileError,
    );
  });
});
