// The option `sockets` of the class: sockets that take connections, and what a program may do with them.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { describe, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { WASI } from '../../index.js';
import { Guest } from '../support/guest.mjs';
import { HANGS, index, runInChild, temporaryFolder } from '../support/host.mjs';

const ANY = { listen: '127.0.0.1:0' };
const NONBLOCK = 4;
const [AGAIN, BADF, INVAL, MFILE, NOTCONN, PIPE, NOTCAPABLE] = [6, 8, 28, 33, 53, 64, 76];
const onUnix = { skip: process.platform === 'win32', timeout: HANGS };

/** A guest with one socket, number 3, from which it takes connections without waiting. */
function serving(options) {
  const guest = new Guest({ ...options, sockets: [ANY] });
  assert.equal(guest.call('fd_fdstat_set_flags', 3, NONBLOCK), 0);
  return guest;
}

/** A client of the guest's, and the number of the connection there. */
async function connect(t, guest, flags = NONBLOCK) {
  const client = net.connect(guest.wasi.sockets[0].port, '127.0.0.1');
  t.after(() => client.destroy());
  await once(client, 'connect');
  assert.equal(guest.call('sock_accept', 3, flags, 0), 0);
  return { client, fd: guest.u32(0) };
}

const receive = (guest, fd, flags = 0, length = 4096) =>
  guest.call('sock_recv', fd, ...guest.iovecs(64, [4096, length]), flags, 80, 84);

const send = (guest, fd, text) =>
  guest.call('sock_send', fd, ...guest.iovecs(64, guest.put(4096, text)), 0, 80);

/** `poll_oneoff` for reading (1) and writing (2), or a millisecond: what has come. */
function poll(guest, ...subscriptions) {
  const all = [...subscriptions, undefined];
  all.forEach((one, i) => {
    const bytes = guest.bytes(8192 + 48 * i, 48).fill(0);
    bytes.writeUInt32LE(i, 0);
    if (one) {
      bytes[8] = one.kind;
      bytes.writeUInt32LE(one.fd, 16);
    } else {
      bytes.writeUInt32LE(1, 16); // the monotonic clock
      bytes.writeBigUInt64LE(1_000_000n, 24);
    }
  });
  assert.equal(guest.call('poll_oneoff', 8192, 16384, all.length, 0), 0);
  return Array.from({ length: guest.u32(0) }, (_, i) => guest.u32(16384 + 32 * i));
}

describe('sockets in the class', onUnix, () => {
  test('come after the directories, in their order', (t) => {
    const folder = temporaryFolder(t);
    const sockets = [ANY, { listen: '127.0.0.1:0', protocol: 'tcp' }];
    const guest = new Guest({ preopens: { '/a': folder, '/b': folder }, sockets });
    assert.deepEqual(
      guest.wasi.sockets.map(({ fd, address, family }) => [fd, address, family]),
      [5, 6].map((fd) => [fd, '127.0.0.1', 'IPv4']),
    );
    assert.ok(guest.wasi.sockets.every(({ port }) => port > 0));
    // wasi-libc looks for directories up to the first number that is none.
    assert.deepEqual(
      [3, 4, 5].map((fd) => guest.call('fd_prestat_get', fd, 0)),
      [0, 0, BADF],
    );
    assert.equal(guest.call('fd_fdstat_get', 5, 0), 0);
    assert.equal(guest.bytes(0, 1)[0], 6, 'a socket of streams');
    assert.equal(Object.hasOwn(new WASI({ version: 'preview1' }), 'sockets'), false);
    assert.deepEqual(new WASI({ version: 'preview1', sockets: [] }).sockets, []);
  });

  test('connections are taken, read and written', async (t) => {
    const guest = serving();
    assert.equal(guest.call('sock_accept', 3, 0, 0), AGAIN);
    const { client, fd } = await connect(t, guest);
    assert.equal(receive(guest, fd), AGAIN);
    client.write('hello');
    while (poll(guest, { kind: 1, fd }).length < 1 || receive(guest, fd, 1) === AGAIN);
    assert.equal(receive(guest, fd, 0, 3), 0);
    assert.equal(guest.text(4096, guest.u32(80)), 'hel');
    assert.equal(guest.read(fd), 'lo');
    assert.equal(send(guest, fd, 'world'), 0);
    assert.equal(String((await once(client, 'data'))[0]), 'world');
    assert.equal(guest.call('sock_shutdown', fd, 2), 0);
    await once(client.resume(), 'end');
    assert.equal(guest.call('fd_close', fd), 0);
    assert.equal(guest.call('fd_close', fd), BADF);
  });

  test('poll_oneoff waits for connections, and for their bytes', async (t) => {
    const guest = serving();
    assert.deepEqual(poll(guest, { kind: 1, fd: 3 }), [1]); // the clock
    const client = net.connect(guest.wasi.sockets[0].port, '127.0.0.1');
    t.after(() => client.destroy());
    await once(client, 'connect');
    assert.ok(poll(guest, { kind: 1, fd: 3 }).includes(0));
    assert.equal(guest.call('sock_accept', 3, NONBLOCK, 0), 0);
    const fd = guest.u32(0);
    assert.deepEqual(poll(guest, { kind: 1, fd }), [1]);
    assert.ok(poll(guest, { kind: 1, fd: 3 }, { kind: 2, fd }).includes(1));
  });

  test('a socket moves to another number', async (t) => {
    const guest = serving();
    const { fd } = await connect(t, guest);
    assert.equal(guest.call('fd_renumber', 3, fd), 0);
    assert.equal(guest.call('sock_accept', 3, 0, 0), BADF);
    assert.equal(guest.call('sock_accept', fd, 0, 0), AGAIN);
    const { port } = guest.wasi.sockets[0];
    assert.equal(guest.call('fd_close', fd), 0);
    await assert.rejects(once(net.connect(port, '127.0.0.1'), 'connect'), { code: 'ECONNREFUSED' });
  });

  test('the end of the object closes them', async () => {
    const guest = serving();
    const { port } = guest.wasi.sockets[0];
    guest.wasi[Symbol.dispose]();
    await assert.rejects(once(net.connect(port, '127.0.0.1'), 'connect'), { code: 'ECONNREFUSED' });
  });

  test('a descriptor of this process is copied', async (t) => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const { port } = server.address();
    const guest = new Guest({ sockets: [server._handle.fd] });
    assert.deepEqual(guest.wasi.sockets, [{ fd: 3, address: '127.0.0.1', family: 'IPv4', port }]);
    // After a shutdown nobody could take connections.
    assert.equal(guest.call('sock_shutdown', 3, 1), NOTCAPABLE);
    guest.wasi[Symbol.dispose]();
    const accepted = once(server, 'connection');
    net.connect(port, '127.0.0.1').end();
    (await accepted)[0].destroy();
  });

  test('terminate() ends a guest that waits for a connection', async () => {
    const worker = new Worker(
      `const { parentPort } = require('node:worker_threads');
      const { WASI } = require(${JSON.stringify(index)});
      const wasi = new WASI({ version: 'preview1', sockets: [{ listen: '127.0.0.1:0' }] });
      wasi.initialize({ exports: { memory: new WebAssembly.Memory({ initial: 1 }) } });
      parentPort.postMessage('waiting');
      wasi.wasiImport.sock_accept(3, 0, 0);
      (() => parentPort.postMessage('came back'))();`,
      { eval: true },
    );
    const messages = [];
    worker.on('message', (message) => messages.push(message));
    await once(worker, 'message');
    assert.equal(await worker.terminate(), 1);
    assert.deepEqual(messages, ['waiting']);
  });
});

