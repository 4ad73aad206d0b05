// The option `sockets` of a module: it is started with sockets that take connections.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { describe, test } from 'node:test';
import { Runner, load, loadSync, run, spawn } from '../../index.js';
import { forEachEngine } from '../support/engine.mjs';
import { HANGS, temporaryFolder } from '../support/host.mjs';
import { program } from '../support/programs.mjs';
import { assemble } from '../support/wat.mjs';

const server = new URL('../support/guests/http-server.wasm', import.meta.url);
const components = new URL('../support/guests/sockets.wasm', import.meta.url);
const ANY = { listen: '127.0.0.1:0' };
const cache = false;

/** The body of the answer of a server. */
async function get(port, path, agent = false) {
  const request = http.get({ host: '127.0.0.1', port, path, agent });
  const [response] = await once(request, 'response');
  return Buffer.concat(await response.toArray()).toString();
}

/** The port of a program that has begun. */
async function portOf(child) {
  await once(child, 'spawn');
  return child.sockets[0].port;
}

/** What a program does with a connection to the socket 3. */
const accepting = (body) =>
  program(`(drop (call $sock_accept (i32.const 3) (i32.const 0) (i32.const 8)))
    (i32.store (i32.const 16) (i32.const 1024)) (i32.store (i32.const 20) (i32.const 65536))
    ${body}`);
const ACCEPT = accepting('');
const RECEIVE = accepting(`(drop (call $sock_recv (i32.load (i32.const 8)) (i32.const 16)
  (i32.const 1) (i32.const 0) (i32.const 24) (i32.const 28)))`);
const SEND = accepting(`(loop $l (br_if $l (i32.eqz (call $sock_send (i32.load (i32.const 8))
  (i32.const 16) (i32.const 1) (i32.const 0) (i32.const 24)))))
  (unreachable)`);
/** Waits for 3 to be readable. */
const POLL =
  program(`(i32.store8 (i32.const 8) (i32.const 1)) (i32.store (i32.const 16) (i32.const 3))
  (drop (call $poll_oneoff (i32.const 0) (i32.const 128) (i32.const 1) (i32.const 256)))`);

/** A server of this process, as a descriptor, at which it takes no connections itself. */
async function listening(t, at = { port: 0, host: '127.0.0.1' }) {
  const one = net.createServer().listen(at);
  await once(one, 'listening');
  t.after(() => one.close());
  return { one, fd: one._handle.fd };
}

