import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { ComponentError } from 'wasi-rs';
import { loadPlugins } from './host.mjs';

const logged = [];
let plugins;
before(async () => {
  plugins = await loadPlugins('plugins', { log: (plugin, text) => logged.push([plugin, text]) });
});

test('plugins are found by their names, and called', async () => {
  assert.deepEqual([...plugins.keys()], ['shout']);
  assert.equal(await plugins.get('shout').transform('hello'), 'HELLO!');
  assert.deepEqual(logged, [['shout.wasm', 'shouting hello']]);
});

test('an error of its interface is thrown', async () => {
  await assert.rejects(plugins.get('shout').transform(''), (error) => {
    assert.ok(error instanceof ComponentError);
    assert.equal(error.payload, 'there is nothing to shout');
    return true;
  });
});

test('a plugin that does not end is ended, and the next call works', async () => {
  await assert.rejects(plugins.get('shout').transform('for ever'), { code: 'ERR_WASI_TIMEOUT' });
  assert.equal(await plugins.get('shout').transform('again'), 'AGAIN!');
});
