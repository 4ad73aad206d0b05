// A guest in V8 that is busy with its memory: once it has been ended, it does not go on.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after as afterAll, describe, test } from 'node:test';
import { addChecks } from '../lib/v8/checks.js';
import { findLong, seekLong } from '../lib/v8/code.js';
import { readModule } from '../lib/v8/module.js';
import { runNode, temporaryFolder } from './support/host.mjs';
import { realModules } from './support/modules.mjs';
import { after } from './support/programs.mjs';
import { assemble } from './support/wat.mjs';

const MEMORY = '(memory (export "memory") 4096)';
const FILL = '(memory.fill (i32.const 0) (i32.const 1) (i32.const 268435456))';

/** Say that they have begun, and go over 256 MiB of memory for ever, or nearly. Left alone V8 follows after minutes. */
const BUSY = {
  'fills in a loop': after('.', `(loop ${FILL} (br 0))`, MEMORY),
  'copies in a loop': after(
    '.',
    '(loop (memory.copy (i32.const 0) (i32.const 1) (i32.const 268435400)) (br 0))',
    MEMORY,
  ),
  'fills without a loop': after('.', FILL.repeat(20_000), MEMORY),
};

/** What a process does when the guest is busy; with which code it ends. */
const ENDS = {
  'by process.exit()': ['controller.abort(); await guest; process.exit(3)', 3],
  'by an exception': ['controller.abort(); await guest; throw new Error("on purpose")', 1],
  'by process.exit() while the guest runs': ['process.exit(4)', 4],
};

const index = JSON.stringify(new URL('../index.js', import.meta.url).pathname);

/** A module that has nothing. */
const NONE = { type: 0, data: 0, element: 0, memory: 0, table: 0 };

const folder = temporaryFolder({ after: afterAll });

/** A script that starts a guest, and goes on when it is busy. */
const script = (wasm, then) => {
  const file = path.join(folder, `${fs.readdirSync(folder).length}.wasm`);
  fs.writeFileSync(file, wasm);
  return `
  const { run } = require(${index});
  process.on('exit', () => console.log('exit'));
  const controller = new AbortController();
  const isBusy = new Promise((stdout) => {
    const options = { engine: 'v8', cache: false, stdout, signal: controller.signal };
    globalThis.guest = run(${JSON.stringify(file)}, options).catch(({ code }) => console.log(code));
  });
  (async () => { await isBusy; ${then} })();`;
};

describe('a process ends, while its guest is busy', { timeout: 120_000 }, () => {
  const check = async (wasm, [then, expected]) => {
    const { code, signal, stdout } = await runNode(['-e', script(wasm, then)]);
    assert.deepEqual({ code, signal }, { code: expected, signal: null });
    assert.equal(stdout, then.includes('abort') ? 'ABORT_ERR\nexit\n' : 'exit\n');
  };
  for (const [what, wasm] of Object.entries(BUSY)) {
    test(`by itself: one that ${what}`, () => check(wasm, ['controller.abort(); await guest;', 0]));
  }
  const filling = BUSY['fills in a loop'];
  for (const [how, end] of Object.entries(ENDS)) test(how, () => check(filling, end));

  test('by itself: one of a worker that is terminated', async () => {
    const inWorker = script(filling, "require('node:worker_threads').parentPort.postMessage(0)");
    const source = `
      const { Worker } = require('node:worker_threads');
      const worker = new Worker(${JSON.stringify(inWorker)}, { eval: true });
      worker.on('message', async () => console.log(await worker.terminate()));`;
    const { code, stdout, stderr } = await runNode(['-e', source]);
    assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: '1\n', stderr: '' });
  });
});

