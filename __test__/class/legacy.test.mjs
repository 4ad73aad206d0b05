// `wasi-rs/legacy`: the class as the older edition of node:wasi's documentation has it, sentence by sentence.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { WASI as StandardWASI } from 'wasi-rs';
import { WASI } from 'wasi-rs/legacy';
import { Guest } from '../support/guest.mjs';
import { root, runNode, temporaryFolder } from '../support/host.mjs';
import { assemble, wat } from '../support/wat.mjs';

const folder = temporaryFolder({ after });
const hello = fs.readFileSync(path.join(root, 'examples', 'demo.wat'), 'utf8');

/** Prints /sandbox/file, its first argument and its environment. */
const cat = `(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 256) "file")
  (func $print (param $address i32)
    (i32.store (i32.const 0) (local.get $address))
    (i32.store (i32.const 4) (i32.const 1))
    (loop $next
      (if (i32.load8_u (i32.load (i32.const 0))) (then
        (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))
        (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
        (br $next))))
    (i32.store (i32.const 0) (i32.const 300))
    (i32.store8 (i32.const 300) (i32.const 10))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16))))
  (func (export "_start")
    (if (call $path_open (i32.const 3) (i32.const 0) (i32.const 256) (i32.const 4) (i32.const 0)
          (i64.const 2) (i64.const 2) (i32.const 0) (i32.const 16))
      (then unreachable))
    (i32.store (i32.const 0) (i32.const 1024))
    (i32.store (i32.const 4) (i32.const 100))
    (drop (call $fd_read (i32.load (i32.const 16)) (i32.const 0) (i32.const 1) (i32.const 20)))
    (i32.store (i32.const 4) (i32.load (i32.const 20)))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))
    (drop (call $args_get (i32.const 2048) (i32.const 4096)))
    (call $print (i32.load (i32.const 2052)))
    (drop (call $environ_get (i32.const 2048) (i32.const 4096)))
    (call $print (i32.load (i32.const 2048)))))`;

const exit = `(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start") (call $proc_exit (i32.const 42))))`;

fs.mkdirSync(path.join(folder, 'node_modules'));
fs.symlinkSync(root, path.join(folder, 'node_modules', 'wasi-rs'), 'junction');
fs.mkdirSync(path.join(folder, 'real'));
fs.writeFileSync(path.join(folder, 'real', 'file'), 'from the sandbox\n');
fs.writeFileSync(path.join(folder, 'hello.wasm'), assemble(hello));
fs.writeFileSync(path.join(folder, 'cat.wasm'), assemble(cat));
fs.writeFileSync(path.join(folder, 'exit.wasm'), assemble(exit));

/** The example, with our name and folder in it, and nothing else of it touched. */
const example = (binary, options = '') => `\
'use strict';
const fs = require('fs');
const { WASI } = require('wasi-rs/legacy');
const wasi = new WASI({
  args: process.argv,
  env: process.env,
  preopens: {
    '/sandbox': '${path.join(folder, 'real')}'
  }${options}
});
const importObject = { wasi_snapshot_preview1: wasi.wasiImport };

(async () => {
  const wasm = await WebAssembly.compile(fs.readFileSync('./${binary}.wasm'));
  const instance = await WebAssembly.instantiate(wasm, importObject);

  wasi.start(instance);
})();
`;

/** Runs a script as a file of the project. */
async function run(script, { name = 'app.js', args = [] } = {}) {
  fs.writeFileSync(path.join(folder, name), script);
  const { code, signal, stdout, stderr } = await runNode([name, ...args], { cwd: folder });
  assert.equal(signal, null);
  return { code, stdout, stderr };
}

describe("the documentation's example", () => {
  test('says hello world, without a warning', async () => {
    assert.deepEqual(await run(example('hello')), { code: 0, stdout: 'hello world\n', stderr: '' });
  });

  test('hands over the arguments, the environment and the directory', async () => {
    const [[name, value]] = Object.entries(process.env);
    assert.deepEqual(await run(example('cat')), {
      code: 0,
      stdout: `from the sandbox\n${path.join(folder, 'app.js')}\n${name}=${value}\n`,
      stderr: '',
    });
  });

  test('as an ES module', async () => {
    const script = example('hello').replace(/const (.*) = require\((.*)\)/g, 'import $1 from $2');
    assert.match(script, /import { WASI } from 'wasi-rs\/legacy'/);
    assert.deepEqual(await run(script, { name: 'app.mjs' }), {
      code: 0,
      stdout: 'hello world\n',
      stderr: '',
    });
  });
});

