'use strict';

// What each framework runs: tests as users of the class write them.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

/** @typedef {typeof import('../../index.js').WASI} WASIClass */

const guest = path.join(__dirname, 'build', 'guest.wasm');

/** Runs guest.wat. @param {WASIClass} WASI @param {string} argument of the guest, to which `greeting` is a file */
function runGuest(WASI, argument) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'wasi-rs-packages-'));
  const output = fs.openSync(path.join(folder, 'output'), 'w');
  try {
    fs.writeFileSync(path.join(folder, 'greeting'), 'hello from the guest\n');
    const wasi = new WASI({
      version: 'preview1',
      args: ['guest', argument],
      preopens: { '/': folder },
      stdout: output,
    });
    const module = new WebAssembly.Module(fs.readFileSync(guest));
    const instance = new WebAssembly.Instance(module, wasi.getImportObject());
    const code = wasi.start(instance);
    return { code, output: fs.readFileSync(path.join(folder, 'output'), 'utf8') };
  } finally {
    fs.closeSync(output);
    fs.rmSync(folder, { recursive: true });
  }
}

/** @param {() => unknown} run @returns {NodeJS.ErrnoException} */
function thrownBy(run) {
  try {
    run();
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error);
  }
  return assert.fail('nothing was thrown');
}

const missing = '/no/such/folder';

/** @type {Record<string, (WASI: WASIClass) => void | Promise<void>>} */
const checks = {
  'is ours, which names the path of a preopen that is not there'(WASI) {
    const error = thrownBy(() => new WASI({ version: 'preview1', preopens: { '/': missing } }));
    assert.equal(error.code, 'UVWASI_ENOENT');
    assert.ok(error.message.includes(missing), error.message);
  },
  'runs a guest that reads a file and writes to another'(WASI) {
    assert.deepEqual(runGuest(WASI, 'greeting'), { code: 21, output: 'hello from the guest\n' });
  },
  'keeps a guest in its directory'(WASI) {
    const ENOTCAPABLE = -76;
    assert.deepEqual(runGuest(WASI, '../etc/passwd'), { code: ENOTCAPABLE, output: '' });
  },
  'throws errors that have a code'(WASI) {
    const codes = [
      () => new WASI(/** @type {any} */ ({})),
      () => new WASI(/** @type {any} */ ({ version: 'preview9' })),
      () => new WASI({ version: 'preview1' }).start({ exports: {} }),
      () => new WASI({ version: 'preview1' }).wasiImport.sched_yield(),
    ].map((act) => thrownBy(act).code);
    assert.deepEqual(codes, [
      'ERR_INVALID_ARG_TYPE',
      'ERR_INVALID_ARG_VALUE',
      'ERR_INVALID_ARG_TYPE',
      'ERR_WASI_NOT_STARTED',
    ]);
  },
  'lets an exception of the guest through'(WASI) {
    const thrown = new Error('from the guest');
    const memory = new WebAssembly.Memory({ initial: 1 });
    const _start = () => {
      throw thrown;
    };
    const wasi = new WASI({ version: 'preview1' });
    assert.equal(
      thrownBy(() => wasi.start({ exports: { memory, _start } })),
      thrown,
    );
  },
  async 'is in a package whose run() runs guests in both engines'() {
    // As a string, not a literal: it is not installed yet when types are checked.
    const { run } = require(/** @type {string} */ ('wasi-rs'));
    for (const engine of /** @type {const} */ (['wasmtime', 'v8'])) {
      const { exitCode } = await run(guest, { args: ['greeting'], cache: false, engine });
      assert.ok(exitCode < 0, `${engine}: it has no directory`);
      await assert.rejects(run(guest, { engine, timeout: -1 }), { code: 'ERR_OUT_OF_RANGE' });
    }
  },
};

/** Declares the checks as a framework's tests. @param {(name: string, run: () => void | Promise<void>) => void} test */
function declare(test, /** @type {string} */ name, /** @type {WASIClass} */ WASI) {
  for (const [what, check] of Object.entries(checks)) test(`${name} ${what}`, () => check(WASI));
}

module.exports = { declare };
