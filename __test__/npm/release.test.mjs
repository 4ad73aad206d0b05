// How the packages are made: scripts/, deny.toml and the workflows.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { root } from '../support/host.mjs';

const require = createRequire(import.meta.url);
const { PLATFORMS, binaryName, triple } = require('../../platform.js');
const { MAX_BYTES, newestGlibc, problems } = require('../../scripts/check-addon.js');
const { LICENCES, SBOM, isAllowed, write } = require('../../scripts/notices.js');
const { make } = require('../../scripts/pack.js');
const { version } = require('../../scripts/packages.js');
const { PLACES, setVersion } = require('../../scripts/version.js');
const { family, withWasmtime } = require('../../scripts/wasmtime.js');

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'wasi-rs-release-'));
after(() => fs.rmSync(temporary, { recursive: true }));
const read = (/** @type {string} */ name) => fs.readFileSync(path.join(root, name), 'utf8');

test('addons are checked for format, processor, C library and size', () => {
  const addon = fs.readFileSync(path.join(root, binaryName(triple())));
  assert.deepEqual(problems(triple(), 'wasi-rs', addon), []);
  for (const { triple: other } of PLATFORMS.filter((row) => row.triple !== triple())) {
    assert.notDeepEqual(problems(other, 'wasi-rs', addon), [], other);
  }
  const large = Buffer.concat([addon, Buffer.alloc(MAX_BYTES['wasi-rs'])]);
  assert.match(problems(triple(), 'wasi-rs', large)[0], /^it has \d+ bytes, more than \d+$/);
  assert.equal(newestGlibc('a\0GLIBC_2.4\0GLIBC_2.28\0GLIBC_2.3.4\0'), '2.28');
  const needs = '\0GLIBC_2.34\0napi_register_module_v1';
  assert.deepEqual(problems('linux-x64-gnu', 'wasi-rs', Buffer.from(needs), '2.28').slice(1), [
    'it asks for glibc 2.34, newer than 2.28',
  ]);
});

test('the addons of all platforms are needed, and their licences', () => {
  const out = path.join(temporary, 'incomplete');
  assert.throws(() => make({ out }), /licences/);
  assert.throws(() => make({ out, notices: temporary }), /ENOENT|asks for glibc|is not made for/);
});

test('licences: an expression is allowed if one way to read it is', () => {
  const names = ['MIT', 'Apache-2.0 WITH LLVM-exception', 'Zlib'];
  for (const [expression, expected] of [
    ['MIT', true],
    ['MIT OR GPL-3.0', true],
    ['GPL-3.0/MIT', true],
    ['GPL-3.0', false],
    ['MIT AND GPL-3.0', false],
    ['(GPL-3.0 OR MIT) AND Zlib', true],
    ['Apache-2.0 WITH LLVM-exception', true],
    ['Apache-2.0', false],
    ['', false],
  ]) {
    assert.equal(isAllowed(expression, names), expected, expression);
  }
});

test('each addon has the licences of its parts, and a list of them', () => {
  const out = path.join(temporary, 'notices');
  assert.deepEqual(write(out, [triple()]), []);
  const of = (/** @type {string} */ addon) => path.join(out, triple(), addon);
  const engine = JSON.parse(fs.readFileSync(path.join(of('wasi-rs-engine'), SBOM), 'utf8'));
  const alone = JSON.parse(fs.readFileSync(path.join(of('wasi-rs'), SBOM), 'utf8'));
  const names = (/** @type {any} */ { components }) => components.map(({ name }) => name);
  assert.ok(names(engine).includes('wasmtime'));
  assert.ok(!names(alone).includes('wasmtime'));
  assert.ok(!names(engine).includes('syn'), 'it runs while something is built');
  assert.ok(!names(engine).includes('tempfile'), 'tests have it');
  const text = fs.readFileSync(path.join(of('wasi-rs-engine'), LICENCES), 'utf8');
  for (const { name, version: of, hashes, purl } of engine.components) {
    if (name.startsWith('wasi-rs')) continue;
    assert.ok(text.includes(`\n${name} ${of}: `), name);
    assert.match(hashes[0].content, /^[0-9a-f]{64}$/);
    assert.equal(purl, `pkg:cargo/${name}@${of}`);
  }
  const refs = new Set(engine.dependencies.map(({ ref }) => ref));
  assert.ok(engine.dependencies.every(({ dependsOn }) => dependsOn.every((ref) => refs.has(ref))));
});

test('scripts/version.js writes the version wherever it is', () => {
  const folder = path.join(temporary, 'version');
  for (const [name] of PLACES) {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    fs.copyFileSync(path.join(root, name), path.join(folder, name));
  }
  const before = setVersion(folder, '9.8.7');
  assert.deepEqual([...new Set(before)], [version]);
  for (const [name] of PLACES) {
    const text = fs.readFileSync(path.join(folder, name), 'utf8');
    const lines = (/** @type {string} */ of) => read(of).split('\n');
    const changed = text.split('\n').filter((line, i) => line !== lines(name)[i]);
    assert.ok(changed.length > 0 && changed.every((line) => line.includes('9.8.7')), name);
  }
  assert.throws(() => setVersion(folder, 'next'), /is no version/);
});

test('scripts/wasmtime.js changes all that belongs to wasmtime', () => {
  const manifest = `${read('Cargo.toml')}\n${read('crates/runner/Cargo.toml')}`;
  const changed = withWasmtime(manifest, '60.0.3');
  const lines = changed.split('\n').filter((line, i) => line !== manifest.split('\n')[i]);
  assert.deepEqual(
    lines.map((line) => /^[\w-]+ = (?:\{ version = )?"[^"]+"/.exec(line)?.[0]),
    [
      'wasmtime = { version = "60"',
      'cranelift-codegen = { version = "=0.147.3"',
      'wasmtime-wizer = { version = "60"',
      'wasi-preview1-component-adapter-provider = "60"',
    ],
  );
  const [, current] = /name = "wasmtime"\nversion = "(.+)"/.exec(read('Cargo.lock'));
  assert.equal(withWasmtime(manifest, current), manifest);
  assert.ok(family(read('Cargo.lock')).includes('cranelift-codegen'));
});

test('the workflows know all platforms, and run scripts that are there', () => {
  const release = read('.github/workflows/release.yml');
  const built = [...release.matchAll(/triple: ([\w-]+),\s+rust: ([\w-]+)/g)];
  assert.deepEqual(
    built.map(([, name, rust]) => `${name} ${rust}`).sort(),
    PLATFORMS.map((row) => `${row.triple} ${row.rust}`).sort(),
  );
  for (const [, script] of `${release}${read('.github/workflows/ci.yml')}`.matchAll(
    /(?:node|bash) ((?:scripts|\.ci)\/\S+)/g,
  )) {
    assert.ok(fs.existsSync(path.join(root, script)), script);
  }
  const targets = [...read('deny.toml').matchAll(/^ {4}"(\w+-\w+-\S+)",$/gm)];
  for (const { rust } of PLATFORMS)
    assert.ok(
      targets.some(([, name]) => name === rust),
      rust,
    );
});
