// Directories in memory: made, given to a guest, read back.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { Worker } from 'node:worker_threads';
import { gzipSync } from 'node:zlib';
import { MemoryDirectory, WASI, memory } from '../../index.js';
import { Guest, O, RIGHT } from '../support/guest.mjs';
import { index, temporaryFolder } from '../support/host.mjs';

const ROFS = 69;
const NOSPC = 51;
const XDEV = 75;

/** A guest with directories, each with an entry for the path as it is. */
const guestOf = (preopens) => new Guest({ preopens });

describe('memory()', () => {
  test('a guest reads, writes, makes and removes, and the host reads it back', () => {
    const work = memory({ 'in.txt': 'input', 'data/': { old: Buffer.from([0, 255]) } });
    const guest = guestOf({ '/work': work });
    assert.equal(guest.read(guest.open(3, 'in.txt', { rights: RIGHT.FD_READ })), 'input');
    const fd = guest.open(3, 'data/new', { oflags: O.CREAT });
    guest.write(fd, 'written');
    assert.equal(guest.call('path_unlink_file', 3, ...guest.put(0, 'data/old')), 0);
    assert.equal(guest.call('path_create_directory', 3, ...guest.put(0, 'empty')), 0);
    assert.equal(
      guest.call('path_symlink', ...guest.put(0, 'in.txt'), 3, ...guest.put(64, 'link')),
      0,
    );
    assert.equal(work.readFile('data/new', 'utf8'), 'written');
    assert.deepEqual(work.readFile('link'), Buffer.from('input'));
    assert.deepEqual(work.changed(), {
      'data/': { new: Buffer.from('written') },
      'empty/': {},
      link: memory.link('in.txt'),
    });
    assert.deepEqual(work.removed(), ['data/old']);
    assert.deepEqual(memory(work.tree()).tree(), work.tree());
  });

  test('it is for reading only where that is asked for', () => {
    const work = memory({ file: 'text' });
    const guest = guestOf({ '/a': { directory: work, readOnly: true }, '/b': { directory: work } });
    assert.equal(guest.open(3, 'made', { oflags: O.CREAT }), -ROFS);
    assert.ok(guest.open(4, 'made', { oflags: O.CREAT }) > 4);
    assert.ok(guest.open(3, 'made', { rights: RIGHT.FD_READ }) > 5, 'it is the same directory');
  });

  test('nothing goes over its limit', () => {
    const work = memory({}, { limit: 100_000 });
    const guest = guestOf({ '/': work });
    const fd = guest.open(3, 'file', { oflags: O.CREAT });
    let written = 0;
    const [iovs, count] = guest.iovecs(16, [4096, 40_000]);
    while (guest.call('fd_write', fd, iovs, count, 32) === 0) written += guest.u32(32);
    assert.ok(written >= 60_000 && written <= 100_000, `${written} bytes`);
    assert.equal(guest.call('path_create_directory', 3, ...guest.put(512, 'x'.repeat(255))), 0);
    assert.equal(guest.call('fd_write', fd, iovs, count, 32), NOSPC);
    assert.ok(work.used <= work.limit && work.limit === 100_000);
    work.rm('file');
    assert.equal(guest.call('fd_close', fd), 0);
    assert.ok(work.used < 1000);
  });

  test('a file does not go from one directory into another of its own', () => {
    const guest = guestOf({ '/a': memory({ file: '' }), '/b': memory() });
    const [from, to] = [guest.put(0, 'file'), guest.put(64, 'moved')];
    assert.equal(guest.call('path_rename', 3, ...from, 4, ...to), XDEV);
    assert.equal(guest.call('path_link', 3, 0, ...from, 4, ...to), XDEV);
  });

  test('it lies beside directories of the host', (t) => {
    const folder = temporaryFolder(t);
    fs.writeFileSync(path.join(folder, 'file'), 'real');
    const guest = guestOf({ '/real': folder, '/work': memory({ file: 'memory' }) });
    assert.equal(guest.read(guest.open(3, 'file', { rights: RIGHT.FD_READ })), 'real');
    assert.equal(guest.read(guest.open(4, 'file', { rights: RIGHT.FD_READ })), 'memory');
    assert.equal(
      guest.call('path_rename', 3, ...guest.put(0, 'file'), 4, ...guest.put(64, 'x')),
      XDEV,
    );
  });

  test('thousands of them', () => {
    const all = Array.from({ length: 5000 }, (_, i) => memory({ [`file-${i}`]: `${i}` }));
    const guest = guestOf({ '/': all[4321] });
    assert.equal(guest.read(guest.open(3, 'file-4321', { rights: RIGHT.FD_READ })), '4321');
    assert.ok(all.every((one, i) => one.readFile(`file-${i}`, 'utf8') === `${i}`));
  });

  test('guests share it, in other threads too', async () => {
    const work = memory({ file: 'of the main thread' });
    const script = `
      const { memory, WASI } = require(${JSON.stringify(index)});
      const { parentPort, workerData } = require('node:worker_threads');
      const work = memory.shared(workerData);
      new WASI({ version: 'preview1', preopens: { '/': work } });
      work.writeFile('from/worker', work.readFile('file', 'utf8').toUpperCase());
      parentPort.postMessage(work.removed());`;
    const worker = new Worker(script, { eval: true, workerData: work.share() });
    const [message] = await Promise.all([
      new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject)),
      new Promise((resolve) => worker.once('exit', resolve)),
    ]);
    assert.deepEqual(message, []);
    assert.equal(work.readFile('from/worker', 'utf8'), 'OF THE MAIN THREAD');
    assert.equal(memory.shared(work.share()).readFile('file', 'utf8'), 'of the main thread');
  });
});

