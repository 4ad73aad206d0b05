// options.args, options.env and options.preopens: what the guest sees of them, and what is said of preopens that fail.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { preview1 } from '../support/class.mjs';
import { ERRNO, Guest } from '../support/guest.mjs';
import { temporaryFolder, thrownBy } from '../support/host.mjs';

describe('what the guest sees', () => {
  test('args, also empty, with emoji, and what is no string', () => {
    const args = ['prog', '', 'žluťoučký 🐎', 'a=b', 7, null, undefined, true, ['x', 'y'], 1n];
    assert.deepEqual(new Guest({ args }).args, args.map(String));
    assert.deepEqual(new Guest({ args: [] }).args, []);
    assert.deepEqual(new Guest().args, []);
  });

  test('env, also empty and with emoji; what is undefined is left out', () => {
    const env = { A: '1', EMPTY: '', '🐎': 'žluť', NO: undefined, NULL: null, N: 7, 'with=': '=' };
    assert.deepEqual(new Guest({ env }).env, [
      'A=1',
      'EMPTY=',
      '🐎=žluť',
      'NULL=null',
      'N=7',
      'with===',
    ]);
    assert.deepEqual(new Guest().env, []);
  });

  test('process.env as it is', () => {
    const expected = Object.entries(process.env).map(([name, value]) => `${name}=${value}`);
    assert.ok(expected.length > 0);
    const guest = new Guest({ env: process.env }, { memory: '64' });
    assert.deepEqual(guest.env.sort(), expected.sort());
  });

  test('preopens from descriptor 3 on, in order, by their names', (t) => {
    const folder = temporaryFolder(t);
    const names = ['/', '/sandbox', '.', 'relative', '🐎', '/sandbox/deep'];
    for (const name of ['a', 'b']) fs.mkdirSync(path.join(folder, name));
    const guest = new Guest({ preopens: Object.fromEntries(names.map((name) => [name, folder])) });
    const found = [];
    for (let fd = 3; fd < 100 && guest.call('fd_prestat_get', fd, 0) === 0; fd++) {
      const length = guest.u32(4);
      assert.equal(guest.call('fd_prestat_dir_name', fd, 16, length), 0);
      found.push(guest.text(16, length));
    }
    assert.deepEqual(found, names);
    assert.equal(guest.call('fd_prestat_get', 3 + names.length, 0), ERRNO.BADF);
  });

  test('a preopen may be relative to the working directory, or lead through a link', (t) => {
    const folder = temporaryFolder(t);
    fs.writeFileSync(path.join(folder, 'file'), 'text');
    fs.symlinkSync(folder, path.join(folder, 'link'));
    for (const preopen of [path.relative(process.cwd(), folder), path.join(folder, 'link')]) {
      const guest = new Guest({ preopens: { '/dir': preopen } });
      assert.equal(guest.read(guest.open(3, 'file')), 'text');
    }
  });

  test('two objects share nothing', (t) => {
    const folder = temporaryFolder(t);
    const [one, other] = [
      new Guest({ args: ['one'], preopens: { '/': folder } }),
      new Guest({ args: ['other', 'x'] }),
    ];
    assert.deepEqual([one.args, other.args], [['one'], ['other', 'x']]);
    assert.equal(one.call('fd_prestat_get', 3, 0), 0);
    assert.equal(other.call('fd_prestat_get', 3, 0), ERRNO.BADF);
    assert.equal(other.call('fd_close', 1), 0);
    assert.equal(one.call('fd_fdstat_get', 1, 0), 0);
  });
});

describe('preopens that fail', () => {
  const file = fileURLToPath(import.meta.url);
  for (const [name, options, code, said] of [
    [
      'a folder that is missing',
      { preopens: { '/': '/no/such/folder' } },
      'ENOENT',
      '/no/such/folder',
    ],
    ['a file', { preopens: { '/sandbox': file } }, 'ENOTDIR', file],
    ['a folder beneath a file', { preopens: { '/': `${file}/sub` } }, 'ENOTDIR', `${file}/sub`],
    ['an empty path', { preopens: { '/': '' } }, 'ENOENT', "''"],
    ['the second of two', { preopens: { '/': '/', '/x': '/no/such' } }, 'ENOENT', '/no/such'],
    ['a closed descriptor as stdin', { stdin: 12345 }, 'EBADF', 'stdin'],
    ['a closed descriptor as stdout', { stdout: 12345 }, 'EBADF', 'stdout'],
    ['a closed descriptor as stderr', { stderr: 0x7fffffff }, 'EBADF', 'stderr'],
  ]) {
    test(`${name}: UVWASI_${code}`, () => {
      const error = thrownBy(() => preview1(options));
      assert.ok(error instanceof Error);
      assert.equal(error.name, 'Error');
      assert.equal(error.code, `UVWASI_${code}`);
      assert.ok(error.message.startsWith(`UVWASI_${code}, uvwasi_init`), error.message);
      assert.ok(error.message.includes(said), error.message);
    });
  }

  test('leave nothing open', { skip: !fs.existsSync('/proc/self/fd') && 'needs /proc' }, () => {
    const open = () => fs.readdirSync('/proc/self/fd').length;
    const before = open();
    for (let round = 0; round < 100; round++) {
      assert.throws(() => preview1({ preopens: { '/': '/', '/x': '/no/such' } }));
      assert.throws(() => preview1({ returnOnExit: 'no' }));
    }
    assert.equal(open(), before);
  });
});
