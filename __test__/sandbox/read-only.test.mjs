// Directories that a program may only read: in the class, in both engines, on the command line.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, beforeEach, describe, test } from 'node:test';
import { WASI as CompatWASI } from '../../compat.js';
import { WASI, run, spawn } from '../../index.js';
import { forEachEngine } from '../support/engine.mjs';
import { Guest, O, RIGHT } from '../support/guest.mjs';
import { main, runNode, temporaryFolder } from '../support/host.mjs';
import { creates } from '../support/programs.mjs';

const ROFS = 69;
const root = temporaryFolder({ after });
const folder = path.join(root, 'folder');
const file = path.join(folder, 'file');
const made = path.join(folder, 'made');

beforeEach(() => {
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder);
  fs.writeFileSync(file, 'text');
});

describe('the class', () => {
  test('a file is read, and not written, made or removed', () => {
    const guest = new Guest({ preopens: { '/': { path: folder, readOnly: true } } });
    const fd = guest.open(3, 'file', { rights: RIGHT.FD_READ });
    assert.equal(guest.read(fd), 'text');
    assert.equal(guest.call('fd_filestat_set_size', fd, 0), ROFS);
    assert.equal(guest.open(3, 'file'), -ROFS);
    assert.equal(guest.open(3, 'made', { oflags: O.CREAT }), -ROFS);
    assert.equal(guest.call('path_unlink_file', 3, ...guest.put(0, 'file')), ROFS);
    assert.equal(guest.call('path_create_directory', 3, ...guest.put(0, 'made')), ROFS);
    assert.deepEqual(fs.readdirSync(folder), ['file']);
    assert.equal(fs.readFileSync(file, 'utf8'), 'text');
  });

  test('strings, and objects that do not say, are writable', () => {
    for (const preopen of [folder, { path: folder }, { path: folder, readOnly: false }]) {
      const guest = new Guest({ preopens: { '/': preopen } });
      assert.equal(guest.call('path_create_directory', 3, ...guest.put(0, 'made')), 0);
      fs.rmdirSync(made);
    }
  });

  test('a number that a writable directory had does not make it one', () => {
    const preopens = { '/a': { path: folder, readOnly: true }, '/b': root };
    const guest = new Guest({ preopens });
    guest.call('fd_fdstat_get', 4, 64); // what is remembered of the number
    assert.equal(guest.call('fd_renumber', 3, 4), 0);
    assert.equal(guest.open(4, 'made', { oflags: O.CREAT }), -ROFS);
    assert.equal(guest.call('fd_fdstat_set_rights', 4, RIGHT.ALL, RIGHT.ALL), 76);
  });

  test('of two that lead to a file, each allows what it allows', () => {
    const preopens = { '/w': root, '/w/folder': { path: folder, readOnly: true } };
    const guest = new Guest({ preopens });
    assert.equal(guest.open(4, 'file'), -ROFS);
    assert.ok(guest.open(3, 'folder/file') > 0);
    const sub = { '/': { path: root, readOnly: true }, '/folder': folder };
    const other = new Guest({ preopens: sub });
    assert.equal(other.open(3, 'folder/file'), -ROFS);
    assert.ok(other.open(4, 'file') > 0);
    // Nor does a link or a new name lead from one to the other.
    const [from, to] = [other.put(0, 'file'), other.put(64, 'made')];
    assert.equal(other.call('path_rename', 4, ...from, 3, ...to), ROFS);
    assert.equal(other.call('path_link', 3, 0, ...other.put(128, 'folder/file'), 4, ...to), ROFS);
  });
});

const WRONG = [
  [{ path: 1 }, 'path'],
  [{ readOnly: true }, 'path'],
  [{ path: '/', readOnly: 1 }, 'readOnly'],
  [{ path: '/', readOnly: null }, 'readOnly'],
];

/** What to the class is its string, as to node:wasi. */
const STRINGS = [
  [{}, 'path'],
  [['/'], undefined],
];

test('a misspelt name does not make a directory writable', async () => {
  const preopens = { '/data': { path: '/', readonly: true } };
  const expected = {
    code: 'ERR_INVALID_ARG_VALUE',
    message:
      "The property 'options.preopens['/data'].readonly' is not known (did you mean 'readOnly'?). Received true",
  };
  assert.throws(() => new WASI({ version: 'preview1', preopens }), expected);
  await assert.rejects(run(new Uint8Array(), { preopens }), expected);
});

test('wrong types are named, the same everywhere', async () => {
  for (const [value, property] of [...WRONG, ...STRINGS]) {
    const option = `options.preopens['/data']${property ? `.${property}` : ''}`;
    const options = { preopens: { '/data': value } };
    const messages = [];
    const check = (error) => {
      assert.equal(error.code, 'ERR_INVALID_ARG_TYPE');
      assert.ok(error.message.startsWith(`The "${option}" property must be of type `), error);
      messages.push(error.message);
      return true;
    };
    if (!STRINGS.some(([string]) => string === value)) {
      assert.throws(() => new WASI({ version: 'preview1', ...options }), check);
    }
    assert.throws(() => spawn(creates(), options), check);
    await assert.rejects(async () => run(creates(), options), check);
    assert.equal(new Set(messages).size, 1);
  }
});

test('other objects are their string, as with node:wasi', () => {
  const named = { toString: () => folder };
  for (const value of [named, [folder], new String(folder)]) {
    assert.doesNotThrow(() => new WASI({ version: 'preview1', preopens: { '/': value } }));
  }
  assert.throws(() => new WASI({ version: 'preview1', preopens: { '/': {} } }), {
    code: 'UVWASI_ENOENT',
  });
});

test('compat takes strings of everything, as node:wasi does', () => {
  const named = { toString: () => folder };
  const wasi = () => new CompatWASI({ version: 'preview1', preopens: { '/': named } });
  assert.doesNotThrow(wasi);
  const object = { path: folder, readOnly: true };
  const opens = () => new CompatWASI({ version: 'preview1', preopens: { '/': object } });
  assert.throws(opens, { code: 'UVWASI_ENOENT' });
});

forEachEngine(({ engine, run }) => {
  test(`run() in ${engine}`, async () => {
    const go = (preopen) => run(creates(), { preopens: { '/': preopen } });
    assert.equal((await go({ path: folder, readOnly: true })).exitCode, ROFS);
    assert.equal(fs.existsSync(made), false);
    assert.equal((await go({ path: folder })).exitCode, 0);
    assert.equal(fs.existsSync(made), true);
  });

  test(`the command line, in ${engine}`, async () => {
    const wasm = path.join(root, 'creates.wasm');
    fs.writeFileSync(wasm, creates());
    const cli = (directory) =>
      runNode([main, '--no-cache', '--engine', engine, '--dir', directory, wasm], { cwd: root });
    for (const directory of ['folder:ro', 'folder::/:ro', 'folder::/x:ro']) {
      assert.equal((await cli(directory)).code, ROFS, directory);
    }
    assert.equal(fs.existsSync(made), false);
    assert.equal((await cli('folder')).code, 0);
    fs.mkdirSync(path.join(root, 'a:ro'), { recursive: true });
    assert.equal((await cli('a:ro::/a')).code, 0);
    assert.ok(fs.existsSync(path.join(root, 'a:ro', 'made')));
    fs.rmSync(path.join(root, 'a:ro'), { recursive: true });
  });
});
