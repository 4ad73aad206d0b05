// docs/testing.md: its recipes for test frameworks work as they stand there, and their tests pass.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { test } from 'node:test';
import { recipesOf, write } from '../support/documents.mjs';
import { shell } from './shell.mjs';

const require = createRequire(import.meta.url);
const program = (name) => Buffer.from(require(`./realms/${name}.json`), 'base64');
const programs = { 'cat.wasm': program('cat'), 'loop.wasm': program('spin') };
const recipes = recipesOf('docs/testing.md');

const SECTIONS = [
  ['jest', 1, /^Tests: +6 passed, 6 total$/gm],
  ['vitest', 2, /^ +Tests +6 passed \(6\)$/gm],
  ['mocha', 2, /^ +5 passing/gm],
  ['node:test', 1, /^[#ℹ] pass 2$/gm],
];

test('each section of the page has a test', () => {
  assert.deepEqual([...recipes.keys()], ['', ...SECTIONS.map(([title]) => title)]);
});

for (const [title, runs, says] of SECTIONS) {
  test(title, async (t) => {
    // In this folder, so that the tests find the frameworks.
    const folder = fs.mkdtempSync(path.join(import.meta.dirname, 'build', 'testing-'));
    t.after(() => fs.rmSync(folder, { recursive: true }));
    const { files, commands } = recipes.get(title);
    write(folder, { ...programs, ...recipes.get('').files, ...files });
    const { output } = await shell(commands, { cwd: folder });
    assert.equal(output.match(says)?.length, runs, output);
    assert.doesNotMatch(output, /open handle|did not exit/i);
  });
}
