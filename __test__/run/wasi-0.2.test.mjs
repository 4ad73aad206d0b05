// Files of WASI 0.2: what its functions write into the guest's memory.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { component } from '../../benches/lib/component.mjs';
import { load } from '../../index.js';
import { temporaryFolder } from '../support/host.mjs';

const folder = temporaryFolder({ after });

const RESULT = 512;
const PATHS = { file: 1024, missing: 1088, link: 1152, new: 1216, folder: 1280 };
const DATA = 2048; // "some bytes"
const FREE = 1 << 17;
/** Codes of errors, of files and of streams. */
const [EXIST, NO_ENTRY, NOT_DIRECTORY, READ_ONLY] = [7, 20, 24, 33];
const [FAILED, CLOSED] = [0, 1];

const at = (address) => `(i32.load (i32.const ${address}))`;
const named = (name) => `(i32.const ${PATHS[name]}) (i32.const ${name.length})`;
/** The directory, the file and the stream that calls are made of. */
const [ROOT, OPENED, STREAM] = [256, 260, 264].map((address) => at(address));

/** Each function: a call of WASI, whose result is at RESULT, and where it is kept if it is a resource. */
const CALLS = {
  stat: `(call $descriptor.stat ${OPENED}`,
  'stat-at': `(call $descriptor.stat-at ${ROOT} (i32.const 1) ${named('file')}`,
  'stat-of-link': `(call $descriptor.stat-at ${ROOT} (i32.const 0) ${named('link')}`,
  'stat-missing': `(call $descriptor.stat-at ${ROOT} (i32.const 1) ${named('missing')}`,
  hash: `(call $descriptor.metadata-hash ${OPENED}`,
  read: `(call $descriptor.read ${OPENED} (i64.const 4) (i64.const 2)`,
  'read-at-end': `(call $descriptor.read ${OPENED} (i64.const 4) (i64.const 100)`,
  'read-on': `(call $input-stream.blocking-read ${STREAM} (i64.const 6)`,
  write: `(call $descriptor.write ${OPENED} (i32.const ${DATA}) (i32.const 4) (i64.const 3)`,
  'write-on': `(call $output-stream.write ${STREAM} (i32.const ${DATA}) (i32.const 10)`,
  permit: `(call $output-stream.check-write ${STREAM}`,
  next: `(call $directory-entry-stream.read-directory-entry ${STREAM}`,
  time: '(call $wall-clock.now',
  random: '(call $random.get-random-bytes (i64.const 5)',
  'open-file': [
    `(call $descriptor.open-at ${ROOT} (i32.const 1) ${named('file')} (i32.const 0) (i32.const 3)`,
    260,
  ],
  'open-new': [
    `(call $descriptor.open-at ${ROOT} (i32.const 1) ${named('new')} (i32.const 1) (i32.const 3)`,
    260,
  ],
  'open-folder': [
    `(call $descriptor.open-at ${ROOT} (i32.const 1) ${named('folder')} (i32.const 2) (i32.const 1)`,
    260,
  ],
  'open-new-only': `(call $descriptor.open-at ${ROOT} (i32.const 1) ${named('file')} (i32.const 5) (i32.const 3)`,
  'open-missing': `(call $descriptor.open-at ${ROOT} (i32.const 1) ${named('missing')} (i32.const 0) (i32.const 2)`,
  'open-to-read': [
    `(call $descriptor.open-at ${ROOT} (i32.const 1) ${named('file')} (i32.const 0) (i32.const 1)`,
    260,
  ],
  'open-to-change': `(call $descriptor.open-at ${ROOT} (i32.const 1) ${named('folder')} (i32.const 2) (i32.const 33)`,
  'open-in-file': `(call $descriptor.open-at ${OPENED} (i32.const 1) ${named('new')} (i32.const 1) (i32.const 3)`,
  'make-in-file': `(call $descriptor.create-directory-at ${OPENED} ${named('new')}`,
  'unlink-in-file': `(call $descriptor.unlink-file-at ${OPENED} ${named('new')}`,
  make: `(call $descriptor.create-directory-at ${ROOT} ${named('new')}`,
  'writing-beyond': [
    `(call $descriptor.write-via-stream ${OPENED} (i64.const 0x8000000000000000)`,
    264,
  ],
  'write-and-flush': `(call $output-stream.blocking-write-and-flush ${STREAM} (i32.const ${DATA}) (i32.const 4)`,
  flush: `(call $output-stream.blocking-flush ${STREAM}`,
  reading: [`(call $descriptor.read-via-stream ${OPENED} (i64.const 0)`, 264],
  writing: [`(call $descriptor.write-via-stream ${OPENED} (i64.const 1)`, 264],
  list: [`(call $descriptor.read-directory ${OPENED}`, 264],
};