forEachEngine(({ engine, run, spawn }) => {
  describe(`a server of HTTP in ${engine}`, { timeout: HANGS }, () => {
    for (const way of ['accept', 'poll']) {
      test(`${way}: 1000 requests one after the other, and 50 at once`, async () => {
        const preopens = { '/': import.meta.dirname };
        const args = [way, '4']; // after the directory
        const child = spawn(server, { args, preopens, sockets: [ANY], stderr: 'inherit' });
        const port = await portOf(child);
        assert.deepEqual(child.sockets, [{ fd: 4, address: '127.0.0.1', family: 'IPv4', port }]);
        for (let i = 0; i < 1000; i++) assert.equal(await get(port, `/${i}`), `GET /${i}\n`);
        const paths = Array.from({ length: 50 }, (_, i) => `/at/once/${i}`);
        const answers = await Promise.all(paths.map((path) => get(port, path)));
        assert.deepEqual(
          answers,
          paths.map((path) => `GET ${path}\n`),
        );
        assert.equal(await get(port, '/exit'), 'GET /exit\n');
        assert.equal((await child.result).exitCode, 0);
        await assert.rejects(get(port, '/'), { code: 'ECONNREFUSED' });
      });
    }

    test('many connections stay open, by poll_oneoff', async () => {
      const child = spawn(server, { args: ['poll', '3'], sockets: [ANY], stderr: 'inherit' });
      const port = await portOf(child);
      const agent = new http.Agent({ keepAlive: true });
      for (let round = 0; round < 20; round++) {
        const answers = Array.from({ length: 50 }, (_, i) => get(port, `/${i}`, agent));
        assert.equal(new Set(await Promise.all(answers)).size, 50);
      }
      agent.destroy();
      child.kill();
      await assert.rejects(child.result, { code: 'ERR_WASI_KILLED' });
    });
  });

  describe(`the end of a call in ${engine}`, { timeout: HANGS }, () => {
    /** A connection to the program, from which nobody reads. */
    async function connected(t, child) {
      const client = net.connect(await portOf(child), '127.0.0.1').on('error', () => {});
      t.after(() => client.destroy());
      await once(client, 'connect');
    }

    for (const [name, bytes, isConnected] of [
      ['sock_accept', ACCEPT, false],
      ['poll_oneoff', POLL, false],
      ['sock_recv', RECEIVE, true],
      ['sock_send', SEND, true],
    ]) {
      test(`${name} is ended by kill() and a signal`, async (t) => {
        for (const code of ['ERR_WASI_KILLED', 'ABORT_ERR']) {
          const controller = new AbortController();
          const child = spawn(bytes, { sockets: [ANY], signal: controller.signal });
          if (isConnected) await connected(t, child);
          else await once(child, 'spawn');
          if (code === 'ABORT_ERR') controller.abort();
          else child.kill();
          await assert.rejects(child.result, { code });
        }
      });
    }

    test('sock_accept is ended by a timeout', () =>
      assert.rejects(run(ACCEPT, { sockets: [ANY], timeout: 500 }), { code: 'ERR_WASI_TIMEOUT' }));
  });

  describe(`descriptors in ${engine}`, { timeout: HANGS }, () => {
    test('a server of this process is handed over, as a copy', async (t) => {
      const { one, fd } = await listening(t);
      const { port } = one.address();
      const child = spawn(server, { args: ['accept', '3'], sockets: [fd], stderr: 'inherit' });
      await once(child, 'spawn');
      assert.deepEqual(child.sockets, [{ fd: 3, address: '127.0.0.1', family: 'IPv4', port }]);
      one.close();
      assert.equal(await get(port, '/'), 'GET /\n');
      await get(port, '/exit');
      assert.equal((await child.result).exitCode, 0);
    });

    test('that of this process outlives the program', async (t) => {
      const { one, fd } = await listening(t);
      await run(program('(drop (call $fd_close (i32.const 3)))'), { sockets: [fd] });
      const child = spawn(ACCEPT, { sockets: [fd], signal: AbortSignal.abort() });
      await assert.rejects(child.result, { code: 'ABORT_ERR' });
      const accepted = once(one, 'connection');
      net.connect(one.address().port, '127.0.0.1').end();
      (await accepted)[0].destroy();
    });

    test('one of the file system takes connections too', async (t) => {
      const path = `${temporaryFolder(t)}/socket`;
      const { fd } = await listening(t, { path });
      const child = spawn(RECEIVE, { sockets: [fd] });
      await once(child, 'spawn');
      assert.deepEqual(child.sockets, [{ fd: 3 }]);
      child.kill();
      await assert.rejects(child.result, { code: 'ERR_WASI_KILLED' });
    });
  });

  describe(`errors in ${engine}`, () => {
    test('an address in use is named', async (t) => {
      const { one } = await listening(t);
      const listen = `127.0.0.1:${one.address().port}`;
      await assert.rejects(run(ACCEPT, { sockets: [ANY, { listen }] }), {
        code: 'UVWASI_EADDRINUSE',
        message: `UVWASI_EADDRINUSE, uvwasi_init: can't listen at '${listen}' for options.sockets[1]: address in use`,
      });
    });

    test('what is not one address is no socket to start with', async () => {
      for (const listen of ['*:0', '127.0.0.1:1-2', '127.0.0.0/8:80', '127.0.0.1:*']) {
        await assert.rejects(run(ACCEPT, { sockets: [{ listen }] }), {
          code: 'UVWASI_EINVAL',
          message: /options\.sockets\[0\]\.listen must be one address and one port, for TCP/,
        });
      }
      const sockets = [{ connect: 'a.example:1' }, { ...ANY, protocol: 'tcp' }, ANY];
      const child = spawn(ACCEPT, { sockets });
      await once(child, 'spawn');
      assert.deepEqual(
        child.sockets.map(({ fd }) => fd),
        [3, 4],
      );
      child.kill();
      await assert.rejects(child.result, { code: 'ERR_WASI_KILLED' });
    });

    test('no more than limits.openFiles', async () => {
      const limits = { openFiles: 4 };
      await assert.rejects(run(ACCEPT, { limits, sockets: [ANY, ANY] }), {
        code: 'UVWASI_EMFILE',
        message:
          /can't listen at '127\.0\.0\.1:0' for options\.sockets\[1\] \(a program may have `limits\.openFiles`/,
      });
    });
  });
});