describe('its methods', () => {
  test('errors are those of node:fs', () => {
    const work = memory({ file: '', 'folder/': {} });
    const error = { code: 'ENOENT', errno: -2, syscall: 'open', path: 'none' };
    assert.throws(() => work.readFile('none'), error);
    assert.throws(() => work.readFile('folder'), { code: 'EISDIR' });
    assert.throws(() => work.writeFile('file/x', ''), { code: 'ENOTDIR' });
    assert.throws(() => work.readFile('../x'), { code: 'ENOTCAPABLE', message: /leads out/ });
    assert.throws(() => work.rm('none'), { code: 'ENOENT', syscall: 'rm' });
    assert.throws(() => work.readFile(5), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => work.readFile('a\0b'), { code: 'ERR_INVALID_ARG_VALUE' });
    assert.throws(() => work.readFile('file', 'utf99'), { code: 'ERR_INVALID_ARG_VALUE' });
    assert.throws(() => work.writeFile('x', 5), { code: 'ERR_INVALID_ARG_TYPE', message: /data/ });
    assert.throws(() => MemoryDirectory.prototype.tree.call({}), { code: 'ERR_INVALID_THIS' });
    assert.throws(() => new MemoryDirectory(), { code: 'ERR_ILLEGAL_CONSTRUCTOR' });
    assert.throws(() => memory.shared('wasi-rs:memory:0'), { code: 'ERR_INVALID_ARG_VALUE' });
  });

  test('a directory of the host is copied in and out', (t) => {
    const folder = temporaryFolder(t);
    const at = (...names) => path.join(folder, ...names);
    fs.mkdirSync(at('from', 'sub', 'empty'), { recursive: true });
    fs.writeFileSync(at('from', 'sub', 'file'), 'text');
    fs.symlinkSync('sub/file', at('from', 'link'));
    const work = memory.from(at('from'));
    assert.match(inspect(work), /^MemoryDirectory \{ used: \d+, limit: \d+ \}$/);
    assert.equal(inspect(Object.create(work)), 'MemoryDirectory {}');
    const tree = {
      link: memory.link('sub/file'),
      'sub/': { 'empty/': {}, file: Buffer.from('text') },
    };
    assert.deepEqual(work.tree(), tree);
    assert.deepEqual([work.changed(), work.removed()], [{}, []]);
    work.copyTo(at('to'));
    assert.deepEqual(memory.from(new URL(`file://${at('to')}`)).tree(), tree);
    assert.throws(() => work.copyTo(at('to')), { code: 'ENOTEMPTY' });
    assert.throws(() => memory.from(at('none')), { code: 'ENOENT' });
    assert.throws(() => memory.from(at('from'), { limit: 3 }), { code: 'ERR_OUT_OF_RANGE' });
    if (process.platform !== 'linux') return; // others have no such names
    fs.mkdirSync(at('odd'));
    fs.writeFileSync(Buffer.from(`${at('odd')}/\xff`, 'latin1'), '');
    assert.throws(() => memory.from(at('odd')), { message: /has a name that is no UTF-8/ });
  });

  test('archives of tar', () => {
    const tree = {
      'a/': { 'empty/': {}, é: Buffer.from('text') },
      link: memory.link('a/é'),
      ['n'.repeat(200)]: Buffer.alloc(5000, 1),
    };
    const archive = memory(tree).toTar();
    const work = memory.fromTar(archive);
    assert.deepEqual(work.tree(), tree);
    assert.deepEqual([work.changed(), work.toTar()], [{}, archive]);
    assert.deepEqual(memory.fromTar(new Uint8Array(archive).buffer).tree(), tree);
    const code = 'ERR_INVALID_ARG_VALUE';
    assert.throws(() => memory.fromTar(gzipSync(archive)), { code, message: /gunzipSync/ });
    assert.throws(() => memory.fromTar(archive.subarray(0, 700)), { code, message: /archive/ });
    assert.throws(() => memory.fromTar(archive, { limit: 100 }), { code, message: /limit/ });
    assert.throws(() => memory.fromTar('text'), { code: 'ERR_INVALID_ARG_TYPE' });
    const evil = Buffer.from(memory({ AAevil: 'x' }).toTar());
    evil.write('../evil', 0);
    let sum = 0;
    evil.fill(' ', 148, 156);
    for (const byte of evil.subarray(0, 512)) sum += byte;
    evil.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    assert.throws(() => memory.fromTar(evil), { code, message: /'\.\.'/ });
  });

  test('a link that leads out is not copied out', (t) => {
    const folder = temporaryFolder(t);
    for (const target of ['../x', '/etc', 'a/../../x', 'sub/../..']) {
      const work = memory({ 'sub/': {}, file: '', link: memory.link(target) });
      assert.throws(() => work.copyTo(path.join(folder, 'to')), /link.*leads out/);
      assert.ok(!fs.existsSync(path.join(folder, 'to')));
    }
    memory({ 'sub/link': memory.link('../file') }).copyTo(path.join(folder, 'to'));
  });
});

