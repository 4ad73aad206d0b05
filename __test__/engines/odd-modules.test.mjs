// Odd modules have one outcome in both engines, and in `auto` with and without machine code.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compile, run } from '../../index.js';
import { HANGS } from '../support/host.mjs';
import { ROWS, UNCOMPILED, moduleOf, prospects } from '../support/odd-modules.mjs';
import { lengthened } from '../support/programs.mjs';

const cache = false;

/** How to run a module, in each place. */
const PLACES = {
  wasmtime: (module) => run(module, { cache, engine: 'wasmtime' }),
  v8: (module) => run(module, { cache, engine: 'v8' }),
  auto: (module) => run(module, { cache }),
  cold: (module) => run(lengthened(module), { cache }),
  warm: async (module) => (await compile(module, { cache })).run(),
};

const firstLine = ({ message }) => message.split('\n')[0];

/** What came of a run, in one form, whether it was fulfilled or rejected. */
async function outcomeOf(running) {
  try {
    const { exitCode, stdout, usage } = await running;
    return { code: exitCode, stdout: String(stdout), usage };
  } catch (error) {
    assert.equal(error.name, 'WasiError', error.stack);
    return {
      code: error.code,
      message: firstLine(error),
      stdout: String(error.stdout ?? ''),
      usage: error.usage,
    };
  }
}

describe('odd modules', { concurrency: 2 }, () => {
  for (const [name, row] of Object.entries(ROWS)) {
    test(name, { timeout: HANGS }, async () => {
      const module = moduleOf(row);
      const { began, inV8 } = prospects(row, module);
      const outcomeIn = (place) => {
        const has = row.engines ? row.engines.includes(place) : inV8 || place !== 'v8';
        return has ? row.outcome : UNCOMPILED;
      };
      for (const [place, go] of Object.entries(PLACES)) {
        if (place === 'cold' && row.outcome.message?.includes('is not a WebAssembly module'))
          continue;
        const { usage, ...outcome } = await outcomeOf(go(module));
        const expected = outcomeIn(place);
        assert.deepEqual(outcome, { stdout: '', ...expected }, place);
        if (!began || expected === UNCOMPILED) continue;
        const numbers = ['calls', 'compiled', 'cpu', 'memory', 'queued', 'read', 'wall', 'written'];
        assert.deepEqual(Object.keys(usage).sort(), numbers, place);
        assert.equal(usage.written, expected.stdout?.length ?? 0, place);
      }
    });
  }
});
