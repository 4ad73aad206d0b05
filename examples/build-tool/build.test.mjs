import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bundle } from './build.mjs';

const project = (name) => ({
  'index.js': "import { greet } from './greet.js';\nexport const greeting = greet();",
  'greet.js': `export const greet = () => 'hello ${name}';`,
});

test('bundles of several projects', async () => {
  const bundles = await bundle({ a: project('a'), b: project('b'), c: project('c') });
  for (const [name, code] of Object.entries(bundles)) {
    const { greeting } = await import(`data:text/javascript,${encodeURIComponent(code)}`);
    assert.equal(greeting, `hello ${name}`);
  }
});

test('a mistake is an error with what esbuild says', async () => {
  await assert.rejects(bundle({ a: { 'index.js': 'const = 5;' } }), (error) => {
    assert.equal(error.code, 'ERR_WASI_EXIT');
    assert.match(error.stderr.toString(), /index\.js:1:6/);
    return true;
  });
});
