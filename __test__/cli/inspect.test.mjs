// wasi-rs inspect

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, describe, test } from 'node:test';
import { IMPORTS, IS_WINDOWS, commandLine } from '../support/cli.mjs';
import { HANGS, main } from '../support/host.mjs';

const { folder, cli } = commandLine({ after });

describe('wasi-rs inspect', () => {
  const inspect = async (name) => {
    const { code, stdout } = await cli(['inspect', '--json', `${name}.wasm`]);
    return { code, ...JSON.parse(stdout) };
  };

  test('a command', async () => {
    const { code, kind, version, memory, imports, exports, missing } = await inspect('exit');
    assert.deepEqual(
      { code, kind, version, missing },
      { code: 0, kind: 'command', version: 'preview1', missing: [] },
    );
    assert.deepEqual(memory, [
      { imported: false, shared: false, wide: false, min: 65536, max: null },
    ]);
    assert.equal(imports.length, Object.keys(IMPORTS).length);
    assert.deepEqual(imports.at(-1), {
      module: 'wasi_snapshot_preview1',
      name: 'proc_exit',
      kind: 'function',
      type: '(i32) -> ()',
    });
    assert.deepEqual(exports.at(-1), { name: '_start', kind: 'function', type: '() -> ()' });
  });

  test('what is missing makes the exit code 1', async () => {
    const alien = await inspect('alien');
    assert.deepEqual([alien.code, alien.missing, alien.version], [1, ['env.foo (function)'], null]);
    const misfit = await inspect('misfit');
    assert.deepEqual(
      [misfit.code, misfit.missing],
      [1, ['wasi_snapshot_preview1.fd_close as (i64) -> ()']],
    );
  });

  test('a memory that is imported is made for the program', async () => {
    const { code, memory, imports, missing } = await inspect('shared');
    assert.deepEqual([code, missing], [0, []]);
    assert.deepEqual(memory, [
      { imported: true, shared: true, wide: false, min: 2 * 65536, max: 9 * 65536 },
    ]);
    assert.deepEqual(imports, [
      { module: 'env', name: 'memory', kind: 'memory', limits: '2 to 9' },
    ]);
  });

  test('a library, and the older version', async () => {
    const library = await inspect('library');
    assert.deepEqual(
      [library.code, library.kind, library.memory[0].max],
      [0, 'reactor', 4 * 65536],
    );
    assert.equal((await inspect('old')).version, 'unstable');
  });

  test('for people', async () => {
    const { stdout } = await cli(['inspect', 'alien.wasm']);
    assert.match(
      stdout,
      /^alien\.wasm: command, no WASI, \d+ bytes\nmemory: 64 KiB at first, no maximum\n/,
    );
    assert.match(stdout, /\nimports:\n {2}env\.foo \(\) -> \(\)\n/);
    assert.match(stdout, /\nmissing:\n {2}env\.foo \(function\)\n$/);
  });

  test('whoever reads may stop reading', { skip: IS_WINDOWS }, async () => {
    const child = spawn(
      '/bin/sh',
      ['-c', '"$0" "$1" inspect --json hello.wasm | true; echo done', process.execPath, main],
      {
        cwd: folder,
        timeout: HANGS,
      },
    );
    const [stdout, stderr] = await Promise.all([child.stdout.toArray(), child.stderr.toArray()]);
    assert.deepEqual(
      [Buffer.concat(stdout).toString(), Buffer.concat(stderr).toString()],
      ['done\n', ''],
    );
  });
});
