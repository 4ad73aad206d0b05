// The package as it is published: publint and @arethetypeswrong/cli find nothing to say about it, and each entry gives
// ES modules the names that it gives to require().

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { shell } from './shell.mjs';

const require = createRequire(import.meta.url);
const { pack } = require('../../scripts/pack.js');
const { exports: entries } = require('wasi-rs/package.json');
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'wasi-rs-publish-'));
after(() => fs.rmSync(folder, { recursive: true }));
const packed = pack({ out: folder, local: true });

for (const { name, tarball } of packed) {
  test(`publint, which is told to be strict, has no suggestions for ${name}`, async () => {
    const { output } = await shell(`publint ${path.basename(tarball)} --strict`, { cwd: folder });
    assert.match(output, /All good!/);
  });
}

test('@arethetypeswrong/cli finds the types right, from CommonJS, ES modules and bundlers', async () => {
  const main = packed.find(({ name }) => name === 'wasi-rs');
  const { stdout } = await shell(`attw ${main.tarball} --format json`, { cwd: folder });
  const { analysis, problems } = JSON.parse(stdout);
  assert.deepEqual(problems ?? {}, {});
  assert.deepEqual(analysis.problems, []);
  assert.deepEqual(Object.keys(analysis.entrypoints).sort(), Object.keys(entries).sort());
  const resolved = Object.entries(analysis.entrypoints).flatMap(([entry, { resolutions }]) =>
    Object.values(resolutions).map(({ resolution }) => [entry, resolution?.fileName]),
  );
  for (const [entry, file] of resolved) {
    const { types = entries[entry] } = entries[entry];
    assert.equal(path.basename(file), path.basename(types));
  }
});

for (const entry of ['.', './compat', './legacy']) {
  test(`${entry}: the same names for import and require, and the default import has them all`, async () => {
    const name = path.posix.join('wasi-rs', entry);
    const required = require(name);
    const { default: whole, ...named } = await import(name);
    delete named['module.exports']; // which Node adds, from version 23 on
    assert.equal(whole, required);
    assert.deepEqual(named, { ...required });
    assert.ok(Object.keys(named).includes('WASI'));
  });
}
