// The reference is the running Node: node:wasi and wasi-rs get the same inputs, and must do the same with them.
// differential/differences.mjs lists where they are known to differ.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import './differential/constructor.mjs';
import './differential/guest.mjs';
import './differential/property-reads.mjs';
import './differential/methods.mjs';
import './differential/shape.mjs';
import { compared, needed } from './differential/compare.mjs';
import { ON_PURPOSE } from './differential/differences.mjs';

test('every difference on purpose was met', (t) => {
  t.diagnostic(`${compared} inputs compared with node:wasi of Node ${process.version}`);
  assert.deepEqual(
    ON_PURPOSE.filter((entry) => !needed.has(entry) && !entry.since).map(({ why }) => why),
    [],
  );
});