test('what is no socket is refused', async (t) => {
  const { fd } = await listening(t);
  const client = net.connect(await portOfServer(t), '127.0.0.1');
  t.after(() => client.destroy());
  await once(client, 'connect');
  const file = fs.openSync(import.meta.filename);
  t.after(() => fs.closeSync(file));
  for (const [socket, code, message] of [
    [
      '127.0.0.1:0',
      'ERR_INVALID_ARG_TYPE',
      /"options\.sockets\[1\]" property must be of type number or object/,
    ],
    [null, 'ERR_INVALID_ARG_TYPE', /must be of type number or object/],
    [-1, 'ERR_OUT_OF_RANGE', /"options\.sockets\[1\]"/],
    [1.5, 'ERR_OUT_OF_RANGE', /an integer/],
    [{ listen: 'localhost:80' }, 'ERR_INVALID_ARG_VALUE', /an IP address to listen at/],
    [{ listen: 8080 }, 'ERR_INVALID_ARG_TYPE', /options\.sockets\[1\]\.listen/],
    [{ listne: '127.0.0.1:0' }, 'ERR_INVALID_ARG_VALUE', /listne/],
    [99_999, 'UVWASI_EBADF', /can't use the descriptor 99999 of options\.sockets\[1\]/],
    [file, 'UVWASI_ENOTSOCK', /can't use the descriptor [0-9]+ of options\.sockets\[1\]/],
    [client._handle.fd, 'UVWASI_EINVAL', /nobody can connect to the descriptor/],
  ]) {
    const sockets = [fd, socket];
    await assert.rejects(run(ACCEPT, { cache, sockets }), { code, message });
    await assert.rejects(load(ACCEPT, { cache, sockets }), { code, message });
    assert.throws(() => spawn(ACCEPT, { cache, sockets }), { code, message });
    assert.throws(() => loadSync(ACCEPT, { cache, sockets }), { code, message });
  }
});

async function portOfServer(t) {
  return (await listening(t)).one.address().port;
}

test('a component has no use for a descriptor', async (t) => {
  const { fd } = await listening(t);
  const message = /options\.sockets\[0\] is a descriptor, which a component has no use for/;
  await assert.rejects(load(components, { cache, sockets: [fd] }), { message });
});

describe('load() and loadSync()', { timeout: HANGS }, () => {
  const bytes = assemble(`(module
    (import "wasi_snapshot_preview1" "sock_accept" (func $accept (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_fdstat_set_flags" (func $flags (param i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "accept") (result i32) (call $accept (i32.const 3) (i32.const 0) (i32.const 8)))
    (func (export "dont_wait") (result i32) (call $flags (i32.const 3) (i32.const 4))))`);

  test('tell the port before anything is called', async (t) => {
    const instance = await load(bytes, { cache, sockets: [ANY] });
    t.after(() => instance.close());
    const [{ fd, port }] = instance.sockets;
    assert.equal(fd, 3);
    const accepted = instance.exports.accept();
    net.connect(port, '127.0.0.1').end();
    assert.equal(await accepted, 0);
    await instance.exports.dont_wait();
    assert.equal(await instance.exports.accept(), 6); // EAGAIN
  });

  test('close() ends a call that waits', async () => {
    const instance = await load(bytes, { cache, sockets: [ANY] });
    const accepted = assert.rejects(instance.exports.accept(), { code: 'ERR_WASI_KILLED' });
    await instance.close();
    await accepted;
  });

  test('on this thread', () => {
    using(loadSync(bytes, { cache, sockets: [ANY], timeout: 200 }), ({ sockets, exports }) => {
      assert.equal(sockets[0].fd, 3);
      assert.throws(() => exports.accept(), { code: 'ERR_WASI_TIMEOUT' });
    });
    using(loadSync(bytes, { cache }), ({ sockets }) => assert.deepEqual(sockets, []));
  });

  function using(instance, act) {
    try {
      act(instance);
    } finally {
      instance.close();
    }
  }
});

test('a Runner runs servers, and trace shows their calls', { timeout: HANGS }, async () => {
  const runner = new Runner();
  const calls = [];
  const trace = { calls: ['sock_*'], to: ({ name, errno }) => calls.push([name, errno]) };
  const args = ['accept', '3'];
  const child = runner.spawn(server, { args, trace, sockets: [ANY], engine: 'wasmtime' });
  const port = await portOf(child);
  await get(port, '/exit');
  await child.result;
  await runner.close();
  assert.deepEqual(calls, [
    ...['sock_accept', 'sock_recv', 'sock_send', 'sock_shutdown'].map((name) => [name, null]),
  ]);
});
