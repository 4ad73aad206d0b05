// What the guest's memory is at the moment of a call, and pointers of every kind into it.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { WASI } from '../../index.js';
import { ERRNO, FOLLOW, Guest, RIGHT, SYSCALLS } from '../support/guest.mjs';
import { runInChild, temporaryFolder } from '../support/host.mjs';
import { wat } from '../support/wat.mjs';

const { FAULT } = ERRNO;
const PAGE = 0x10000;

/** Whether random bytes have come to the last place of a memory: the chance that all 16 are 0 is none. */
function isFilled(memory, at, length = 16) {
  return new Uint8Array(memory.buffer, at, length).some((byte) => byte !== 0);
}

describe('before the guest is bound', () => {
  test('every system call throws ERR_WASI_NOT_STARTED, through WebAssembly too', () => {
    const guest = new Guest({}, { bind: false });
    for (const [name, letters] of Object.entries(SYSCALLS)) {
      const call = () => guest.call(name, ...Array(letters.length).fill(0));
      assert.throws(call, { name: 'Error', code: 'ERR_WASI_NOT_STARTED' }, name);
    }
    assert.ok(guest.bytes(0, PAGE).every((byte) => byte === 0));
    guest.wasi.initialize(guest.instance);
    assert.equal(guest.call('sched_yield'), 0);
  });

  test('so does a call from a start function, and the instance is not made', () => {
    const wasi = new WASI({ version: 'preview1' });
    const module = wat(`(module
      (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
      (memory (export "memory") 1)
      (func $init (drop (call $yield)))
      (start $init))`);
    assert.throws(() => new WebAssembly.Instance(module, wasi.getImportObject()), {
      code: 'ERR_WASI_NOT_STARTED',
    });
  });

  test('a guest that is not bound does not use the memory of one that is', () => {
    const bound = new Guest();
    const unbound = new Guest({}, { bind: false });
    assert.equal(bound.call('random_get', 0, 16), 0);
    const seen = Buffer.from(bound.bytes(0, 64));
    assert.throws(() => unbound.call('random_get', 0, 64), { code: 'ERR_WASI_NOT_STARTED' });
    assert.deepEqual(bound.bytes(0, 64), seen);
  });
});