describe('hostile guests', onUnix, () => {
  test('connections count as open files, and wait while there is no room', async (t) => {
    const guest = serving({ limits: { openFiles: 10 } });
    const { port } = guest.wasi.sockets[0];
    const clients = Array.from({ length: 20 }, () => net.connect(port, '127.0.0.1'));
    t.after(() => clients.forEach((client) => client.destroy()));
    await Promise.all(clients.map((client) => once(client, 'connect')));
    const taken = [];
    let errno;
    while ((errno = guest.call('sock_accept', 3, 0, 0)) === 0) taken.push(guest.u32(0));
    assert.deepEqual([taken.length, errno], [6, MFILE]);
    // None is lost: each is taken when there is room.
    for (let rest = 14; rest > 0; rest--) {
      assert.equal(guest.call('fd_close', taken.pop()), 0);
      assert.equal(guest.call('sock_accept', 3, 0, 0), 0);
      taken.push(guest.u32(0));
    }
    assert.equal(guest.call('fd_close', taken.pop()), 0);
    assert.equal(guest.call('sock_accept', 3, 0, 0), AGAIN);
  });

  test('what is not for a socket that listens is an errno', () => {
    const guest = serving();
    assert.equal(receive(guest, 3), NOTCONN);
    assert.equal(send(guest, 3, 'x'), NOTCAPABLE);
    assert.equal(guest.write(3, 'x'), NOTCAPABLE);
    for (const flags of [1, 2, 8, 0xffff])
      assert.equal(guest.call('sock_accept', 3, flags, 0), INVAL);
    assert.equal(guest.call('sock_accept', 3, 0, 0xffff_fffc), 21); // EFAULT
    for (const how of [0, 1, 2, 3]) assert.equal(guest.call('sock_shutdown', 3, how), NOTCAPABLE);
    assert.notEqual(guest.call('fd_seek', 3, 0, 0, 0), 0);
    assert.notEqual(guest.call('fd_filestat_set_size', 3, 0), 0);
    assert.notEqual(guest.call('path_open', 3, 0, ...guest.put(32768, 'x'), 1, 0, 0, 0, 0), 0);
  });

  test('a second end, and bytes for a client that has gone, are errnos', async () => {
    const child = await runInChild(`
      const { once } = await import('node:events');
      const net = await import('node:net');
      const guest = new Guest({ sockets: [{ listen: '127.0.0.1:0' }] });
      const client = net.connect(guest.wasi.sockets[0].port, '127.0.0.1');
      await once(client, 'connect');
      if (guest.call('sock_accept', 3, 0, 0) !== 0) throw new Error('sock_accept');
      const fd = guest.u32(0);
      const calls = [guest.call('sock_shutdown', fd, 1), guest.call('sock_shutdown', fd, 1)];
      client.resetAndDestroy();
      await once(client, 'close');
      const send = () => guest.call('sock_send', fd, ...guest.iovecs(64, guest.put(4096, 'x')), 0, 80);
      let errno;
      while ((errno = send()) === 0);
      console.log(JSON.stringify([calls, send(), guest.write(fd, 'x'), guest.call('sock_shutdown', fd, 3)]));`);
    assert.deepEqual(
      { code: child.code, signal: child.signal },
      { code: 0, signal: null },
      child.stderr,
    );
    const [calls, sent, written, shut] = JSON.parse(child.stdout);
    assert.deepEqual([calls, sent, written, shut], [[0, 0], PIPE, PIPE, NOTCONN]);
  });

  test('lists of buffers of any length, also outside the memory', async (t) => {
    const guest = serving();
    const { client, fd } = await connect(t, guest);
    const count = 5000; // more than one call of the kernel takes
    const view = guest.bytes(0, 8 * count);
    for (let i = 0; i < count; i++) {
      view.writeUInt32LE(60_000, 8 * i);
      view.writeUInt32LE(1, 8 * i + 4);
    }
    guest.bytes(60_000, 1)[0] = 120;
    assert.equal(guest.call('sock_send', fd, 0, count, 0, 60_008), 0);
    const sent = guest.u32(60_008);
    assert.ok(sent > 0 && sent <= count);
    let received = 0;
    while (received < sent) received += (await once(client, 'data'))[0].length;
    assert.equal(received, sent);
    assert.notEqual(guest.call('sock_send', fd, 0, 0xffff_ffff, 0, 60_008), 0);
    assert.notEqual(guest.call('sock_recv', fd, 65_528, 0x2000_0001, 0, 60_008, 60_012), 0);
    assert.equal(guest.call('sock_send', fd, ...guest.iovecs(64, [65_535, 2]), 0, 80), 21);
    assert.equal(guest.call('sock_recv', fd, ...guest.iovecs(64, [0xffff_ffff, 2]), 0, 80, 84), 21);
  });
});

