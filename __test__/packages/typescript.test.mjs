// A TypeScript program written for @types/node's node:wasi compiles and runs when only the module's name is changed.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { test } from 'node:test';
import { node } from './node.mjs';

// Ours: a package in this folder brings an older one.
const require = createRequire(new URL('../../package.json', import.meta.url));
const compiler = path.join(path.dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');
const source = fs.readFileSync(path.join(import.meta.dirname, 'typescript', 'program.ts'), 'utf8');
const guest = path.join(import.meta.dirname, 'build', 'guest.wasm');

for (const [name, module, moduleResolution] of [
  ['node:wasi', 'node20', 'node16'],
  ['wasi-rs', 'node20', 'node16'],
  ['wasi-rs', 'esnext', 'bundler'],
  ['wasi-rs/compat', 'node20', 'node16'],
  ['wasi-rs/legacy', 'node20', 'node16'],
]) {
  test(`${name}, compiled for modules as in ${module}`, async (t) => {
    // In this folder, so that it finds the packages.
    const folder = fs.mkdtempSync(path.join(import.meta.dirname, 'build', 'typescript-'));
    t.after(() => fs.rmSync(folder, { recursive: true }));
    const program = source.replace("from 'node:wasi'", `from '${name}'`);
    fs.writeFileSync(path.join(folder, 'program.mts'), program);
    const compilerOptions = {
      ...{ target: 'es2023', lib: ['es2023', 'dom'], types: ['node'], strict: true },
      ...{ module, moduleResolution },
    };
    const config = { compilerOptions, files: ['program.mts'] };
    fs.writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify(config));
    await node([compiler], { cwd: folder });

    const preload = name === 'node:wasi' ? ['--import', 'wasi-rs/register'] : [];
    const { stdout } = await node([...preload, 'program.mjs', guest], { cwd: folder });
    assert.equal(stdout, 'hello from TypeScript\n23\n0\n');
  });
}