describe('returnOnExit', () => {
  test('is false by default: proc_exit ends the process, after its exit handlers', async () => {
    const script = `${example('exit')}
      process.on('exit', (code) => console.log('exit', code));`;
    const returned = script.replace('wasi.start(instance);', '$& console.log("returned");');
    assert.deepEqual(await run(returned), { code: 42, stdout: 'exit 42\n', stderr: '' });
  });

  test('true: start() returns the code', async () => {
    const script = example('exit', ', returnOnExit: true').replace(
      'wasi.start(instance);',
      'console.log(wasi.start(instance));',
    );
    assert.deepEqual(await run(script), { code: 0, stdout: '42\n', stderr: '' });
  });

  test('in a worker proc_exit ends the worker', async () => {
    fs.writeFileSync(path.join(folder, 'worker.js'), example('exit'));
    const script = `
      const { Worker } = require('node:worker_threads');
      new Worker('./worker.js').on('exit', (code) => console.log('worker', code));`;
    assert.deepEqual(await run(script), { code: 0, stdout: 'worker 42\n', stderr: '' });
  });
});

/** An instance with a memory and these other exports. */
const instanceWith = (exports, memory = '(memory (export "memory") 1)') =>
  new WebAssembly.Instance(wat(`(module ${memory} ${exports})`));

describe('new WASI([options])', () => {
  for (const [name, args] of Object.entries({
    nothing: [],
    undefined: [undefined],
    '{}': [{}],
    'undefined for each': [
      Object.fromEntries(
        ['version', 'args', 'env', 'preopens', 'returnOnExit'].map((key) => [key, undefined]),
      ),
    ],
  })) {
    test(`of ${name}: no arguments, no environment, no directory, preview1`, () => {
      class Bare extends WASI {
        constructor() {
          super(...args);
        }
      }
      const guest = new Guest({}, { Class: Bare });
      assert.deepEqual([guest.args, guest.env], [[], []]);
      const EBADF = 8;
      assert.equal(guest.call('fd_prestat_get', 3, 0), EBADF);
      assert.deepEqual(Object.keys(guest.wasi.getImportObject()), ['wasi_snapshot_preview1']);
    });
  }

  test('of a version: as in the newer edition', () => {
    assert.deepEqual(Object.keys(new WASI({ version: 'unstable' }).getImportObject()), [
      'wasi_unstable',
    ]);
    for (const version of ['preview2', 1, null]) {
      const refusal = (Class) => {
        try {
          return new Class({ version });
        } catch ({ name, code, message }) {
          return { name, code, message };
        }
      };
      assert.deepEqual(refusal(WASI), refusal(StandardWASI));
      assert.match(refusal(WASI).code, /^ERR_INVALID_ARG_/);
    }
  });

  test('of something else: refused as in the newer edition', () => {
    for (const options of [
      null,
      'x',
      { args: 'x' },
      { env: 1 },
      { preopens: 1 },
      { returnOnExit: 1 },
    ]) {
      assert.throws(
        () => new WASI(options),
        { code: 'ERR_INVALID_ARG_TYPE' },
        JSON.stringify(options),
      );
    }
  });

  test('of a directory that is not there: says which', () => {
    const missing = path.join(folder, 'missing');
    assert.throws(() => new WASI({ preopens: { '/sandbox': missing } }), {
      code: 'UVWASI_ENOENT',
      message: new RegExp(missing),
    });
  });
});

describe('wasi.start(instance)', () => {
  const start = '(func (export "_start"))';
  const invalid = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };

  for (const [name, exports, memory] of [
    ['without _start()', ''],
    ['with _initialize()', `${start} (func (export "_initialize"))`],
    ['without a memory', start, ''],
    ['with a memory of another name', start, '(memory (export "m") 1)'],
    ['with something else named memory', `${start} (func (export "memory"))`, ''],
  ]) {
    test(`${name}: throws`, () => {
      const wasi = new WASI();
      assert.throws(() => wasi.start(instanceWith(exports, memory)), invalid);
    });
  }

  test('once only', () => {
    const wasi = new WASI();
    wasi.start(instanceWith(start));
    assert.throws(() => wasi.start(instanceWith(start)), { code: 'ERR_WASI_ALREADY_STARTED' });
  });
});

test('each instance is a sandbox of its own', () => {
  const one = new Guest({ args: ['one'], version: undefined }, { Class: WASI });
  const two = new Guest({ args: ['two'], version: undefined }, { Class: WASI });
  assert.notEqual(one.wasi.wasiImport, two.wasi.wasiImport);
  assert.deepEqual([one.args, two.args], [['one'], ['two']]);
});

test('required and imported it is one class, and another one than the standard one', () => {
  const required = createRequire(import.meta.url)('wasi-rs/legacy');
  assert.equal(required.WASI, WASI);
  assert.deepEqual(Object.keys(required), ['WASI']);
  assert.equal(WASI.name, 'WASI');
  assert.notEqual(WASI, StandardWASI);
});