describe('after a hostile guest', () => {
  test('a link that leads over another one is not copied out', (t) => {
    const folder = temporaryFolder(t);
    fs.writeFileSync(path.join(folder, 'secret'), 'x');
    const up = { 'd/e/up': memory.link('../..'), out: memory.link('d/e/up/../secret') };
    assert.throws(() => memory(up).copyTo(path.join(folder, 'to')), /'out'|leads out/);
    const deep = 'd/'.repeat(12);
    const far = {
      [`${deep}up`]: memory.link('../'.repeat(12)),
      out: memory.link(`${deep}up/../etc`),
    };
    assert.throws(() => memory(far).copyTo(path.join(folder, 'to')), /leads out/);
    const endless = { a: memory.link('b'), b: memory.link('a'), c: memory.link('c/x') };
    memory(endless).copyTo(path.join(folder, 'to'));
  });

  test('holes are given back as far as the limit goes', () => {
    const work = memory({ real: 'text' }, { limit: 2 ** 20 });
    const guest = guestOf({ '/': work });
    const fd = guest.open(3, 'hole', { oflags: O.CREAT });
    assert.equal(guest.call('fd_filestat_set_size', fd, 2 ** 40), 0);
    for (const read of [() => work.readFile('hole'), () => work.tree(), () => work.changed()])
      assert.throws(read, { code: 'ENOMEM' });
    assert.throws(() => work.copyTo('nowhere'), { code: 'ENOMEM', message: /'hole'/ });
    assert.equal(work.readFile('real', 'utf8'), 'text');
    work.rm('hole');
    assert.deepEqual(work.changed(), {});
  });

  test('directories that are too deep are an error', () => {
    const work = memory({}, { limit: 2 ** 24 });
    const guest = guestOf({ '/': work });
    const name = guest.put(0, 'd'.repeat(200));
    let dir = 3;
    for (let depth = 0; depth < 2000; depth++) {
      assert.equal(guest.call('path_create_directory', dir, ...name), 0);
      const next = guest.open(dir, 'd'.repeat(200), { oflags: O.DIRECTORY, rights: RIGHT.FD_READ });
      assert.ok(next > 3);
      if (dir > 3) guest.call('fd_close', dir);
      dir = next;
    }
    assert.throws(() => work.tree(), { code: 'ENAMETOOLONG' });
    assert.deepEqual(work.removed(), []);
    work.rm('d'.repeat(200));
    assert.deepEqual([work.tree(), work.used], [{}, work.used]);
  });

  test('a name that is no text can not be made', () => {
    const work = memory({ file: '' });
    const guest = guestOf({ '/': work });
    const bad = guest.put(0, Buffer.from([0xff, 0xfe]));
    assert.equal(guest.call('path_create_directory', 3, ...bad), 25, 'EILSEQ');
    assert.equal(guest.call('path_rename', 3, ...guest.put(64, 'file'), 3, ...bad), 25);
    assert.deepEqual(Object.keys(work.tree()), ['file']);
  });

  test('files are written through links, and never above', () => {
    const work = memory({ 'dir/': {}, ld: memory.link('dir'), dangling: memory.link('dir/made') });
    work.writeFile('ld/new', 'a');
    work.writeFile('dangling', 'b');
    assert.deepEqual(Object.keys(work.tree()['dir/']), ['made', 'new']);
    assert.throws(() => work.writeFile('none/../x', ''), { code: 'EINVAL' });
    assert.throws(() => work.writeFile('a/', ''), { code: 'EISDIR' });
    const full = memory({ file: Buffer.alloc(600_000) }, { limit: 10 ** 6 });
    full.writeFile('file', Buffer.alloc(700_000));
    assert.equal(full.readFile('file').length, 700_000);
  });
});

