// A guest ends the process of a test runner (returnOnExit: false): with its code, after the exit handlers, and with all
// that was printed before.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import path from 'node:path';
import { command, node } from './node.mjs';

const cwd = path.join(import.meta.dirname, 'exit');

for (const { name, args } of [
  { name: 'mocha', args: [command('mocha'), 'exit.spec.cjs'] },
  {
    name: 'jest',
    args: [command('jest'), '--runInBand', '--rootDir', cwd, '--testMatch', '**/*.spec.cjs'],
  },
]) {
  test(name, async () => {
    const { output } = await node(args, { cwd, status: 7 });
    assert.match(output, /a line of the first/);
    assert.doesNotMatch(output, /a line of the last/);
    // In jest the test's process is not the real one: its handlers are not heard, whatever ends the process.
    if (name === 'mocha') assert.match(output, /^the exit handler heard 7$/m);
  });
}
