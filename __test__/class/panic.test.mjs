// A panic in Rust becomes an exception of the call it happened in; the process and the object live on. Only a build
// with debug assertions can be made to panic (see panic_if_asked in src/call/enter.rs), so this test makes one.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { wat } from '../support/wat.mjs';

const root = path.join(import.meta.dirname, '..', '..');
const SIGNAL = 0x7061_6e69;
const ENOTSUP = 58;

function debugAddon(folder) {
  const profile = process.env.WASI_RS_TEST_PROFILE?.split(' ') ?? []; // as in scripts/test.js
  const args = ['build', '--lib', '--no-default-features', '--features=class', ...profile];
  const cargo = spawnSync('cargo', [...args, '--message-format=json', '--quiet'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  assert.equal(cargo.status, 0, cargo.stderr);
  const artifacts = cargo.stdout.split('\n').filter((line) => line.includes('"compiler-artifact"'));
  const library = artifacts
    .map((line) => JSON.parse(line))
    .filter(({ target }) => target.name === 'wasi_rs')
    .flatMap(({ filenames }) => filenames)
    .find((file) => /\.(so|dylib|dll)$/.test(file));
  const file = path.join(folder, 'debug.node');
  fs.copyFileSync(library, file);
  return file;
}

test('a panic is an exception, and the next call works', (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'wasi-rs-panic-'));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  const { WASI } = createRequire(import.meta.url)(debugAddon(folder));
  const wasi = new WASI({ version: 'preview1' });
  const memory = new WebAssembly.Memory({ initial: 1 });
  wasi.initialize({ exports: { memory } });
  assert.throws(() => wasi.wasiImport.proc_raise(SIGNAL), {
    name: 'Error',
    code: 'ERR_WASI_RS_PANIC',
    message: /as the test asked/,
  });
  assert.equal(wasi.wasiImport.proc_raise(9), ENOTSUP);
  assert.equal(wasi.wasiImport.random_get(0, 8), 0);

  // A guest that catches everything can't go on after it.
  const again = new WASI({ version: 'preview1' });
  const module = wat(`(module
    (import "wasi_snapshot_preview1" "proc_raise" (func $raise (param i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "_start") (try (do (drop (call $raise (i32.const ${SIGNAL})))) (catch_all))))`);
  const instance = new WebAssembly.Instance(module, again.getImportObject());
  assert.throws(() => again.start(instance), { code: 'ERR_WASI_RS_PANIC' });
});
