// Bun and Deno load the addon, and the class works there. They are large, and so are not installed unless asked for:
//   npm ci --prefix __test__/packages/runtimes

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';

const here = path.join(import.meta.dirname, 'runtimes');
const root = path.join(import.meta.dirname, '..', '..');

/** The program of an npm package that has one for each platform. @param {string} scope @param {string[]} names */
function program(scope, ...names) {
  const packages = path.join(here, 'node_modules', scope);
  const installed = fs.existsSync(packages) ? fs.readdirSync(packages) : [];
  return installed
    .flatMap((name) => names.map((file) => path.join(packages, name, file)))
    .find((file) => fs.existsSync(file));
}

for (const { name, file, run, register, reached } of [
  {
    name: 'Bun',
    file: program('@oven', 'bin/bun', 'bin/bun.exe'),
    run: [],
    register: ['--preload', 'wasi-rs/register'],
    reached: 'import, default import, import(), require, getBuiltinModule',
  },
  {
    name: 'Deno',
    file: program('@deno', 'deno', 'deno.exe'),
    run: ['run', '--allow-all', '--no-lock'],
    // Its imports of node:wasi are bound to its own class for good; an import map leads them elsewhere.
    register: ['--preload', '../node_modules/wasi-rs/register.js'],
    reached: 'default import, require, getBuiltinModule',
  },
]) {
  describe(name, { skip: !file && 'npm ci --prefix __test__/packages/runtimes' }, () => {
    const start = (cwd, ...args) => {
      const options = { cwd, encoding: 'utf8', env: { ...process.env, NO_COLOR: '1' } };
      const { status, stdout, stderr } = spawnSync(file, [...run, ...args], options);
      return { status, stdout, stderr };
    };

    test('passes the checks, in threads too, and ends by proc_exit', () => {
      const size = fs.statSync(path.join(here, '.npmrc')).size;
      const content = fs.readFileSync(path.join(here, '.npmrc'), 'utf8');
      assert.deepEqual(start(here, 'checks.mjs'), {
        status: size,
        stdout: `13 passed\nin threads: 13,13,13\n${content}exit handler: ${size}\n`,
        stderr: '',
      });
    });

    test('runs the demo: hello world, and CPython at work on files', () => {
      const { status, stdout, stderr } = start(root, 'examples/demo.js');
      assert.equal(status, 0, stderr);
      assert.match(stdout, /^hello world$/m);
      assert.match(stdout, /The same figures come out in JavaScript/);
    });

    test(`with wasi-rs/register our class is what comes of: ${reached}`, () => {
      const { stdout, stderr } = start(here, ...register, 'registered.mjs');
      assert.equal(stdout, `${reached}\n`, stderr);
    });
  });
}