describe('addChecks', () => {
  test('a module without long instructions is left as it is', () => {
    const text = '(module (memory 1) (func (drop (i32.load (i32.const 0)))))';
    const bytes = assemble(text);
    assert.equal(addChecks(bytes, readModule(bytes)), bytes);
    assert.equal(addChecks(assemble('(module)'), readModule(assemble('(module)'))).length, 8);
  });

  test('a program does the same with them', () => {
    // The byte patterns of fills are also in constants, which must stay what they are.
    const bytes = assemble(`(module
      (import "a" "f" (func $f (param i64)))
      (memory (export "m") 1) (table 4 funcref) (elem func $g) (data "abc")
      (func $g (export "g") (param i32) (result i32)
        (memory.fill (i32.const 0) (local.get 0) (i32.const 5))
        (memory.copy (i32.const 3) (i32.const 0) (i32.const 1))
        (memory.init 0 (i32.const 1) (i32.const 0) (i32.const 2))
        (table.init 0 (i32.const 0) (i32.const 0) (i32.const 1))
        (table.copy (i32.const 1) (i32.const 0) (i32.const 1))
        (call $f (i64.const 1532))
        (i32.const 0xbfc)
        (drop (i32.const 1660))))`);
    const calls = [];
    const outcomes = [bytes, addChecks(bytes, readModule(bytes))].map((wasm) => {
      const module = new WebAssembly.Module(wasm);
      const { exports } = new WebAssembly.Instance(module, { a: { f: (x) => calls.push(x) } });
      const result = exports.g(7);
      return [result, [...new Uint8Array(exports.m.buffer, 0, 8)], Object.keys(exports)];
    });
    assert.deepEqual(outcomes[0], [0xbfc, [7, 97, 98, 7, 7, 0, 0, 0], ['m', 'g']]);
    assert.deepEqual(outcomes[1], outcomes[0]);
    assert.deepEqual(calls, [1532n, 1532n]);
  });

  test('the length of a number does not hide it', () => {
    // memory.fill, whose numbers are written with more bytes than they take
    const fill = [0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 0x8b, 0x80, 0, 0x80, 0];
    const body = Uint8Array.from([0, ...fill, 0x0b]);
    assert.deepEqual(seekLong(body, 0, body.length, { ...NONE, memory: 1 }), [7]);
    assert.deepEqual(findLong(body, 0, body.length), [7]);
  });

  test('what can be no such instruction is not looked at closer', () => {
    const seek = (bytes, counts) =>
      seekLong(Uint8Array.from(bytes), 0, bytes.length, { ...NONE, ...counts });
    const copy = [0xfc, 10, 0, 1];
    assert.deepEqual(seek(copy, { memory: 2 }), [0]);
    assert.deepEqual(seek(copy, { memory: 1 }), [], 'there is no second memory');
    const init = [0xfc, 8, 3, 0];
    assert.deepEqual(seek(init, { memory: 1, data: 4 }), [0]);
    assert.deepEqual(seek(init, { memory: 1 }), []);
    const arrayFill = [0xfb, 16, 2];
    assert.deepEqual(seek(arrayFill, { type: 3 }), [0]);
    assert.deepEqual(seek(arrayFill, {}), []);
    assert.deepEqual(seek([0xfc, 11], { memory: 1 }), [], 'cut off');
    assert.deepEqual(
      seek([...arrayFill, ...copy, 0xfc, 0xfc, 11, 0], { memory: 2, type: 3 }),
      [0, 3, 8],
    );
  });

  test('real programs stay valid', () => {
    const checked = realModules().filter((file) => {
      const bytes = fs.readFileSync(file);
      const rewritten = addChecks(bytes, readModule(bytes));
      assert.equal(WebAssembly.validate(rewritten), WebAssembly.validate(bytes), file);
      return rewritten !== bytes;
    });
    const isInstalled = realModules().some((file) => file.includes('ecosystem'));
    assert.equal(checked.length > 0, isInstalled);
  });
});

test('instructions of every shape are passed', () => {
  const double = [0, 0, 0, 0, 0, 0xfc, 0x0b, 0];
  const lanes = [...double, ...double];
  const instructions = [
    [0x02, 0x40], // block
    [0x03, 0x7f], // loop with a result
    [0x04, 0xfc, 0x0b], // if, of type 1532
    [0x06, 0x63, 0x70], // try with a reference
    [0x08, 0xfc, 0x0b],
    [0x0e, 2, 0, 0xfc, 0x0b, 1], // br_table
    [0x11, 0xfc, 0x0b, 0],
    [0x1c, 2, 0x7f, 0x64, 0xfc, 0x0b], // select with types
    [0x1f, 0x40, 3, 0, 0xfc, 0x0b, 0, 1, 5, 1, 3, 0], // try_table
    [0x28, 2, 0xfc, 0x0b], // i32.load
    [0x37, 0x43, 1, 0xfc, 0x0b], // i64.store in another memory
    [0x41, 0xfc, 0x0b],
    [0x42, 0xfc, 0x8b, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0],
    [0x43, 0xfc, 0x0b, 0, 0],
    [0x44, ...double],
    [0x6a],
    [0xc4],
    [0xd0, 0x70],
    [0xd2, 0xfc, 0x0b],
    [0xd6, 0],
    [0xfb, 0, 0xfc, 0x0b], // struct.new
    [0xfb, 5, 0xfc, 0x0b, 0],
    [0xfb, 24, 3, 0xfc, 0x0b, 0x70, 0x71], // br_on_cast
    [0xfb, 28],
    [0xfc, 7],
    [0xfc, 9, 0xfc, 0x0b],
    [0xfc, 16, 0xfc, 0x0b], // table.size
    [0xfd, 0, 4, 0xfc, 0x0b], // v128.load
    [0xfd, 12, ...lanes],
    [0xfd, 13, ...lanes],
    [0xfd, 21, 0xfc],
    [0xfd, 84, 0, 0xfc, 0x0b, 11],
    [0xfd, 92, 2, 0xfc, 0x0b],
    [0xfd, 0x93, 0x02], // a relaxed one
    [0xfe, 1, 2, 0xfc, 0x0b], // memory.atomic.wait32
    [0xfe, 3, 0],
    [0xfe, 0x4e, 3, 0xfc, 0x0b],
  ];
  const fill = [0xfc, 0x0b, 0];
  const locals = [2, 3, 0x7f, 0xfc, 0x0b, 0x63, 0x70];
  const body = [...locals];
  const expected = [];
  for (const instruction of instructions) {
    body.push(...instruction);
    expected.push(body.length);
    body.push(...fill);
  }
  body.push(0x0b);
  assert.deepEqual(findLong(Uint8Array.from(body), 0, body.length), expected);
  const unknown = [0, 0xff, ...fill, 0x0b];
  assert.deepEqual(findLong(Uint8Array.from(unknown), 0, unknown.length), []);
});

test('what goes over arrays and tables takes long, too', () => {
  const long = [
    ...[6, 7, 16].map((code) => [0xfb, code, 0]), // array.new, array.fill
    ...[9, 10, 17, 18, 19].map((code) => [0xfb, code, 0, 0]),
    ...[8, 10, 12, 14].map((code) => [0xfc, code, 0, 0]),
    ...[11, 15, 17].map((code) => [0xfc, code, 0]),
  ];
  for (const instruction of long) {
    const body = Uint8Array.from([0, ...instruction, 0x0b]);
    assert.deepEqual(findLong(body, 0, body.length), [1], String(instruction));
  }
});
