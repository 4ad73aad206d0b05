// The test frameworks people use, each with wasi-rs in its usual ways: by name, in node:wasi's place by configuration, and
// in node:wasi's place by wasi-rs/register.

import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { command, node } from './node.mjs';

const registered = { NODE_OPTIONS: '--import wasi-rs/register' };

for (const { name, folder, args, env, says } of [
  {
    name: 'jest, all files in one process: wasi-rs by name and by moduleNameMapper',
    folder: 'jest',
    args: [command('jest'), '--runInBand', '--selectProjects', 'plain', 'mapped'],
    says: /^Tests: +35 passed, 35 total$/m,
  },
  {
    name: 'jest, with wasi-rs/register',
    folder: 'jest',
    args: [command('jest')],
    env: registered,
    says: /^Tests: +47 passed, 47 total$/m,
  },
  {
    name: 'mocha, with wasi-rs/register',
    folder: 'mocha',
    args: [command('mocha'), '--require', 'wasi-rs/register', '*.spec.*'],
    says: /^ +24 passing/m,
  },
  {
    name: 'vitest in processes, threads and vm contexts, with wasi-rs/register',
    folder: 'vitest',
    args: [command('vitest'), 'run'],
    env: registered,
    says: /^ +Tests +57 passed \(57\)$/m,
  },
  {
    name: 'run() and spawn() in jest, in the environments of Node and of jsdom',
    folder: 'realms/jest',
    args: [command('jest'), '--detectOpenHandles'],
    says: /^Tests: +26 passed, 26 total(?![^]*open handle)/m,
  },
  {
    name: 'run() and spawn() in vitest, in the environments of Node, of jsdom and of happy-dom',
    folder: 'realms/vitest',
    args: [command('vitest'), 'run'],
    says: /^ +Tests +39 passed \(39\)$/m,
  },
  {
    name: 'ava, with wasi-rs/register',
    folder: 'ava',
    args: [command('ava')],
    says: /^ +25 tests passed$/m,
  },
  {
    name: 'node:test, with wasi-rs/register',
    folder: 'node-test',
    args: ['--test', '--test-reporter=tap', 'commonjs.cjs', 'esm.mjs'],
    env: registered,
    says: /^# pass 24$/m,
  },
]) {
  test(name, async () => {
    const { output } = await node(args, { cwd: path.join(import.meta.dirname, folder), env });
    assert.match(output, says);
  });
}
