// What does not run here is told by name, in the same words by run(), spawn(), compile() and the command line.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after as afterAll, describe, test } from 'node:test';
import { compile } from '../../index.js';
import { makeRun, makeSpawn } from '../support/engine.mjs';
import { main, runNode, temporaryFolder } from '../support/host.mjs';
import { lengthened } from '../support/programs.mjs';
import { assemble } from '../support/wat.mjs';

const folder = temporaryFolder({ after: afterAll });

/** A program with an import. */
const importing = (module, name, type = '') =>
  assemble(`(module (import "${module}" "${name}" (func ${type}))
    (memory (export "memory") 1) (func (export "_start")))`);

const WASIP1 = 'build it for wasm32-wasip1';
const missing = (what, advice) =>
  `the program imports what WASI preview 1 does not have: ${what} (function); ${advice}`;

/** The bytes of each, and the code and message of the error. */
const FOREIGN = {
  'an empty file': [
    Buffer.alloc(0),
    'ERR_WASI_PROGRAM',
    'the program is not a WebAssembly module: it is empty',
  ],
  'a program of this machine': [
    Buffer.from('\x7fELF\x02\x01\x01'),
    'ERR_WASI_PROGRAM',
    `the program is not a WebAssembly module: it is a program for this machine; ${WASIP1}`,
  ],
  'a program that starts threads': [
    importing('wasi', 'thread-spawn', '(param i32) (result i32)'),
    'ERR_WASI_IMPORT',
    missing(
      'wasi.thread-spawn',
      `it starts threads by wasi-threads, which do not run here: ${WASIP1}, without threads`,
    ),
  ],
  'a program of Emscripten': [
    importing('env', 'emscripten_resize_heap', '(param i32) (result i32)'),
    'ERR_WASI_IMPORT',
    missing(
      'env.emscripten_resize_heap',
      `Emscripten has built it for a JavaScript file of its own: link it with -sSTANDALONE_WASM, or ${WASIP1}`,
    ),
  ],
  'a program of wasm-bindgen': [
    importing('wbg', '__wbg_log_f5f1ec1d3b2b4d3a', '(param i32)'),
    'ERR_WASI_IMPORT',
    missing(
      'wbg.__wbg_log_f5f1ec1d3b2b4d3a',
      `wasm-bindgen has built it for a JavaScript file of its own: ${WASIP1}, without wasm-bindgen`,
    ),
  ],
  'a program of Go for wasm_exec.js': [
    importing('gojs', 'runtime.wasmExit', '(param i32)'),
    'ERR_WASI_IMPORT',
    missing(
      'gojs.runtime.wasmExit',
      'Go has built it for wasm_exec.js: build it with GOOS=wasip1 GOARCH=wasm',
    ),
  ],
};

/** Text, which the command line assembles. */
const TEXT = [
  Buffer.from('  (module (func (export "_start")))'),
  'ERR_WASI_PROGRAM',
  "the program is not a WebAssembly module: it is WebAssembly's text; assemble it first, for instance with wat2wasm",
];

for (const [what, [bytes, code, message]] of Object.entries({ ...FOREIGN, text: TEXT })) {
  describe(what, () => {
    const file = path.join(folder, what.replaceAll(' ', '-'));
    fs.writeFileSync(file, bytes);

    for (const engine of ['wasmtime', 'v8', 'auto']) {
      test(`is refused by run() and spawn() in ${engine}`, async () => {
        const expected = { name: 'WasiError', code, message };
        for (const source of [bytes, file]) {
          await assert.rejects(makeRun(engine)(source), expected);
          await assert.rejects(makeSpawn(engine)(source).result, expected);
        }
        if (code !== 'ERR_WASI_IMPORT') return;
        await assert.rejects(makeRun(engine)(lengthened(bytes)), expected);
      });
    }

    test('is refused by compile(), or by the run if only an import is missing', async () => {
      const expected = { name: 'WasiError', code, message };
      for (const source of [bytes, file]) {
        const compiled = compile(source, { cache: false });
        if (code !== 'ERR_WASI_IMPORT') await assert.rejects(compiled, expected);
        else await assert.rejects((await compiled).run(), expected);
      }
    });

    test(
      'is refused by the command line',
      { skip: what === 'text' && 'it is assembled' },
      async () => {
        const told = message.replace('the program', file);
        for (const flags of [[], ['--engine=v8'], ['--engine=wasmtime'], ['--timeout=60s']]) {
          const { code, stderr } = await runNode([main, '--no-cache', ...flags, file]);
          assert.deepEqual([code, stderr], [2, `wasi-rs: ${told}\n`]);
        }
      },
    );
  });
}