describe('growth', () => {
  for (const [name, grow] of Object.entries({
    'from WebAssembly': (guest, pages) => guest.exports.grow(pages),
    'from JavaScript': (guest, pages) => guest.memory.grow(pages),
  })) {
    test(`${name} is seen by the very next call`, () => {
      const guest = new Guest({}, { memory: '1 40' });
      for (let pages = 1; pages < 30; pages++) {
        const end = pages * PAGE;
        assert.equal(guest.call('random_get', end - 16, 16), 0);
        assert.equal(guest.call('random_get', end - 16, 17), FAULT);
        assert.equal(guest.call('random_get', end, 16), FAULT);
        assert.equal(grow(guest, 1), pages);
        assert.equal(guest.call('random_get', end, 16), 0);
        assert.ok(isFilled(guest.memory, end));
        assert.equal(guest.call('random_get', end + PAGE, 16), FAULT);
      }
    });
  }

  test('within a call chain: the guest grows and uses the new page at once', () => {
    const wasi = new WASI({ version: 'preview1' });
    const module = wat(`(module
      (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
      (memory (export "memory") 1)
      (global $bad (export "bad") (mut i32) (i32.const 0))
      (func (export "_start") (local $round i32) (local $at i32)
        (loop $next
          (local.set $at (i32.mul (memory.grow (i32.const 1)) (i32.const 65536)))
          (global.set $bad (i32.or (global.get $bad)
            (call $random (local.get $at) (i32.const 65536))))
          (global.set $bad (i32.or (global.get $bad)
            (i32.ne (i32.const ${FAULT})
              (call $random (local.get $at) (i32.const 65537)))))
          (local.set $round (i32.add (local.get $round) (i32.const 1)))
          (br_if $next (i32.lt_u (local.get $round) (i32.const 50))))))`);
    const instance = new WebAssembly.Instance(module, wasi.getImportObject());
    assert.equal(wasi.start(instance), 0);
    assert.equal(instance.exports.bad.value, 0);
    assert.equal(instance.exports.memory.buffer.byteLength, 51 * PAGE);
  });

  test('by no page, which gives the memory another ArrayBuffer', () => {
    const guest = new Guest();
    assert.equal(guest.call('random_get', 0, 16), 0);
    const before = guest.memory.buffer;
    guest.memory.grow(0);
    assert.notEqual(guest.memory.buffer, before);
    guest.bytes(0, 16).fill(0);
    assert.equal(guest.call('random_get', 0, 16), 0);
    assert.ok(isFilled(guest.memory, 0));
  });

  test('to exactly 2 GiB and beyond: pointers with the top bit set', () => {
    const guest = new Guest({ args: ['far'] }, { memory: '1 65536' });
    guest.exports.grow(32767);
    assert.equal(guest.memory.buffer.byteLength, 2 ** 31);
    assert.equal(guest.call('random_get', 2 ** 31 - 16, 16), 0);
    assert.ok(isFilled(guest.memory, 2 ** 31 - 16));
    assert.equal(guest.call('random_get', 2 ** 31 - 16, 17), FAULT);
    assert.equal(guest.call('random_get', 2 ** 31, 16), FAULT);

    guest.exports.grow(1);
    assert.equal(guest.call('random_get', 2 ** 31, 16), 0);
    assert.ok(isFilled(guest.memory, 2 ** 31));
    const { random_get, args_sizes_get } = guest.wasi.wasiImport;
    assert.equal(random_get(-(2 ** 31) + 32, 16), 0); // the same address, as JavaScript gets an i32
    assert.ok(isFilled(guest.memory, 2 ** 31 + 32));
    assert.equal(random_get(-1, 1), FAULT);

    guest.memory.grow(65536 - 32769);
    const end = 2 ** 32;
    assert.equal(guest.memory.buffer.byteLength, end);
    assert.equal(random_get(-16, 16), 0);
    assert.ok(isFilled(guest.memory, end - 16));
    assert.equal(random_get(-16, 17), FAULT);
    assert.equal(args_sizes_get(-4, 0), 0);
    assert.equal(guest.u32(end - 4), 1);
    assert.equal(args_sizes_get(-3, 0), FAULT);
    assert.equal(args_sizes_get(0, 0xfffffffc), 0);
    assert.equal(guest.u32(end - 4), 4);
    assert.equal(guest.call('args_get', end - 4, end - 8), 0);
    assert.deepEqual([guest.u32(end - 4), guest.text(end - 8, 4)], [end - 8, 'far\0']);
    assert.equal(guest.call('random_get', end - 1, 0xffffffff), FAULT);
  });

  test('of one guest is not taken for that of another', () => {
    const [small, big] = [new Guest(), new Guest({}, { memory: '3' })];
    for (let round = 0; round < 10; round++) {
      assert.equal(big.call('random_get', 2 * PAGE, 16), 0);
      assert.equal(small.call('random_get', 2 * PAGE, 16), FAULT);
      assert.equal(small.call('random_get', PAGE - 16, 16), 0);
      assert.equal(big.call('random_get', 3 * PAGE - 16, 16), 0);
    }
    small.memory.grow(2); // now as many pages
    assert.equal(small.call('random_get', PAGE + 64, 16), 0);
    assert.ok(isFilled(small.memory, PAGE + 64));
    assert.ok(!isFilled(big.memory, PAGE + 64));
  });
});

