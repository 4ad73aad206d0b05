// The usage of a run: the times that it waited and ran.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compile, run } from '../../index.js';
import { ENGINES } from '../support/engine.mjs';
import { exits } from '../support/programs.mjs';

describe('usage', () => {
  for (const engine of ENGINES) {
    test(`tells how long a run waited for its program to be compiled: ${engine}`, async () => {
      const { usage } = await run(exits(1), { cache: false, engine });
      assert.ok(usage.compiled > 0 && usage.queued > 0 && usage.wall > 0, JSON.stringify(usage));
    });
  }

  test('of a program that was compiled before', async () => {
    const { usage } = await (await compile(exits(1), { cache: false })).run({ engine: 'wasmtime' });
    assert.equal(usage.compiled, 0);
  });
});
