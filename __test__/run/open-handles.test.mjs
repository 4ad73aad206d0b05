// After a run nothing is left that looks as if it kept the process alive, to those who ask Node's async_hooks.

import assert from 'node:assert/strict';
import { createHook } from 'node:async_hooks';
import { after, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { compile } from '../../index.js';
import { makeRun, makeSpawn } from '../support/engine.mjs';
import { HANGS } from '../support/host.mjs';
import { SPIN, after as first, exits } from '../support/programs.mjs';

/** The resources that were made and not destroyed, as jest's --detectOpenHandles knows them. */
const resources = new Map();
const hook = createHook({
  init: (id, type, _, resource) => resources.set(id, { type, resource }),
  destroy: (id) => resources.delete(id),
}).enable();
after(() => hook.disable());

const active = () =>
  [...resources.values()].filter(
    ({ type, resource }) => type === 'wasi-rs' && (resource.hasRef?.() ?? true),
  );

for (const engine of ['wasmtime', 'v8']) {
  test(`a run in ${engine}`, { timeout: HANGS }, async () => {
    const running = makeRun(engine)(exits(0));
    assert.equal(active().length, 1);
    await running;
    assert.equal(active().length, 0);
    const child = makeSpawn(engine)(first('.', SPIN));
    assert.equal(active().length, 1);
    child.kill();
    await assert.rejects(child.result);
    while (active().length > 0) await turn(); // questions that were cancelled are answered a little later
    await compile(exits(0), { cache: false });
    assert.equal(active().length, 0);
  });
}