describe("a function of the embedder's that binds another memory, or makes it grow, during a call", () => {
  const memoryOf = (kind, pages, more = 0) => {
    if (kind === 'shared') {
      return `new WebAssembly.Memory({ initial: ${pages}, maximum: ${pages + more}, shared: true })`;
    }
    if (kind === 'both') {
      return `new WebAssembly.Memory({ address: 'i64', initial: ${pages}n, maximum: ${pages + more}n, shared: true })`;
    }
    if (kind === 'plain') return `new WebAssembly.Memory({ initial: ${pages} })`;
    return `new WebAssembly.Memory({ address: 'i64', initial: ${pages}n })`;
  };
  const hasWide = () => {
    try {
      return new WebAssembly.Memory({ address: 'i64', initial: 1n }) instanceof WebAssembly.Memory;
    } catch {
      return false;
    }
  };

  // In a process of its own: it once ended by SIGSEGV.
  const script = (large, small, trace) => `
    const bind = (wasi, memory) =>
      wasi[Object.getOwnPropertySymbols(wasi).find((key) => key.description === 'kSetMemory')](memory);
    const FAR = 200 * 65536;
    const results = [];
    const set = (memory, at) => new Uint32Array(memory.buffer).set([at + 64, 4], at / 4);
    const start = (memory, stdio) => {
      const wasi = new WASI({ version: 'preview1', trace: ${trace}, ...stdio });
      wasi.initialize({ exports: { memory } });
      return wasi;
    };
    for (const at of [0, FAR]) {
      let wasi, large = ${large}, small = ${small};
      set(large, at);
      set(small, 0);
      const rebind = () => bind(wasi, small);
      wasi = start(large, { stdin: () => (rebind(), Buffer.from('read')) });
      results.push(wasi.wasiImport.fd_read(0, at, 1, at + 8));
      results.push(Buffer.from(new Uint8Array(small.buffer, 64, 4)).toString());
      wasi = start(large, { stdout: rebind });
      results.push(wasi.wasiImport.fd_write(1, at, 1, at + 8));
      results.push(wasi.wasiImport.random_get(FAR, 8), wasi.wasiImport.random_get(0, 8));
    }
    process.stdout.write(JSON.stringify(results));`;

  const kinds = ['plain', 'shared', 'wide', 'both'];
  for (const from of kinds) {
    for (const to of kinds) {
      test(`${from} to ${to}`, async (t) => {
        if (/wide|both/.test(from + to) && !hasWide()) return t.skip('no memories of 64 bits');
        for (const trace of [false, true]) {
          const child = await runInChild(script(memoryOf(from, 201), memoryOf(to, 1), trace));
          assert.equal(child.signal, null);
          const expected = [0, 'read', 0, FAULT, 0, FAULT, '\0\0\0\0', 0, FAULT, 0];
          assert.deepEqual(JSON.parse(child.stdout), expected);
          assert.equal(child.stderr.includes('fd_read'), trace);
        }
      });
    }
  }

  test('what has grown is there at once', () => {
    for (const options of [{}, { maximum: 9, shared: true }]) {
      const memory = new WebAssembly.Memory({ initial: 1, ...options });
      const stdin = () => {
        memory.grow(1);
        new Uint32Array(memory.buffer).set([PAGE + 64, 4], 0); // where it is read to
        return Buffer.from('read');
      };
      const wasi = new WASI({ version: 'preview1', stdin });
      wasi.initialize({ exports: { memory } });
      new Uint32Array(memory.buffer).set([64, 4], 0);
      assert.equal(wasi.wasiImport.fd_read(0, 0, 1, 8), 0);
      assert.equal(Buffer.from(new Uint8Array(memory.buffer, PAGE + 64, 4)).toString(), 'read');
    }
  });
});

describe('a memory of no pages', () => {
  test('has no valid address, and calls without one work', () => {
    const guest = new Guest({}, { memory: '0 2' });
    assert.equal(guest.memory.buffer.byteLength, 0);
    assert.equal(guest.call('sched_yield'), 0);
    assert.equal(guest.call('fd_close', 99), ERRNO.BADF);
    for (const at of [0, 1, PAGE, 0x7fffffff, 0x80000000, 0xffffffff]) {
      assert.equal(guest.call('random_get', at, 1), FAULT);
      assert.equal(guest.call('clock_time_get', 0, 0, at), FAULT);
      assert.equal(guest.call('args_sizes_get', at, at), FAULT);
      assert.equal(guest.call('fd_write', 1, at, 1, at), FAULT);
    }
    guest.memory.grow(1);
    assert.equal(guest.call('random_get', 0, 16), 0);
    assert.ok(isFilled(guest.memory, 0));
  });
});

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