const functions = Object.entries(CALLS).map(([name, call]) => {
  const [text, place] = [call].flat();
  const keep = place ? `(i32.store (i32.const ${place}) ${at(RESULT + 4)})` : '';
  // What the host does not write is seen.
  return `(func (export "${name}")
    (memory.fill (i32.const ${RESULT}) (i32.const 255) (i32.const 128))
    ${text} (i32.const ${RESULT})) ${keep})`;
});

const program = component({
  pages: 8,
  free: FREE,
  exports: {
    begin: '',
    look: '(param "at" u32) (result u64)',
    ...Object.fromEntries(Object.keys(CALLS).map((name) => [name, ''])),
  },
  body: `${Object.entries(PATHS)
    .map(([name, address]) => `(data (i32.const ${address}) "${name}")`)
    .join('\n')}
    (data (i32.const ${DATA}) "some bytes")
    (func (export "begin")
      (call $preopens.get-directories (i32.const ${RESULT}))
      (i32.store (i32.const 256) (i32.load ${at(RESULT)})))
    (func (export "look") (param i32) (result i64) (i64.load (local.get 0)))
    ${functions.join('\n')}`,
});

const camel = (name) => name.replace(/-(.)/g, (_, letter) => letter.toUpperCase());

/** A guest in a folder of its own: `call` gives the bytes of a result, `bytes` those at an address. */
async function guest(name, readOnly = false) {
  const root = path.join(folder, name);
  fs.mkdirSync(path.join(root, 'folder'), { recursive: true });
  fs.writeFileSync(path.join(root, 'file'), 'abcdefghij');
  fs.symlinkSync('file', path.join(root, 'link'));
  const instance = await load(program, { preopens: { '/': { path: root, readOnly } } });
  const { exports } = instance;
  await exports.begin();
  const bytes = async (address, length) => {
    const words = Buffer.alloc(Math.ceil(length / 8) * 8);
    for (let i = 0; i < words.length; i += 8)
      words.writeBigUInt64LE(await exports.look(address + i), i);
    return words.subarray(0, length);
  };
  const call = async (function_, length = 104) => {
    await exports[camel(function_)]();
    return bytes(RESULT, length);
  };
  /** The content of a list or string whose pair is at an offset of a result. */
  const listed = (result, offset) =>
    bytes(result.readUInt32LE(offset), result.readUInt32LE(offset + 4));
  return { root, call, listed, close: () => instance.close() };
}

const nanoseconds = (record, offset) =>
  record.readBigUInt64LE(offset) * 10n ** 9n + BigInt(record.readUInt32LE(offset + 8));

