// Node's permission model: wasi-rs asks for what node:wasi asks for.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

const addon = new URL('../index.js', import.meta.url).pathname;
const flag = process.allowedNodeEnvironmentFlags.has('--permission')
  ? '--permission'
  : '--experimental-permission';

// Prints what making an object comes to.
const program = (specifier) => `
const { WASI } = require(${JSON.stringify(specifier)});
let outcome = 'made';
try {
  new WASI({ version: 'preview1', preopens: { '/': '/' } });
} catch ({ name, code, permission, resource }) {
  outcome = { name, code, permission, resource };
}
console.log(JSON.stringify(outcome));`;

function run(specifier, ...allowed) {
  const args = ['--no-warnings', flag, '--allow-fs-read=*', '--allow-addons', ...allowed];
  const child = spawnSync(process.execPath, [...args, '-e', program(specifier)], {
    encoding: 'utf8',
  });
  assert.equal(child.status, 0, child.stderr);
  return JSON.parse(child.stdout);
}

test('without --allow-wasi it is ERR_ACCESS_DENIED, as with node:wasi', () => {
  const ours = run(addon);
  assert.deepEqual(ours, {
    name: 'Error',
    code: 'ERR_ACCESS_DENIED',
    permission: 'WASI',
    resource: '',
  });
  assert.deepEqual(ours, run('node:wasi'));
});

test('with --allow-wasi it is made', () => {
  assert.equal(run(addon, '--allow-wasi'), 'made');
});