describe('one call page for all', () => {
  test('guests that take turns keep their own arguments, memories and answers', () => {
    const guests = Array.from({ length: 20 }, (_, index) =>
      Object.assign(
        new Guest({ args: Array(index).fill(`guest ${index}`) }, { memory: `${1 + (index % 3)}` }),
        { index },
      ),
    );
    for (let round = 0; round < 20; round++) {
      for (const guest of guests) {
        assert.deepEqual(guest.args, Array(guest.index).fill(`guest ${guest.index}`));
        const end = guest.memory.buffer.byteLength;
        assert.equal(guest.call('random_get', end - 1, 1), 0);
        assert.equal(guest.call('random_get', end, 1), FAULT);
      }
    }
  });

  for (const when of ['before', 'after']) {
    test(`a stand-in that calls another guest ${when} the original: each keeps its answer`, () => {
      const inner = new Guest({ args: ['inner', 'inner', 'inner'] }, { memory: '2' });
      const answers = [];
      const outer = new Guest({ args: ['outer'] }, { bind: false });
      const { wasiImport } = outer.wasi;
      const ask = () => answers.push(inner.call('fd_close', 77), inner.args.length);
      const standIns = Object.fromEntries(
        Object.entries(wasiImport).map(([name, original]) => [
          name,
          (...args) => {
            if (when === 'before') ask();
            const answer = original(...args);
            if (when === 'after') ask();
            return answer;
          },
        ]),
      );
      const instance = new WebAssembly.Instance(
        wat(`(module
          (import "wasi_snapshot_preview1" "args_sizes_get"
            (func $sizes (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "clock_time_get"
            (func $time (param i32 i64 i32) (result i32)))
          (memory (export "memory") 1)
          (func (export "sizes") (result i32) (call $sizes (i32.const 16) (i32.const 20)))
          (func (export "time") (param i32) (result i32)
            (call $time (local.get 0) (i64.const 0) (i32.const 24))))`),
        { wasi_snapshot_preview1: standIns },
      );
      outer.wasi.initialize(instance);
      const { sizes, time, memory } = instance.exports;
      assert.equal(sizes(), 0);
      assert.equal(new DataView(memory.buffer).getUint32(16, true), 1);
      assert.equal(time(1), 0);
      assert.equal(time(99), ERRNO.INVAL);
      assert.deepEqual(answers, Array(3).fill([ERRNO.BADF, 3]).flat());
    });
  }

  test('process.exit, replaced by a test runner, may call other guests', (t) => {
    const inner = new Guest({ args: ['inner'] });
    const seen = [];
    t.mock.method(process, 'exit', (code) =>
      seen.push(code, inner.args, inner.call('fd_close', 9)),
    );
    const outer = new Guest(
      { returnOnExit: false },
      { start: '(call $proc_exit (i32.const 5))', bind: false },
    );
    assert.equal(outer.wasi.start(outer.instance), 5);
    assert.deepEqual(seen, [5, ['inner'], ERRNO.BADF]);
  });

  test('a guest that starts a guest that starts a guest', () => {
    const run = (depth) => {
      const wasi = new WASI({ version: 'preview1', args: Array(depth).fill('x') });
      const instance = new WebAssembly.Instance(
        wat(`(module
          (import "wasi_snapshot_preview1" "args_sizes_get"
            (func $sizes (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
          (import "env" "next" (func $next (result i32)))
          (memory (export "memory") 1)
          (func (export "_start") (local $inner i32)
            (local.set $inner (call $next))
            (drop (call $sizes (i32.const 0) (i32.const 4)))
            (call $exit (i32.add (local.get $inner) (i32.load (i32.const 0))))))`),
        { ...wasi.getImportObject(), env: { next: () => (depth > 0 ? run(depth - 1) : 0) } },
      );
      return wasi.start(instance);
    };
    assert.equal(run(20), (20 * 21) / 2);
  });
});

describe('what a guest can cost the host', () => {
  // The guest's memory is only reserved: it costs the process nothing until it is touched.
  for (const [name, calls] of Object.entries({
    'poll_oneoff with millions of subscriptions': `
      const count = Math.floor(size / 48);
      guest.bytes(48 * (count - 1) + 8, 1)[0] = 99; // the last is of no known type
      errnos.push(guest.call('poll_oneoff', 0, 0, count, 0));`,
    'fd_read and fd_write with millions of iovecs': `
      const count = Math.floor(size / 8) - 1;
      guest.iovecs(size - 16, [size - 1, 2]); // the last reaches outside
      for (const name of ['fd_read', 'fd_write']) {
        errnos.push(guest.call(name, name === 'fd_read' ? 0 : 1, 0, count + 1, 0));
      }`,
    'paths of many megabytes': `
      for (const name of ['path_create_directory', 'path_unlink_file', 'path_remove_directory']) {
        errnos.push(guest.call(name, 3, 0, size));
      }
      errnos.push(guest.call('path_symlink', 0, size, 3, 0, size));
      errnos.push(guest.call('path_rename', 3, 0, size, 3, 0, size));`,
  })) {
    test(name, async () => {
      const { code, signal, stdout, stderr } = await runInChild(`
        const guest = new Guest({ preopens: { '/': '/' } }, { memory: '1 65536' });
        guest.memory.grow(4095);
        const size = guest.memory.buffer.byteLength;
        guest.call('sched_yield');
        const errnos = [];
        const before = process.resourceUsage().maxRSS;
        ${calls}
        const grown = (process.resourceUsage().maxRSS - before) * 1024;
        console.log(JSON.stringify({ grown, errnos }));`);
      assert.deepEqual([code, signal], [0, null], stderr);
      const { grown, errnos } = JSON.parse(stdout);
      assert.ok(errnos.every((errno) => errno > 0));
      assert.ok(grown < 32e6, `the process has grown by ${grown} bytes`);
    });
  }
});
