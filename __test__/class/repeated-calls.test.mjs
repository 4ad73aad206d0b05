// Answers that do not come from Rust: the guest's strings, once it has asked often, and what the page remembers of
// descriptors. They must be what Rust's would have been, whatever happens in between.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, test } from 'node:test';
import { WASI } from '../../index.js';
import { ERRNO, Guest, RIGHT } from '../support/guest.mjs';
import { temporaryFolder } from '../support/host.mjs';

const { BADF, FAULT, SUCCESS } = ERRNO;

/** More calls than it takes until a guest has an answer of its own. */
const OFTEN = 5000;

const END = 0x10000;

const args = ['prog', '', 'emoji🐎', 'x'.repeat(100)];
const env = { HOME: '/home/someone', EMPTY: '', WIDE: 'žluť' };
const entries = Object.entries(env).map((entry) => entry.join('='));

/** Asks for the strings until the guest knows them by heart. */
function learn(guest) {
  for (let i = 0; i < OFTEN; i++) assert.equal(guest.call('args_get', 0, 256), SUCCESS);
}

/** The functions of a guest that is nothing but a memory. */
function bound(memory) {
  const wasi = new WASI({ version: 'preview1', args });
  wasi.initialize({ exports: { memory } });
  return wasi.wasiImport;
}

describe('args_get and environ_get, asked for again and again', () => {
  for (const [what, memory] of Object.entries({
    'a memory of its own': '1',
    'a shared memory': '1 2 shared',
  })) {
    test(`hand over the same strings into ${what}`, () => {
      const guest = new Guest({ args, env }, { memory });
      const first = new Guest({ args, env }, { memory });
      learn(guest);
      for (const one of [first, guest]) {
        assert.deepEqual(one.args, args);
        assert.deepEqual(one.env, entries);
      }
      assert.deepEqual(guest.bytes(0, END).subarray(0, 200), first.bytes(0, END).subarray(0, 200));
    });
  }

  test('hand them over into a memory with 64-bit addresses, where V8 has them', (t) => {
    let memory;
    try {
      memory = new WebAssembly.Memory({ address: 'i64', initial: 1n });
      memory.grow(1n);
    } catch {
      return t.skip('V8 has none');
    }
    const { args_get: get, fd_fdstat_get: stat } = bound(memory);
    for (let i = 0; i < OFTEN; i++) assert.deepEqual([get(8, 64), stat(1, 128)], [0, 0]);
    const bytes = Buffer.from(memory.buffer);
    assert.deepEqual([bytes.readUInt32LE(8), bytes.toString('utf8', 64, 68)], [64, 'prog']);
    assert.deepEqual([get(8, 2 * END - 4), stat(1, 2 * END - 23)], [FAULT, FAULT]);
    return undefined;
  });

  test('write no byte more than the strings take', () => {
    const guest = new Guest({ args, env });
    learn(guest);
    const [addresses, bytes] = [4 * args.length, Buffer.byteLength(args.join('_')) + 1];
    guest.bytes(0, END).fill(0xa5);
    assert.equal(guest.call('args_get', 1000, 2000), SUCCESS);
    guest.bytes(1000, addresses).fill(0xa5);
    guest.bytes(2000, bytes).fill(0xa5);
    assert.ok(guest.bytes(0, END).every((byte) => byte === 0xa5));
    assert.equal(guest.call('args_get', END - addresses, END - addresses - bytes), SUCCESS);
  });

  test('know where the memory ends, also when it has grown', () => {
    const guest = new Guest({ args: ['far'] });
    learn(guest);
    for (const [argv, buffer] of [
      [END - 3, 0],
      [0, END - 3],
      [-1, 0],
      [0, -1],
    ]) {
      assert.equal(guest.call('args_get', argv, buffer), FAULT);
    }
    guest.memory.grow(1);
    assert.equal(guest.call('args_get', END, END - 3), SUCCESS);
    assert.deepEqual([guest.u32(END), guest.text(END - 3, 3)], [END - 3, 'far']);
  });

  test('hand over nothing where there is nothing, wherever the array is', () => {
    const guest = new Guest();
    learn(guest);
    guest.bytes(0, END).fill(0xa5);
    assert.equal(guest.call('environ_get', -1, END), SUCCESS);
    assert.ok(guest.bytes(0, END).every((byte) => byte === 0xa5));
  });

  test('go to the memory that was bound last', () => {
    const [one, other] = [new Guest({ args }), new Guest({ args: ['other'] })];
    learn(one);
    const [setMemory] = Object.getOwnPropertySymbols(one.wasi).filter(
      ({ description }) => description === 'kSetMemory',
    );
    one.bytes(0, END).fill(0);
    for (let round = 0; round < 2; round++) {
      one.wasi[setMemory](other.memory);
      assert.equal(one.call('args_get', 0, 256), SUCCESS);
      assert.equal(other.text(256, 4), 'prog');
      learn(one);
      assert.equal(one.bytes(256, 4).readUInt32LE(), 0);
      other.bytes(0, END).fill(0);
    }
  });

  test('of a guest that is not bound any more than it was throw', () => {
    const guest = new Guest({}, { bind: false });
    for (let i = 0; i < OFTEN; i++) {
      assert.throws(() => guest.call('args_get', 0, 256), { code: 'ERR_WASI_NOT_STARTED' });
    }
  });

  test('are whole at every length, of characters of every length', () => {
    for (const character of ['a', 'ž', '€', '🐎']) {
      for (let length = 1; length < 300; length += length < 60 ? 1 : 7) {
        const text = character.repeat(length);
        assert.deepEqual(new Guest({ args: [text, `${text}!`] }).args, [text, `${text}!`]);
      }
    }
  });

  test('are right for strings that are long, too', () => {
    const long = Array.from({ length: 50 }, (_, index) => `${index}`.repeat(40));
    const guest = new Guest({ args: long });
    for (let i = 0; i < OFTEN; i++) guest.call('args_get', 0, 256);
    assert.deepEqual(guest.args, long);
  });
});

