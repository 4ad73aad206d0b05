// Packages that load node:wasi themselves, unedited: under wasi-rs/register they do their work with our class.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { node } from './node.mjs';

for (const { name, threads, says, expected } of [
  {
    name: 'oxc-parser',
    threads: true,
    expected: {
      errors: 1,
      types: ['ExportNamedDeclaration'],
      names: Array.from({ length: 20 }, (_, i) => `f${i}`),
    },
  },
  {
    name: 'rolldown',
    threads: true,
    expected: {
      answer: 42,
      shaken: true,
      sources: ['../src/deep/twice.js', '../src/main.js'],
      failure: true,
    },
  },
  {
    name: 'links',
    threads: true,
    expected: {
      resolved: 'store/linked/index.js',
      source: 'store/linked/index.js',
      answer: 42,
      candidates: ['text-red-500'],
      dangling: true,
    },
  },
  {
    name: 'tailwind',
    expected: {
      candidates: ['underline', 'text-red-500', 'md:flex', 'font-bold'],
      files: ['deep/er/component.jsx', 'page.html'],
    },
  },
  {
    name: 'extism',
    threads: true,
    expected: {
      thread: { output: 'from a thread', file: 'from a thread' },
      worker: { output: 'from a worker', file: 'from a worker' },
    },
  },
  {
    name: 'ruby',
    says: 'hello from Ruby\n',
    expected: {
      json: { sum: 55, now: true },
      listed: 'b two',
      file: '1\n2\n3\n6\n',
      escape: 'Errno::ENOTCAPABLE',
    },
  },
]) {
  test(`${name} ${threads ? 'in worker threads' : 'on the main thread'}`, async (t) => {
    const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'wasi-rs-package-')));
    t.after(() => fs.rmSync(folder, { recursive: true }));
    const work = path.join(folder, 'work');
    fs.mkdirSync(work);

    const preloads = ['--import', 'wasi-rs/register', '--import', './witness.js'];
    const WASI_WITNESS = path.join(folder, 'witness');
    const { stdout } = await node([...preloads, `${name}.mjs`, work], {
      cwd: path.join(import.meta.dirname, 'consumers'),
      // Of napi-rs's packages the one for WASI, though there is one for this machine.
      env: { WASI_WITNESS, NAPI_RS_FORCE_WASI: 'error' },
    });
    const result = stdout.slice(says?.length ?? 0);
    assert.equal(stdout, `${says ?? ''}${result}`);
    assert.deepEqual(JSON.parse(result), expected);

    const objects = fs.readFileSync(WASI_WITNESS, 'utf8').trim().split('\n');
    assert.deepEqual(
      objects.filter((line) => !/^\d+ ours$/.test(line)),
      [],
    );
    assert.ok(objects.includes('0 ours'), 'the main thread made no object');
    if (threads)
      assert.ok(
        objects.some((line) => !line.startsWith('0 ')),
        'no worker made one',
      );
  });
}
