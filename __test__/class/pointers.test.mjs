// Pointers of every kind into the guest's memory, in every system call: what lies outside is an errno, and nothing is done.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ERRNO, FOLLOW, Guest, RIGHT, SYSCALLS } from '../support/guest.mjs';
import { temporaryFolder } from '../support/host.mjs';

const { FAULT } = ERRNO;
const PAGE = 0x10000;

/** Whether random bytes have come to the last place of a memory: the chance that all 16 are 0 is none. */
function isFilled(memory, at, length = 16) {
  return new Uint8Array(memory.buffer, at, length).some((byte) => byte !== 0);
}

// Where everything lies that the calls below point to.
const NAME = 1024; // 'file'
const OTHER = 1040; // 'other'
const LINK = 1056; // 'link'
const FOLDER = 1072; // 'folder'
const IOVECS = 1088; // one, of 16 bytes at DATA
const SUBSCRIPTION = 1152; // a clock that is due
const DATA = 2048;
const OUT = 4096;

/**
 * For each system call that takes pointers, a call that succeeds: its arguments, as a function of the descriptors of
 * the guest below; each pointer as `at(address, bytes)`; what puts things in order before it is made again.
 */
const CALLS = {
  args_get: ({ at }) => [at(OUT, 8), at(DATA, 9)],
  args_sizes_get: ({ at }) => [at(OUT, 4), at(OUT + 8, 4)],
  environ_get: ({ at }) => [at(OUT, 8), at(DATA, 8)],
  environ_sizes_get: ({ at }) => [at(OUT, 4), at(OUT + 8, 4)],
  clock_res_get: ({ at }) => [0, at(OUT, 8)],
  clock_time_get: ({ at }) => [0, 0, at(OUT, 8)],
  fd_fdstat_get: ({ at, file }) => [file, at(OUT, 24)],
  fd_filestat_get: ({ at, file }) => [file, at(OUT, 64)],
  fd_pread: ({ at, file }) => [file, at(IOVECS, 8), 1, 0, at(OUT, 4)],
  fd_prestat_get: ({ at, dir }) => [dir, at(OUT, 8)],
  fd_prestat_dir_name: ({ at, dir }) => [dir, at(OUT, 4), 4],
  fd_pwrite: ({ at, file }) => [file, at(IOVECS, 8), 1, 0, at(OUT, 4)],
  fd_read: ({ at, file }) => [file, at(IOVECS, 8), 1, at(OUT, 4)],
  fd_readdir: ({ at, dir }) => [dir, at(DATA, 40), 40, 0, at(OUT, 4)],
  fd_seek: ({ at, file }) => [file, 0, 0, at(OUT, 8)],
  fd_tell: ({ at, file }) => [file, at(OUT, 8)],
  fd_write: ({ at, file }) => [file, at(IOVECS, 8), 1, at(OUT, 4)],
  path_create_directory: ({ at, dir }) => [dir, at(OTHER, 5), 5],
  path_filestat_get: ({ at, dir }) => [dir, 0, at(NAME, 4), 4, at(OUT, 64)],
  path_filestat_set_times: ({ at, dir }) => [dir, 0, at(NAME, 4), 4, 0, 0, 2],
  path_link: ({ at, dir }) => [dir, 0, at(NAME, 4), 4, dir, at(OTHER, 5), 5],
  path_open: ({ at, dir }) => [
    ...[dir, FOLLOW, at(NAME, 4), 4, 0],
    ...[RIGHT.ALL, RIGHT.ALL, 0, at(OUT, 4)],
  ],
  path_readlink: ({ at, dir }) => [dir, at(LINK, 4), 4, at(DATA, 4), 4, at(OUT, 4)],
  path_remove_directory: ({ at, dir }) => [dir, at(FOLDER, 6), 6],
  path_rename: ({ at, dir }) => [dir, at(NAME, 4), 4, dir, at(OTHER, 5), 5],
  path_symlink: ({ at, dir }) => [at(NAME, 4), 4, dir, at(OTHER, 5), 5],
  path_unlink_file: ({ at, dir }) => [dir, at(NAME, 4), 4],
  poll_oneoff: ({ at }) => [at(SUBSCRIPTION, 48), at(OUT, 32), 1, at(DATA, 4)],
  random_get: ({ at }) => [at(OUT, 32), 32],
  sock_accept: ({ at, listener }) => [listener, 0, at(OUT, 4)],
  sock_recv: ({ at, socket }) => [socket, at(IOVECS, 8), 1, 1, at(OUT, 4), at(OUT + 8, 2)],
  sock_send: ({ at, socket }) => [socket, at(IOVECS, 8), 1, 0, at(OUT, 4)],
};

/** Those without pointers. `proc_exit` throws and is not called with the others. */
const POINTERLESS = [
  ...['fd_advise', 'fd_allocate', 'fd_close', 'fd_datasync', 'fd_fdstat_set_flags'],
  ...['fd_fdstat_set_rights', 'fd_filestat_set_size', 'fd_filestat_set_times', 'fd_renumber'],
  ...['fd_sync', 'proc_exit', 'proc_raise', 'sched_yield', 'sock_shutdown'],
];