describe('what is remembered of a descriptor', () => {
  const guestWithFolder = (t) => {
    const folder = temporaryFolder(t);
    fs.writeFileSync(`${folder}/file`, 'content');
    return new Guest({ preopens: { '/first': folder, '/2': folder } });
  };

  const fdstat = (guest, fd) => {
    guest.bytes(64, 32).fill(0xa5);
    const errno = guest.call('fd_fdstat_get', fd, 64);
    return errno === SUCCESS ? guest.bytes(64, 32).toString('hex') : errno;
  };
  const prestat = (guest, fd) => guest.call('fd_prestat_get', fd, 96) || guest.u64(96) >> 32n;

  test('is the same the second time, and writes no byte more', (t) => {
    const guest = guestWithFolder(t);
    for (const fd of [0, 3, 4, 3]) {
      const first = fdstat(guest, fd);
      assert.equal(fdstat(guest, fd), first);
      assert.equal(first.slice(48), 'a5'.repeat(8));
    }
    assert.deepEqual(
      [3, 3, 4, 4, 3, 5].map((fd) => prestat(guest, fd)),
      [6n, 6n, 2n, 2n, 6n, BADF],
    );
    for (const name of ['fd_prestat_get', 'fd_fdstat_get']) {
      assert.equal(guest.call(name, 3, 0), SUCCESS);
      assert.deepEqual(
        [END - 7, -1].map((at) => guest.call(name, 3, at)),
        [FAULT, FAULT],
      );
    }
  });

  test('is forgotten when the descriptor is closed or moved', (t) => {
    const guest = guestWithFolder(t);
    assert.deepEqual([prestat(guest, 3), typeof fdstat(guest, 3)], [6n, 'string']);
    assert.equal(guest.call('fd_renumber', 4, 3), SUCCESS);
    assert.deepEqual([prestat(guest, 3), prestat(guest, 4), fdstat(guest, 4)], [2n, BADF, BADF]);
    assert.equal(typeof fdstat(guest, 3), 'string');
    assert.equal(guest.call('fd_close', 3), SUCCESS);
    assert.deepEqual([prestat(guest, 3), fdstat(guest, 3)], [BADF, BADF]);
  });

  test('is forgotten when its number is given to another file', (t) => {
    const guest = guestWithFolder(t);
    const file = guest.open(4, 'file', { rights: RIGHT.FD_READ });
    const before = fdstat(guest, file);
    guest.call('fd_close', file);
    const directory = guest.open(4, '.', { rights: 0n });
    assert.equal(directory, file);
    assert.notEqual(fdstat(guest, directory), before);
  });

  test('follows its flags and rights', (t) => {
    const guest = guestWithFolder(t);
    const file = guest.open(4, 'file');
    fdstat(guest, file);
    const flags = () => guest.bytes(64, 24).readUInt16LE(2);
    assert.equal(guest.call('fd_fdstat_set_flags', file, 4), SUCCESS);
    fdstat(guest, file);
    assert.equal(flags(), 4);
    assert.equal(guest.call('fd_fdstat_set_rights', file, RIGHT.FD_READ, 0), SUCCESS);
    fdstat(guest, file);
    assert.equal(guest.u64(72), RIGHT.FD_READ);
  });

  test('is of one guest, not of another, nor of one that has its number', (t) => {
    const [one, other] = [guestWithFolder(t), new Guest()];
    for (let round = 0; round < 3; round++) {
      assert.equal(prestat(one, 3), 6n);
      assert.deepEqual([prestat(other, 3), fdstat(other, 3)], [BADF, BADF]);
      assert.equal(typeof fdstat(one, 3), 'string');
      assert.notEqual(fdstat(one, 0), fdstat(one, 3));
    }
  });

  test('is forgotten when the object is disposed of', { skip: !Symbol.dispose }, (t) => {
    const guest = guestWithFolder(t);
    assert.deepEqual([prestat(guest, 3), typeof fdstat(guest, 3)], [6n, 'string']);
    guest.wasi[Symbol.dispose]();
    assert.deepEqual([prestat(guest, 3), fdstat(guest, 3)], [BADF, BADF]);
  });
});
