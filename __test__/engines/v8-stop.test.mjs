// A guest in V8 that is busy: once it has been ended, it does not go on, and nothing that V8 does for it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after as afterAll, describe, test } from 'node:test';
import { ask, makeProgram } from '../../lib/requests.js';
import { index, runNode, temporaryFolder } from '../support/host.mjs';
import { after } from '../support/programs.mjs';
import { realModules } from '../support/real-modules.mjs';
import { assemble } from '../support/wat.mjs';

const MEMORY = '(memory (export "memory") 4096)';
const FILL = '(memory.fill (i32.const 0) (i32.const 1) (i32.const 268435456))';

/** Say that they have begun, and are busy for ever, or nearly. Left alone V8 follows after minutes. */
const BUSY = {
  'fills in a loop': after('.', `(loop ${FILL} (br 0))`, MEMORY),
  'copies in a loop': after(
    '.',
    '(loop (memory.copy (i32.const 0) (i32.const 1) (i32.const 268435400)) (br 0))',
    MEMORY,
  ),
  'fills without a loop': after('.', FILL.repeat(20_000), MEMORY),
  // Optimised code looks for orders where it enters a function, but not of one that calls none.
  'calls a large function': after(
    '.',
    '(loop (call $large (i32.const 0)) (br 0))',
    `${MEMORY} (func $large (param i32) ${'(local.set 0 (i32.load (i32.and (local.get 0) (i32.const 0xfffc))))'.repeat(20_000)})`,
  ),
  // What is so hard to optimise would take V8 a minute, and can't be given up.
  'calls a function with many loops': after(
    '.',
    '(loop (call $hard (i32.const 0)) (br 0))',
    `${MEMORY} (func $hard (param i32) ${'(loop (local.set 0 (i32.add (local.get 0) (i32.const 1))) (br_if 0 (i32.lt_s (local.get 0) (i32.const 3))))'.repeat(40_000)})`,
  ),
  // For the optimiser of Node 24 it takes more memory than machines have, and so ended the process.
  'calls a function with many branches': after(
    '.',
    '(loop (call $hard (i32.const 0) (i32.const 0)) (br 0))',
    `${MEMORY} (func $hard (param i32 i32) ${[0, 1]
      .map(
        (at) =>
          `(if (local.get ${at}) (then (local.set ${at} (i32.load (local.get ${1 - at})))) (else (local.set ${1 - at} (i32.load offset=8 (local.get ${at})))))`,
      )
      .join('')
      .repeat(20_000)})`,
  ),
};

/** What a process does when the guest is busy; with which code it ends. */
const ENDS = {
  'by process.exit()': ['controller.abort(); await guest; process.exit(3)', 3],
  'by an exception': ['controller.abort(); await guest; throw new Error("on purpose")', 1],
  'by process.exit() while the guest runs': ['process.exit(4)', 4],
};

const folder = temporaryFolder({ after: afterAll });

/** A script that starts a guest, and goes on when it is busy. */
const script = (wasm, then) => {
  const file = path.join(folder, `${fs.readdirSync(folder).length}.wasm`);
  fs.writeFileSync(file, wasm);
  return `
  const { run } = require(${JSON.stringify(index)});
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

describe('what V8 gets', () => {
  const forV8 = async (source) =>
    (await ask('forV8', makeProgram({ source })).answer).withBytes((bytes) =>
      Buffer.from(bytes.slice()),
    );

  test('does the same as what was given', async () => {
    // The bytes of instructions that may take long are also in constants, which must stay what they are.
    const bytes = assemble(`(module
      (import "wasi_snapshot_preview1" "proc_exit" (func $f (param i32)))
      (memory (export "m") 1) (table 4 funcref) (elem func $g) (data "abc")
      (func $g (export "g") (param i32 i32) (result i32)
        (memory.fill (i32.const 0) (local.get 0) (local.get 1))
        (memory.copy (i32.const 3) (i32.const 0) (i32.const 1))
        (memory.init 0 (i32.const 1) (i32.const 0) (i32.const 2))
        (table.init 0 (i32.const 0) (i32.const 0) (i32.const 1))
        (table.copy (i32.const 1) (i32.const 0) (i32.const 1))
        (call $f (i32.const 1532))
        (i32.const 0xbfc)
        (drop (i32.const 1660)))
      (func (export "_start")))`);
    const stoppable = await forV8(bytes);
    assert.ok(stoppable.length > bytes.length);
    const calls = [];
    const outcomes = [bytes, stoppable].map((wasm) => {
      const module = new WebAssembly.Module(wasm);
      const { exports } = new WebAssembly.Instance(module, {
        wasi_snapshot_preview1: { proc_exit: (x) => calls.push(x) },
      });
      const result = exports.g(7, 5);
      return [result, [...new Uint8Array(exports.m.buffer, 0, 8)], Object.keys(exports)];
    });
    assert.deepEqual(outcomes[0], [0xbfc, [7, 97, 98, 7, 7, 0, 0, 0], ['m', 'g', '_start']]);
    assert.deepEqual(outcomes[1], outcomes[0]);
    assert.deepEqual(calls, [1532, 1532]);
  });

  test('is valid, of real programs', async () => {
    const lengths = [];
    for (const file of realModules()) {
      const bytes = fs.readFileSync(file);
      const ofFile = await forV8(file).catch(({ code }) => code);
      if (ofFile === 'ERR_WASI_IMPORT' || ofFile === 'ERR_WASI_PROGRAM') continue; // no program
      const ofBytes = await forV8(bytes);
      assert.equal(WebAssembly.validate(ofFile), WebAssembly.validate(bytes), file);
      assert.equal(WebAssembly.validate(ofBytes), WebAssembly.validate(bytes), file);
      lengths.push(ofBytes.length - bytes.length);
    }
    assert.ok(
      lengths.some((more) => more > 0),
      String(lengths),
    );
  });
});
