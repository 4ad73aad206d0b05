// wasi-rs compile and wasi-rs cache

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { IS_WINDOWS, commandLine } from '../support/cli.mjs';
import { HANGS, main } from '../support/host.mjs';

const { folder, cli } = commandLine({ after });

describe('wasi-rs compile and cache', () => {
  const cache = path.join(folder, 'cache');
  /** With another cache; the process starts before this returns. */
  const withCache = (args, value = cache) => {
    const before = process.env.WASI_RS_CACHE;
    process.env.WASI_RS_CACHE = value;
    const result = cli(args);
    process.env.WASI_RS_CACHE = before;
    return result;
  };

  test('compile keeps machine code, cache shows it and clears nothing else', async () => {
    assert.equal((await withCache(['cache'])).stdout, `${cache}\n0 programs, 0 KiB\n`);
    const compiled = await withCache(['compile', 'hello.wasm']);
    const kept = `Kept in ${cache}: the machine code of hello.wasm\n`;
    for (const { code, stdout, stderr } of [compiled, await withCache(['compile', 'hello.wasm'])]) {
      assert.deepEqual([code, stdout, stderr], [0, kept, ''], 'also where it has been kept before');
    }
    fs.writeFileSync(path.join(cache, 'note.txt'), 'of somebody else');
    assert.match((await withCache(['cache'])).stdout, /\n1 program, \d.*KiB\n$/);
    assert.match((await withCache(['cache', '--clear'])).stdout, /^Removed from .*: 1 program, /);
    assert.deepEqual(fs.readdirSync(cache), ['note.txt']);
  });

  test('a cache that is off', async () => {
    assert.equal((await withCache(['cache'], '')).stdout, 'The cache is off.\n');
    const { code, stderr } = await withCache(['compile', 'hello.wasm'], '');
    assert.equal(code, 2);
    assert.match(stderr, /set WASI_RS_CACHE to a folder\n$/);
  });

  test('a folder in which nothing can be kept', async () => {
    const open = path.join(folder, 'open');
    fs.mkdirSync(open);
    fs.chmodSync(open, 0o755);
    for (const [where, why] of [
      [path.join(folder, 'hello.wasm'), /it can't be used: Not a directory/],
      [open, /it is not only yours. chmod 700 it/],
    ]) {
      const { code, stderr } = await withCache(['compile', 'hello.wasm'], where);
      assert.equal(code, 2);
      assert.ok(stderr.startsWith(`wasi-rs: no machine code can be kept in ${where}: `), stderr);
      assert.match(stderr, why);
    }
  });

  test('machine code that can not be written', { skip: IS_WINDOWS }, async () => {
    const full = path.join(folder, 'full');
    fs.mkdirSync(full, { mode: 0o700 });
    // As on a disk that is full: no file may grow.
    const script = 'ulimit -f 0; exec "$0" "$1" compile hello.wasm';
    const env = { ...process.env, WASI_RS_CACHE: full };
    const options = { cwd: folder, env, encoding: 'utf8', timeout: HANGS };
    const child = spawnSync('/bin/sh', ['-c', script, process.execPath, main], options);
    const said = `wasi-rs: no machine code can be kept in ${full}: it could not be written there, or not read\n`;
    assert.deepEqual([child.status, child.stdout, child.stderr], [2, '', said]);
  });

  test('what can not be compiled', async () => {
    const { code, stderr } = await withCache(['compile', 'cut.wasm']);
    assert.equal(code, 2);
    assert.match(stderr, /^wasi-rs: cut\.wasm can't be compiled: .*\n$/);
  });
});