describe('WASI 0.2', () => {
  test('stat, of an open file, of a path, of a link, of nothing', async () => {
    const { root, call, close } = await guest('stat');
    await call('open-file');
    const expected = fs.statSync(path.join(root, 'file'), { bigint: true });
    for (const name of ['stat', 'stat-at']) {
      const record = await call(name);
      assert.deepEqual([record[0], record[8]], [0, 6], name); // a regular file
      assert.equal(record.readBigUInt64LE(16), expected.nlink);
      assert.equal(record.readBigUInt64LE(24), 10n);
      assert.deepEqual([record[32], record[56], record[80]], [1, 1, 1]);
      const times = [40, 64, 88].map((offset) => nanoseconds(record, offset));
      assert.deepEqual(times, [expected.atimeNs, expected.mtimeNs, expected.ctimeNs]);
    }
    assert.equal((await call('stat-of-link'))[8], 5);
    const missing = await call('stat-missing');
    assert.deepEqual([missing[0], missing[8]], [1, NO_ENTRY]);
    await close();
  });

  test('metadata-hash tells files apart', async () => {
    const { call, close } = await guest('hash');
    const hashes = [];
    for (const name of ['open-file', 'open-file', 'open-folder']) {
      await call(name);
      const record = await call('hash', 24);
      assert.equal(record[0], 0);
      hashes.push(record.subarray(8).toString('hex'));
    }
    assert.equal(hashes[0], hashes[1]);
    assert.notEqual(hashes[0], hashes[2]);
    await close();
  });

  test('bytes are read and written', async () => {
    const { root, call, listed, close } = await guest('bytes');
    await call('open-file');
    const part = await call('read', 16);
    assert.equal(String(await listed(part, 4)), 'cdef');
    assert.deepEqual([part[0], part[12]], [0, 0]);
    const end = await call('read-at-end', 16);
    assert.deepEqual([end[0], end.readUInt32LE(8), end[12]], [0, 0, 1]);
    await call('reading');
    const parts = [await call('read-on', 12), await call('read-on', 12)];
    assert.deepEqual(await Promise.all(parts.map(async (part) => String(await listed(part, 4)))), [
      'abcdef',
      'ghij',
    ]);
    const closed = await call('read-on', 12);
    assert.deepEqual([closed[0], closed[4]], [1, 1]);
    const written = await call('write', 16);
    assert.deepEqual([written[0], written.readBigUInt64LE(8)], [0, 4n]);
    assert.equal(fs.readFileSync(path.join(root, 'file'), 'utf8'), 'abcsomehij');
    await call('open-new');
    await call('writing');
    const permit = await call('permit', 16);
    assert.equal(permit[0], 0);
    assert.ok(permit.readBigUInt64LE(8) >= 10n);
    assert.equal((await call('write-on', 12))[0], 0);
    assert.equal((await call('permit', 16))[0], 0);
    assert.equal((await call('write-on', 12))[0], 0);
    assert.equal(fs.readFileSync(path.join(root, 'new'), 'utf8'), '\0some bytessome bytes');
    await close();
  });

  test('all entries of a large directory are listed, with their types', async () => {
    const { root, call, listed, close } = await guest('entries');
    const names = Array.from({ length: 1000 }, (_, i) => `${'ä'.repeat(i % 100)}-${i}`);
    for (const name of names) fs.writeFileSync(path.join(root, 'folder', name), '');
    fs.mkdirSync(path.join(root, 'folder', 'inner'));
    await call('open-folder');
    await call('list');
    const found = new Map();
    for (;;) {
      const record = await call('next', 20);
      assert.equal(record[0], 0);
      if (record[4] === 0) break;
      found.set(String(await listed(record, 12)), record[8]);
    }
    assert.equal((await call('next', 20))[4], 0);
    assert.equal(found.get('inner'), 3);
    found.delete('inner');
    assert.deepEqual([...found.keys()].toSorted(), names.toSorted());
    assert.deepEqual([...new Set(found.values())], [6]);
    await close();
  });

  test('a listing that has failed does not begin again', async () => {
    const { root, call, listed, close } = await guest('removed');
    for (let i = 0; i < 500; i++) fs.writeFileSync(path.join(root, 'folder', `file-${i}`), '');
    await call('open-folder');
    await call('list');
    const [found, errors] = [[], []];
    for (let i = 0; i < 600; i++) {
      const record = await call('next', 20);
      if (record[0] === 1) errors.push(record[4]);
      else if (record[4] === 1) found.push(String(await listed(record, 12)));
      fs.rmSync(path.join(root, 'folder'), { recursive: true, force: true });
    }
    assert.equal(new Set(found).size, found.length, 'no name comes twice');
    assert.ok(found.length > 0 && found.length < 500, `${found.length}`);
    assert.deepEqual([...new Set(errors)], [NO_ENTRY]);
    assert.equal(found.length + errors.length, 600);
    await close();
  });

  test('errors come in the order of preview 1’s', async () => {
    for (const readOnly of [false, true]) {
      const { root, call, close } = await guest(`errors-${readOnly}`, readOnly);
      await call('open-to-read');
      const expected = {
        ...{ 'open-in-file': NOT_DIRECTORY, 'make-in-file': NOT_DIRECTORY },
        ...{ 'unlink-in-file': NOT_DIRECTORY, 'open-missing': NO_ENTRY, 'open-new-only': EXIST },
        ...(readOnly && { 'open-file': READ_ONLY, 'open-new': READ_ONLY, make: READ_ONLY }),
        ...(readOnly && { 'open-to-change': READ_ONLY }),
      };
      for (const [name, code] of Object.entries(expected)) {
        const record = await call(name, 8);
        // The code is where a descriptor would be, if there is one.
        const found = record[name.startsWith('open') ? 4 : 1];
        assert.deepEqual([record[0], found], [1, code], `${name} ${readOnly}`);
      }
      assert.deepEqual(fs.readdirSync(root).toSorted(), ['file', 'folder', 'link']);
      await close();
    }
  });

  test('a stream whose write has failed is closed, also for flush', async () => {
    const { call, close } = await guest('closed');
    await call('open-file');
    await call('writing-beyond');
    assert.deepEqual([...(await call('flush', 8))].slice(0, 1), [0]);
    const failed = await call('write-and-flush', 12);
    assert.deepEqual([failed[0], failed[4]], [1, FAILED]);
    for (const name of ['flush', 'write-and-flush']) {
      const record = await call(name, 12);
      assert.deepEqual([record[0], record[4]], [1, CLOSED], name);
    }
    const permit = await call('permit', 16);
    assert.deepEqual([permit[0], permit[8]], [1, CLOSED]);
    await close();
  });

  test('the time, and random bytes', async () => {
    const { call, listed, close } = await guest('time');
    const time = nanoseconds(await call('time', 16), 0) / 10n ** 6n;
    assert.ok(Math.abs(Number(time) - Date.now()) < 60_000);
    const seen = new Set();
    for (let i = 0; i < 8; i++) {
      const record = await call('random', 8);
      assert.equal(record.readUInt32LE(4), 5);
      seen.add((await listed(record, 0)).toString('hex'));
    }
    assert.equal(seen.size, 8);
    await close();
  });
});