describe('wrong options', () => {
  const refused = (sockets) => () => new WASI({ version: 'preview1', sockets });

  test('are told by name', onUnix, async (t) => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const { port } = server.address();
    const one = (socket) => [ANY, socket];
    for (const [sockets, code, message] of [
      [
        '127.0.0.1:0',
        'ERR_INVALID_ARG_TYPE',
        /"options\.sockets" property must be an instance of Array/,
      ],
      [
        one('127.0.0.1:0'),
        'ERR_INVALID_ARG_TYPE',
        /"options\.sockets\[1\]" property must be of type number or object/,
      ],
      [one(null), 'ERR_INVALID_ARG_TYPE', /must be of type number or object/],
      [one([]), 'ERR_INVALID_ARG_TYPE', /must be of type number or object/],
      [
        one({}),
        'ERR_INVALID_ARG_TYPE',
        /"options\.sockets\[1\]\.listen" property must be of type string/,
      ],
      [one({ listen: 80 }), 'ERR_INVALID_ARG_TYPE', /options\.sockets\[1\]\.listen/],
      [one({ listen: 'localhost:80' }), 'ERR_INVALID_ARG_VALUE', /an IP address to listen at/],
      [one({ listen: '127.0.0.1' }), 'ERR_INVALID_ARG_VALUE', /must be ADDRESS:PORT/],
      [one({ listen: '*:80' }), 'ERR_INVALID_ARG_VALUE', /must be one address and one port/],
      [
        one({ listen: '127.0.0.1:1-9' }),
        'ERR_INVALID_ARG_VALUE',
        /must be one address and one port/,
      ],
      [one({ listne: '127.0.0.1:0' }), 'ERR_INVALID_ARG_VALUE', /listne.*listen/s],
      [
        one({ connect: 'a.example:1' }),
        'ERR_INVALID_ARG_VALUE',
        /sockets\[1\]\.connect.*is for components/s,
      ],
      [one({ ...ANY, protocol: 'udp' }), 'ERR_INVALID_ARG_VALUE', /protocol.*must be 'tcp'/s],
      [one(-1), 'ERR_OUT_OF_RANGE', /options\.sockets\[1\]/],
      [one(99_999), 'UVWASI_EBADF', /can't use the descriptor 99999 of options\.sockets\[1\]/],
      [
        one({ listen: `127.0.0.1:${port}` }),
        'UVWASI_EADDRINUSE',
        `UVWASI_EADDRINUSE, uvwasi_init: can't listen at '127.0.0.1:${port}' for options.sockets[1]: address in use`,
      ],
      [
        one({ listen: '192.0.2.1:0' }),
        'UVWASI_EADDRNOTAVAIL',
        /'192\.0\.2\.1:0' for options\.sockets\[1\]/,
      ],
    ]) {
      assert.throws(refused(sockets), { code, message });
    }
  });
});