describe('wrong entries and options', () => {
  const refused = (entries, pattern, code = 'ERR_INVALID_ARG_VALUE') =>
    assert.throws(() => memory(entries), { code, message: pattern });

  test('names are refused by name', () => {
    refused({ '': '' }, /entries\[''\].*must have a name/);
    refused({ '../x': '' }, /entries\['\.\.\/x'\].*'\.\.'/);
    refused({ 'a/./b': '' }, /must not have/);
    refused({ 'a//b': '' }, /empty name/);
    refused({ '/a': '' }, /empty name/);
    refused({ d: { 'a\0': '' } }, /entries\['d'\]\['a.*null bytes/);
    refused({ '\ud800': '' }, /lone surrogates/);
    refused({ ['é'.repeat(128)]: '' }, /more than 255 bytes/);
    refused({ a: '', 'a/': {} }, /'a\/'\].*entry before it/);
    refused({ a: '', 'a/b': '' }, /'a\/b'\].*entry before it/);
    refused({ 'a/b': '', a: { b: '' } }, /\['a'\]\['b'\].*entry before it/);
    refused({ a: {}, 'a/': {} }, /entry before it/);
    const endless = {};
    endless.x = endless;
    refused(endless, /nested too deeply/);
  });

  test('other values are refused', () => {
    const type = 'ERR_INVALID_ARG_TYPE';
    const objects = [new Map(), new Set(), new Date(), Promise.resolve(), /a/, memory()];
    for (const value of [1, true, null, ['a'], ...objects, () => {}, Symbol('a')])
      refused({ a: value }, /entries\['a'\]/, type);
    refused({ 'a/': 'text' }, /ends in a slash/, type);
    for (const entries of [null, 'a', [], 5]) refused(entries, /"entries"/, type);
    assert.throws(() => memory({}, { limt: 5 }), { message: /limt.*limit/ });
    assert.throws(() => memory({}, { other: undefined, limt: 5 }), { message: /limt.*limit/ });
    for (const limit of ['5', {}]) assert.throws(() => memory({}, { limit }), { code: type });
    for (const limit of [-1, 1.5, NaN, 2 ** 53])
      assert.throws(() => memory({}, { limit }), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => memory({ a: 'x'.repeat(2000) }, { limit: 2000 }), {
      code: 'ERR_OUT_OF_RANGE',
      message: /options\.limit.*entries\['a'\]/,
    });
    assert.throws(() => memory.link(''), { code: 'ERR_INVALID_ARG_VALUE' });
  });

  test('as a preopen', () => {
    const make = (value) => new WASI({ version: 'preview1', preopens: { '/a': value } });
    assert.throws(() => make({ directory: {} }), {
      code: 'ERR_INVALID_ARG_TYPE',
      message: /preopens\['\/a'\]\.directory.*MemoryDirectory/,
    });
    assert.throws(() => make({ directory: memory(), path: '.' }), {
      code: 'ERR_INCOMPATIBLE_OPTION_PAIR',
    });
    assert.throws(() => make({ directory: memory(), writable: true }), /writable/);
  });
});