const isPointer = (arg) => typeof arg === 'object';

describe('pointers', () => {
  test('the tables name all 46 system calls', () => {
    assert.deepEqual([...Object.keys(CALLS), ...POINTERLESS].sort(), Object.keys(SYSCALLS).sort());
  });

  /** @type {Guest & Record<string, any>} */
  let guest;
  /** @type {net.Socket[]} */
  let sockets = [];
  const server = net.createServer({ pauseOnConnect: true });
  const folder = path.join(temporaryFolder({ after }), 'preopen');
  const at = (address, bytes) => ({ address, bytes });

  /** The host's folder as every call finds it, and the guest's open file. */
  const prepare = () => {
    for (const name of fs.readdirSync(folder))
      fs.rmSync(path.join(folder, name), { recursive: true });
    fs.mkdirSync(path.join(folder, 'folder'));
    fs.writeFileSync(path.join(folder, 'file'), 'x'.repeat(100));
    fs.symlinkSync('file', path.join(folder, 'link'));
    if (guest.file) assert.equal(guest.call('fd_close', guest.file), 0);
    guest.file = guest.open(3, 'file');
    assert.ok(guest.file > 3);
  };

  before(async () => {
    // A connected socket with something to read, and a listening one with somebody waiting. What is sent comes from
    // another process, since this one's event loop is not to turn in between.
    fs.mkdirSync(folder);
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address();
    const accepted = new Promise((resolve) => server.once('connection', resolve));
    const client = net.connect(port, '127.0.0.1');
    const connection = await accepted;
    await new Promise((resolve) => client.write('y'.repeat(64), resolve));
    sockets = [client, connection];
    const script = `require('node:net').connect(${port}, '127.0.0.1').on('connect', process.exit)`;
    assert.equal(spawnSync(process.execPath, ['-e', script]).status, 0);

    guest = new Guest({
      args: ['prog', 'arg'],
      env: { A: '1', B: '2' },
      preopens: { '/dir': folder },
      stdin: connection._handle.fd,
      stdout: server._handle.fd,
    });
    guest.dir = 3;
    guest.socket = 0;
    guest.listener = 1;
    guest.at = at;
    prepare();
  });

  after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  /** The memory as every call finds it. */
  const arrange = () => {
    guest.bytes(0, PAGE).fill(0);
    guest.put(NAME, 'file');
    guest.put(OTHER, 'other');
    guest.put(LINK, 'link');
    guest.put(FOLDER, 'folder');
    guest.iovecs(IOVECS, [DATA, 16]);
  };

  /** Makes the call with pointer number `index` moved to `address`, what it pointed to with it. */
  const callWith = (name, index, address) => {
    arrange();
    const args = CALLS[name](guest);
    if (index !== undefined) {
      const { address: old, bytes } = args[index];
      const room = Math.max(0, Math.min(bytes, PAGE - address));
      guest.bytes(Math.min(address, PAGE - room), room).set(guest.bytes(old, room));
      args[index] = at(address, bytes);
    }
    return guest.call(name, ...args.map((arg) => (isPointer(arg) ? arg.address : arg)));
  };

  for (const [name, example] of Object.entries(CALLS)) {
    const args = example({ at });
    const pointers = args.flatMap((arg, index) => (isPointer(arg) ? [index] : []));

    test(`${name}: past the end, across it and wrapping is EFAULT, and nothing is done`, () => {
      prepare();
      const listing = fs.readdirSync(folder);
      for (const index of pointers) {
        const { bytes } = args[index];
        for (const address of [
          PAGE - bytes + 1,
          PAGE - 1,
          PAGE,
          PAGE + 1,
          0x7fffffff,
          0x80000000,
          2 ** 32 - bytes,
          2 ** 32 - bytes + 1,
          0xffffffff,
        ]) {
          assert.equal(callWith(name, index, address), FAULT, `argument ${index} at ${address}`);
        }
        assert.deepEqual(fs.readdirSync(folder), listing);
        assert.equal(fs.readFileSync(path.join(folder, 'file'), 'utf8'), 'x'.repeat(100));
      }
    });

    test(`${name}: works, also at the last place of the memory`, () => {
      // Whatever was opened or accepted is closed, so that the next gets the same number.
      const close = () => {
        if (name === 'path_open') assert.equal(guest.call('fd_close', guest.file + 1), 0);
      };
      const places = name === 'sock_accept' ? [pointers[0]] : [undefined, ...pointers];
      for (const index of places) {
        prepare();
        const address = index === undefined ? undefined : PAGE - args[index].bytes;
        assert.equal(callWith(name, index, address), 0, `argument ${index} at ${address}`);
        close();
      }
    });
  }

  test('all of them wrong at once is an errno as well', () => {
    for (const [name, example] of Object.entries(CALLS)) {
      for (const address of [PAGE - 1, PAGE, 0x80000000, 0xffffffff]) {
        const args = example({ ...guest, at: () => address, dir: 3 });
        const errno = guest.call(name, ...args);
        assert.equal(errno, FAULT, `${name} at ${address}`);
      }
    }
  });

  test('lengths and counts of every kind are an errno', () => {
    arrange();
    for (const length of [0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff]) {
      for (const address of [0, NAME, PAGE, 0xffffffff]) {
        for (const [name, args] of [
          ['fd_read', [guest.file, address, length, OUT]],
          ['fd_write', [guest.file, address, length, OUT]],
          ['fd_pread', [guest.file, address, length, 0, OUT]],
          ['fd_pwrite', [guest.file, address, length, 0, OUT]],
          ['fd_readdir', [3, address, length, 0, OUT]],
          ['random_get', [address, length]],
          ['poll_oneoff', [address, OUT, length, OUT]],
          ['path_open', [3, 1, address, length, 0, RIGHT.ALL, RIGHT.ALL, 0, OUT]],
          ['path_create_directory', [3, address, length]],
          ['path_filestat_get', [3, 1, address, length, OUT]],
          ['path_unlink_file', [3, address, length]],
          ['path_symlink', [address, length, 3, OTHER, 5]],
          ['path_symlink', [NAME, 4, 3, address, length]],
          ['sock_recv', [0, address, length, 1, OUT, OUT + 8]],
          ['sock_send', [0, address, length, 0, OUT]],
        ]) {
          const errno = guest.call(name, ...args);
          assert.ok(errno > 0 && errno <= 76, `${name}(${args}): ${errno}`);
        }
      }
    }
  });

  test('an iovec that reaches outside is EFAULT, and nothing is read or written', () => {
    for (const [address, length] of [
      [PAGE, 1],
      [PAGE - 1, 2],
      [0, PAGE + 1],
      [0xffffffff, 1],
      [0xffffffff, 0xffffffff],
      [1, 0xffffffff],
      [0x80000000, 0x80000000],
    ]) {
      prepare();
      for (const name of ['fd_read', 'fd_write', 'fd_pread', 'fd_pwrite']) {
        arrange();
        const where = guest.iovecs(IOVECS, [DATA, 16], [address, length]);
        const offset = name.startsWith('fd_p') ? [0] : [];
        assert.equal(guest.call(name, guest.file, ...where, ...offset, OUT), FAULT);
        assert.ok(guest.bytes(DATA, 16).every((byte) => byte === 0));
      }
      assert.equal(fs.readFileSync(path.join(folder, 'file'), 'utf8'), 'x'.repeat(100));
    }
  });

  test('an empty iovec may point anywhere inside, and to the end', () => {
    arrange();
    const where = guest.iovecs(IOVECS, [PAGE, 0], [DATA, 4]);
    assert.equal(guest.call('fd_pread', guest.file, ...where, 0, OUT), 0);
    assert.equal(guest.u32(OUT), 4);
  });

  test('iovecs that overlap each other and the result', () => {
    arrange();
    fs.writeFileSync(path.join(folder, 'file'), 'abcdefgh');
    const where = guest.iovecs(IOVECS, [DATA, 4], [DATA + 2, 4]);
    assert.equal(guest.call('fd_read', guest.file, ...where, OUT), 0);
    assert.equal(guest.text(DATA, 6), 'abefgh');
    assert.equal(guest.call('fd_pread', guest.file, ...where, 0, IOVECS), 0);
    assert.equal(guest.u32(IOVECS), 8);
  });

  test('from JavaScript: numbers, negative ones and BigInts, as WebAssembly converts them', () => {
    const { wasiImport } = guest.wasi;
    arrange();
    assert.equal(wasiImport.random_get(-1, 1), FAULT);
    assert.equal(wasiImport.random_get(2 ** 32 + OUT, 16), 0);
    assert.ok(isFilled(guest.memory, OUT));
    assert.equal(wasiImport.random_get(`${DATA}`, 16.9), 0);
    assert.ok(isFilled(guest.memory, DATA));
    assert.equal(wasiImport.random_get(undefined, 16), 0);
    assert.ok(isFilled(guest.memory, 0));
    assert.equal(wasiImport.random_get(), 0);
    assert.equal(wasiImport.clock_time_get(0, 0n, OUT, 'one more'), 0);
    assert.equal(wasiImport.clock_time_get(0, -1n, OUT), 0);
    assert.equal(wasiImport.clock_time_get(0, 2n ** 64n, OUT), 0);
    assert.equal(wasiImport.fd_seek(guest.file, -1n, 0, OUT), ERRNO.INVAL);
    assert.equal(wasiImport.fd_seek(guest.file, 7n, 0, OUT), 0);
    assert.equal(guest.u64(OUT), 7n);
    for (const wrong of [1n, Symbol('x'), { valueOf: () => ({}), toString: () => ({}) }]) {
      assert.throws(() => wasiImport.random_get(wrong, 0), TypeError);
    }
    for (const wrong of [1, undefined, Symbol('x'), null, {}]) {
      const call = () => wasiImport.clock_time_get(0, wrong, OUT);
      assert.throws(call, (error) => error instanceof TypeError || error instanceof SyntaxError);
    }
  });

  test('the whole file has run in one process, which lives', () => {
    assert.equal(guest.call('sched_yield'), 0);
  });
});
