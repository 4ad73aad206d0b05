// The types, under the compiler's options that people have: those of the library are checked too.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { test } from 'node:test';
import { root } from '../support/host.mjs';

const require = createRequire(import.meta.url);
const compiler = path.join(path.dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');

for (const exactOptionalPropertyTypes of [false, true]) {
  test(`with exactOptionalPropertyTypes ${exactOptionalPropertyTypes}`, (t) => {
    // In the package, so that it finds the types of Node.
    const config = path.join(root, `tsconfig.${process.pid}.${exactOptionalPropertyTypes}.json`);
    t.after(() => fs.rmSync(config));
    const text = {
      extends: './tsconfig.json',
      compilerOptions: { exactOptionalPropertyTypes, checkJs: false, skipLibCheck: false },
      include: ['__test__/npm/*.test-d.ts'],
    };
    fs.writeFileSync(config, JSON.stringify(text));
    const { status, stdout } = spawnSync(process.execPath, [compiler, '-p', config], {
      encoding: 'utf8',
    });
    assert.equal(status, 0, stdout);
  });
}
