// docs/cli.md

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { MARK, reference } from '../support/cli-docs.mjs';

test('docs/cli.md has all commands and flags (UPDATE_DOCS=1 writes it)', () => {
  const file = new URL('../../docs/cli.md', import.meta.url);
  const text = fs.readFileSync(file, 'utf8');
  const end = text.indexOf('\n', text.indexOf(MARK)) + 1;
  assert.ok(end > 0);
  const expected = `${text.slice(0, end)}\n${reference()}\n`;
  if (process.env.UPDATE_DOCS) fs.writeFileSync(file, expected);
  else assert.equal(text, expected);
});
