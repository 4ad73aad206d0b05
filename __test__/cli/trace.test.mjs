// wasi-rs --trace, to a file, and the variable WASI_RS_TRACE.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { commandLine } from '../support/cli.mjs';
import { main, temporaryFolder } from '../support/host.mjs';
import { exits } from '../support/programs.mjs';

const { refusal } = commandLine({ after });
const folder = temporaryFolder({ after });
fs.writeFileSync(path.join(folder, 'exits.wasm'), exits(7));

/** Runs the program in the folder. */
function run(flags, env = {}) {
  const args = [main, '--no-cache', ...flags, 'exits.wasm'];
  const { status, stderr } = spawnSync(process.execPath, args, {
    ...{ cwd: folder, encoding: 'utf8' },
    env: { ...process.env, ...env },
  });
  return { status, stderr };
}

const LINE = 'proc_exit(rval: 7)\n';

describe('wasi-rs --trace=FILE', () => {
  for (const flags of [['v8'], ['v8', '--timeout=60s'], ['wasmtime'], ['auto']]) {
    test(`writes the lines behind what is in the file: ${flags.join(' ')}`, () => {
      const name = `calls-${flags.join('')}`;
      for (const count of [1, 2]) {
        const { status, stderr } = run([`--trace=${name}`, '--engine', ...flags]);
        assert.deepEqual([status, stderr], [7, '']);
        assert.equal(fs.readFileSync(path.join(folder, name), 'utf8'), LINE.repeat(count));
      }
    });
  }

  test('is a value only behind the =', () => {
    assert.deepEqual(run(['--trace']), { status: 7, stderr: LINE });
  });

  test('that can not be opened, or has no name, is refused', async () => {
    for (const engine of ['v8', 'wasmtime']) {
      const { status, stderr } = run(['--trace=no/file', '--engine', engine]);
      assert.equal(status, 2, stderr);
      assert.match(stderr, /can't open 'no\/file' for --trace: no such file/);
    }
    assert.equal(await refusal('--trace=', 'exits.wasm'), '--trace "": it is the path of a file');
  });
});

test('WASI_RS_TRACE says where, unless --trace does', () => {
  for (const engine of ['v8', 'wasmtime']) {
    const flags = ['--engine', engine];
    assert.deepEqual(run(flags, { WASI_RS_TRACE: '1' }), { status: 7, stderr: LINE });
    assert.deepEqual(run(flags, { WASI_RS_TRACE: '0' }), { status: 7, stderr: '' });
    const name = `calls-${engine}`;
    fs.rmSync(path.join(folder, name), { force: true });
    assert.deepEqual(run(flags, { WASI_RS_TRACE: name }), { status: 7, stderr: '' });
    assert.equal(fs.readFileSync(path.join(folder, name), 'utf8'), LINE);
    const both = run(['--trace', ...flags], { WASI_RS_TRACE: name });
    assert.deepEqual(both, { status: 7, stderr: LINE });
    assert.equal(fs.readFileSync(path.join(folder, name), 'utf8'), LINE);
  }
});
