// The option `sockets`: components connect, listen and look names up where its rules permit it.

import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import { after, describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { ComponentError, handler, load, loadSync, run } from '../../index.js';
import { HANGS, freePort } from '../support/host.mjs';

const guest = new URL('../support/guests/sockets.wasm', import.meta.url);
const cache = false;
const NOWHERE = { tag: 'ipv4', val: { port: 0, address: [127, 0, 0, 1] } };

const opened = [];
after(() => Promise.all(opened.map((instance) => instance.close())));

/** The exports of the guest with these rules. */
async function open(sockets, options) {
  const instance = await load(guest, { cache, sockets, ...options });
  opened.push(instance);
  return instance.exports;
}

/** An address as the interfaces have it. */
function at(host, port) {
  if (!host.includes(':'))
    return { tag: 'ipv4', val: { port, address: host.split('.').map(Number) } };
  const [head, tail] = host.split('::').map((part) => part.split(':').filter(Boolean));
  const zeros = Array(8 - head.length - tail.length).fill('0');
  const address = [...head, ...zeros, ...tail].map((group) => parseInt(group, 16));
  return { tag: 'ipv6', val: { port, flowInfo: 0, address, scopeId: 0 } };
}

/** The code of the error of a call: `ok` if it has none. */
async function codeOf(call) {
  try {
    await call;
    return 'ok';
  } catch (error) {
    if (error instanceof ComponentError) return error.payload;
    throw error;
  }
}

async function wait(guest, pollable) {
  await guest.block(pollable);
  await guest.pollableDrop(pollable);
}

/** Connects a new socket, and gives its streams. */
async function connect(guest, host, port) {
  const socket = await guest.tcpOpen(host.includes(':') ? 'ipv6' : 'ipv4');
  await guest.tcpStartConnect(socket, at(host, port));
  await wait(guest, await guest.tcpSubscribe(socket));
  const [input, output] = await guest.tcpFinishConnect(socket);
  return { socket, input, output };
}

/** Reads a stream to its end, or so many bytes. */
async function read(guest, input, most = Infinity) {
  let text = '';
  while (text.length < most) {
    await wait(guest, await guest.inputSubscribe(input));
    const bytes = await guest.read(input, 65_536n);
    if (bytes === undefined) break;
    text += Buffer.from(bytes).toString();
  }
  return text;
}

async function listen(guest, host, port = 0) {
  const socket = await guest.tcpOpen(host.includes(':') ? 'ipv6' : 'ipv4');
  await guest.tcpStartBind(socket, at(host, port));
  await guest.tcpFinishBind(socket);
  await guest.tcpStartListen(socket);
  await guest.tcpFinishListen(socket);
  return { socket, port: (await guest.tcpLocal(socket)).val.port };
}

async function bindUdp(guest, host = '127.0.0.1', port = 0) {
  const socket = await guest.udpOpen('ipv4');
  await guest.udpStartBind(socket, at(host, port));
  await guest.udpFinishBind(socket);
  return { socket, port: (await guest.udpLocal(socket)).val.port };
}

/** A server at a free port that echoes what it gets, until the test is over. */
async function echo(t) {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return server.address().port;
}

async function udpPeer(t) {
  const peer = dgram.createSocket('udp4').bind(0, '127.0.0.1');
  await once(peer, 'listening');
  t.after(() => peer.close());
  return { peer, port: peer.address().port };
}

describe('TCP', { timeout: HANGS }, () => {
  test('a client sends, receives, and ends its side', async (t) => {
    const port = await echo(t);
    const guest = await open([{ connect: `127.0.0.1:${port}` }]);
    const { socket, input, output } = await connect(guest, '127.0.0.1', port);
    assert.deepEqual(await guest.tcpRemote(socket), at('127.0.0.1', port));
    assert.notEqual((await guest.tcpLocal(socket)).val.port, 0);
    assert.deepEqual(await guest.read(input, 10n), new Uint8Array());
    assert.equal(await guest.write(output, Buffer.from('hello')), true);
    assert.equal(await read(guest, input, 5), 'hello');
    const large = 'x'.repeat(100_000);
    assert.equal(await guest.write(output, Buffer.from(large)), true);
    await guest.tcpShutdown(socket, 'send');
    await guest.tcpShutdown(socket, 'send');
    assert.equal(await guest.write(output, Buffer.from('late')), false);
    assert.equal(await read(guest, input), large);
    assert.equal(await guest.read(input, 10n), undefined);
    // The kernel has forgotten it by now.
    assert.deepEqual(await guest.tcpRemote(socket), at('127.0.0.1', port));
    await guest.tcpShutdown(socket, 'both');
    await guest.dropStreams(input, output);
    await guest.tcpDrop(socket);
  });

  test('a side that is shut down reads nothing more', async (t) => {
    const port = await echo(t);
    const guest = await open([{ connect: `127.0.0.1:${port}` }]);
    const { socket, input, output } = await connect(guest, '127.0.0.1', port);
    await guest.write(output, Buffer.from('hello'));
    await wait(guest, await guest.inputSubscribe(input));
    const pollable = await guest.inputSubscribe(input);
    await guest.tcpShutdown(socket, 'receive');
    assert.equal(await guest.ready(pollable), true);
    assert.equal(await guest.read(input, 10n), undefined);
    assert.equal(await guest.write(output, Buffer.from('more')), true);
  });

  test('a server takes connections', async () => {
    const guest = await open([{ listen: '127.0.0.1:0' }]);
    const { socket, port } = await listen(guest, '127.0.0.1');
    assert.equal(await guest.tcpIsListening(socket), true);
    assert.equal(await codeOf(guest.tcpAccept(socket)), 'would-block');
    const pollable = await guest.tcpSubscribe(socket);
    assert.equal(await guest.ready(pollable), false);
    const client = net.connect(port, '127.0.0.1');
    const received = once(client, 'data');
    await guest.block(pollable);
    const [connection, input, output] = await guest.tcpAccept(socket);
    assert.equal(await codeOf(guest.tcpAccept(socket)), 'would-block');
    const local = client.localPort ?? (await once(client, 'connect'), client.localPort);
    assert.deepEqual(await guest.tcpRemote(connection), at('127.0.0.1', local));
    await guest.write(output, Buffer.from('hello'));
    assert.equal(String((await received)[0]), 'hello');
    client.end('bye');
    assert.equal(await read(guest, input), 'bye');
    await guest.dropStreams(input, output);
    await guest.tcpDrop(connection);
    await guest.tcpDrop(socket);
    assert.equal(await guest.ready(pollable), true);
  });

  test('IPv6, where the host has it', async (t) => {
    const server = net.createServer((socket) => socket.end('six')).listen(0, '::1');
    const [error] = await Promise.race([once(server, 'listening'), once(server, 'error')]);
    if (error) return t.skip('no IPv6');
    t.after(() => server.close());
    const { port } = server.address();
    const guest = await open([{ connect: `[::1]:${port}` }, { listen: '[::1]:*' }]);
    const { socket, input } = await connect(guest, '::1', port);
    assert.equal(await read(guest, input), 'six');
    assert.deepEqual(await guest.tcpRemote(socket), at('::1', port));
    assert.notEqual((await listen(guest, '::1')).port, 0);
  });

  test('errors have their codes', async () => {
    const free = await freePort();
    const guest = await open([{ connect: '127.0.0.1:*' }, { listen: '127.0.0.1:*' }]);
    const socket = await guest.tcpOpen('ipv4');
    await guest.tcpStartConnect(socket, at('127.0.0.1', free));
    await wait(guest, await guest.tcpSubscribe(socket));
    assert.equal(await codeOf(guest.tcpFinishConnect(socket)), 'connection-refused');
    assert.equal(await codeOf(guest.tcpFinishConnect(socket)), 'not-in-progress');
    assert.equal(
      await codeOf(guest.tcpStartConnect(socket, at('127.0.0.1', free))),
      'invalid-state',
    );
    const { port } = await listen(guest, '127.0.0.1');
    const other = await guest.tcpOpen('ipv4');
    assert.equal(await codeOf(guest.tcpStartBind(other, at('127.0.0.1', port))), 'address-in-use');
    assert.equal(await codeOf(guest.tcpStartBind(other, at('::1', port))), 'invalid-argument');
    assert.equal(
      await codeOf(guest.tcpStartConnect(other, at('127.0.0.1', 0))),
      'invalid-argument',
    );
    assert.equal(await codeOf(guest.tcpStartConnect(other, at('0.0.0.0', 1))), 'invalid-argument');
    assert.equal(
      await codeOf(guest.tcpStartConnect(other, at('224.0.0.1', 1))),
      'invalid-argument',
    );
    assert.equal(
      await codeOf(guest.tcpStartConnect(other, at('255.255.255.255', 1))),
      'invalid-argument',
    );
  });

  test('states are those of the interface', async () => {
    const guest = await open([{ connect: '127.0.0.1:*' }, { listen: '127.0.0.1:0' }]);
    const socket = await guest.tcpOpen('ipv4');
    const code = (name, ...args) => codeOf(guest[name](socket, ...args));
    for (const [name, ...args] of [['tcpFinishBind'], ['tcpFinishConnect'], ['tcpFinishListen']])
      assert.equal(await code(name, ...args), 'not-in-progress', name);
    for (const [name, ...args] of [
      ['tcpStartListen'],
      ['tcpAccept'],
      ['tcpLocal'],
      ['tcpRemote'],
      ['tcpShutdown', 'both'],
    ])
      assert.equal(await code(name, ...args), 'invalid-state', name);
    await guest.tcpStartBind(socket, NOWHERE);
    assert.equal(await code('tcpStartBind', NOWHERE), 'concurrency-conflict');
    assert.equal(await code('tcpStartConnect', NOWHERE), 'concurrency-conflict');
    assert.equal(await code('tcpStartListen'), 'concurrency-conflict');
    await guest.tcpFinishBind(socket);
    assert.equal(await code('tcpStartBind', NOWHERE), 'invalid-state');
    await guest.tcpStartListen(socket);
    assert.equal(await guest.tcpIsListening(socket), false);
    assert.equal(await code('tcpAccept'), 'invalid-state');
    await guest.tcpFinishListen(socket);
    assert.equal(await code('tcpStartListen'), 'invalid-state');
    assert.equal(await code('tcpStartConnect', at('127.0.0.1', 1)), 'invalid-state');
    assert.equal(await code('tcpRemote'), 'invalid-state');
  });

  test('settings are kept, and nothing is 0', async () => {
    const guest = await open([{ connect: '*:*' }]);
    const socket = await guest.tcpOpen('ipv4');
    const second = 1_000_000_000n;
    for (const [setting, value, kept] of [
      [0, 1n, 1n],
      [1, 90n * second, 90n * second],
      [1, 1n, second],
      [2, 5n * second, 5n * second],
      [3, 4n, 4n],
      [4, 77n, 77n],
      [5, 65_536n, 65_536n],
      [6, 65_536n, 65_536n],
    ]) {
      await guest.tcpSet(socket, setting, value);
      assert.equal(await guest.tcpGet(socket, setting), kept, `${setting}`);
      const zero = await codeOf(guest.tcpSet(socket, setting, 0n));
      assert.equal(zero, setting === 0 ? 'ok' : 'invalid-argument');
    }
    assert.equal(await codeOf(guest.tcpSet(socket, 7, 0n)), 'invalid-argument');
    assert.equal(await codeOf(guest.tcpSet(socket, 7, 2n ** 60n)), 'ok');
  });
});

describe('UDP', { timeout: HANGS }, () => {
  const data = (text, remoteAddress) => ({ data: Buffer.from(text), remoteAddress });

  /** The texts of what comes, at least one. */
  async function receive(guest, incoming) {
    for (;;) {
      await wait(guest, await guest.udpSubscribe(incoming));
      const all = await guest.udpReceive(incoming, 100n);
      if (all.length > 0) return all.map((one) => Buffer.from(one.data).toString());
    }
  }

  test('datagrams go both ways, and those of others are dropped', async (t) => {
    const [{ peer, port }, { peer: stranger, port: other }] = [await udpPeer(t), await udpPeer(t)];
    const guest = await open([{ connect: `127.0.0.1:${port}`, protocol: 'udp' }]);
    const bound = await bindUdp(guest, '0.0.0.0');
    const [incoming, outgoing] = await guest.udpStream(bound.socket, undefined);
    assert.deepEqual(await guest.udpReceive(incoming, 100n), []);
    assert.ok((await guest.udpCheckSend(outgoing)) > 0n);
    const received = once(peer, 'message');
    assert.equal(await guest.udpSend(outgoing, [data('hello', at('127.0.0.1', port))]), 1n);
    const [message, { port: from }] = await received;
    assert.equal(String(message), 'hello');
    assert.equal(from, bound.port);
    const code = (datagram) => codeOf(guest.udpSend(outgoing, [datagram]));
    assert.equal(await code(data('x', at('127.0.0.1', other))), 'access-denied');
    assert.equal(await code(data('x', undefined)), 'invalid-argument');
    assert.equal(await code(data('x', at('0.0.0.0', port))), 'invalid-argument');
    assert.equal(await code(data('x'.repeat(70_000), at('127.0.0.1', port))), 'datagram-too-large');
    // The first that fails ends the list.
    const two = [data('one', at('127.0.0.1', port)), data('x', at('127.0.0.1', other))];
    assert.equal(await guest.udpSend(outgoing, two), 1n);
    await new Promise((resolve) => stranger.send('not this', bound.port, '127.0.0.1', resolve));
    await new Promise((resolve) => peer.send('world', bound.port, '127.0.0.1', resolve));
    assert.deepEqual(await receive(guest, incoming), ['world']);
  });

  test('a socket that listens hears anybody', async (t) => {
    const { peer, port } = await udpPeer(t);
    const guest = await open([{ listen: '127.0.0.1:0', protocol: 'udp' }]);
    const bound = await bindUdp(guest);
    const [incoming, outgoing] = await guest.udpStream(bound.socket, undefined);
    peer.send('hello', bound.port, '127.0.0.1');
    await wait(guest, await guest.udpSubscribe(incoming));
    const [one] = await guest.udpReceive(incoming, 1n);
    assert.deepEqual(one.remoteAddress, at('127.0.0.1', port));
    await guest.udpCheckSend(outgoing);
    // To answer is to send.
    const answer = guest.udpSend(outgoing, [data('x', one.remoteAddress)]);
    assert.equal(await codeOf(answer), 'access-denied');
  });

  test('streams with a peer are for that peer', async (t) => {
    const [{ peer, port }, { peer: second, port: other }] = [await udpPeer(t), await udpPeer(t)];
    const guest = await open([{ connect: '127.0.0.1:*', protocol: 'udp' }]);
    const { socket, port: own } = await bindUdp(guest, '0.0.0.0');
    const [first, outgoing] = await guest.udpStream(socket, at('127.0.0.1', port));
    assert.deepEqual(await guest.udpRemote(socket), at('127.0.0.1', port));
    await guest.udpCheckSend(outgoing);
    const received = once(peer, 'message');
    assert.equal(await guest.udpSend(outgoing, [data('a', undefined)]), 1n);
    assert.equal(String((await received)[0]), 'a');
    const wrong = guest.udpSend(outgoing, [data('a', at('127.0.0.1', other))]);
    assert.equal(await codeOf(wrong), 'invalid-argument');
    await new Promise((resolve) => second.send('not this', own, '127.0.0.1', resolve));
    await new Promise((resolve) => peer.send('this', own, '127.0.0.1', resolve));
    assert.deepEqual(await receive(guest, first), ['this']);
    await guest.udpDropStreams(first, outgoing);
    const [incoming] = await guest.udpStream(socket, undefined);
    assert.equal(await codeOf(guest.udpRemote(socket)), 'invalid-state');
    assert.equal((await guest.udpLocal(socket)).val.port, own);
    await new Promise((resolve) => second.send('now', own, '127.0.0.1', resolve));
    assert.deepEqual(await receive(guest, incoming), ['now']);
  });

  test('more datagrams than were permitted, or a second pair of streams, end the guest', async () => {
    const rules = [{ connect: '127.0.0.1:9', protocol: 'udp' }];
    for (const act of [
      async (guest, socket) => {
        const [, outgoing] = await guest.udpStream(socket, undefined);
        await guest.udpSend(outgoing, [data('x', at('127.0.0.1', 9))]);
      },
      async (guest, socket) => {
        await guest.udpStream(socket, undefined);
        await guest.udpStream(socket, undefined);
      },
    ]) {
      const guest = await open(rules);
      const { socket } = await bindUdp(guest, '0.0.0.0');
      await assert.rejects(act(guest, socket), { code: 'ERR_WASI_TRAP' });
    }
  });

  test('states are those of the interface', async () => {
    const guest = await open([{ listen: '127.0.0.1:0', protocol: 'udp' }]);
    const socket = await guest.udpOpen('ipv4');
    const code = (name, ...args) => codeOf(guest[name](socket, ...args));
    assert.equal(await code('udpFinishBind'), 'not-in-progress');
    assert.equal(await code('udpStream', undefined), 'invalid-state');
    assert.equal(await code('udpLocal'), 'invalid-state');
    assert.equal(await code('udpRemote'), 'invalid-state');
    await guest.udpStartBind(socket, NOWHERE);
    assert.equal(await code('udpStartBind', NOWHERE), 'concurrency-conflict');
    await guest.udpFinishBind(socket);
    assert.equal(await code('udpStartBind', NOWHERE), 'invalid-state');
  });
});

describe('names', { timeout: HANGS }, () => {
  async function addresses(guest, name) {
    const lookup = await guest.lookup(name);
    await wait(guest, await guest.lookupSubscribe(lookup));
    const all = [];
    for (let next; (next = await guest.lookupNext(lookup)) !== undefined;) all.push(next);
    await guest.lookupDrop(lookup);
    return all;
  }

  test('an address of a name is permitted once it was looked up, and at the ports of the name', async (t) => {
    const [port, other] = [await echo(t), await echo(t)];
    const rules = [{ connect: `LocalHost:${port}` }];
    const guest = await open(rules);
    const socket = await guest.tcpOpen('ipv4');
    const to = (port) => codeOf(guest.tcpStartConnect(socket, at('127.0.0.1', port)));
    assert.equal(await to(port), 'access-denied');
    const found = await addresses(guest, 'localhost');
    assert.ok(found.some(({ tag, val }) => tag === 'ipv4' && val[0] === 127));
    assert.equal(await to(other), 'access-denied');
    assert.equal(await codeOf(guest.udpOpen('ipv4')), 'access-denied');
    assert.equal(await to(port), 'ok');
    // Another guest has not looked it up.
    const second = await open(rules);
    const denied = second.tcpStartConnect(await second.tcpOpen('ipv4'), at('127.0.0.1', port));
    assert.equal(await codeOf(denied), 'access-denied');
  });

  test('other names are denied, and what is none is refused', async () => {
    const guest = await open([{ connect: '*.invalid:80' }, { connect: '192.0.2.7:80' }]);
    for (const [name, expected] of [
      ['localhost', 'access-denied'],
      ['invalid', 'access-denied'],
      ['evil-invalid', 'access-denied'],
      ['192.0.2.8', 'access-denied'],
      ['192.0.2.7', 'ok'],
      ['bücher.invalid', 'invalid-argument'],
      ['a b.invalid', 'invalid-argument'],
      ['', 'invalid-argument'],
      ['2130706433', 'invalid-argument'],
    ])
      assert.equal(await codeOf(guest.lookup(name)), expected, name);
    // Which of the two depends on the servers of names.
    const codes = ['name-unresolvable', 'temporary-resolver-failure', 'permanent-resolver-failure'];
    assert.ok(codes.includes(await codeOf(addresses(guest, 'nobody.invalid'))));
    assert.deepEqual(await addresses(guest, '192.0.2.7'), [{ tag: 'ipv4', val: [192, 0, 2, 7] }]);
  });
});

describe('what no rule permits', { timeout: HANGS }, () => {
  test('is denied without the option', async () => {
    const guest = await open(undefined);
    for (const [name, parameter] of [
      ['tcpOpen', 'ipv4'],
      ['tcpOpen', 'ipv6'],
      ['udpOpen', 'ipv4'],
      ['lookup', 'localhost'],
      ['lookup', '127.0.0.1'],
    ])
      assert.equal(await codeOf(guest[name](parameter)), 'access-denied', name);
  });

  test('is denied with rules for something else', async (t) => {
    const port = await echo(t);
    const guest = await open([
      { connect: `127.0.0.1:${port}` },
      { connect: '127.0.0.2:*' },
      { listen: '127.0.0.1:0' },
    ]);
    const v4 = await guest.tcpOpen('ipv4');
    for (const [host, number, expected] of [
      ['127.0.0.1', port - 1, 'access-denied'],
      ['127.0.0.3', port, 'access-denied'],
      ['10.0.0.1', port, 'access-denied'],
      ['0.0.0.0', port, 'invalid-argument'],
    ])
      assert.equal(await codeOf(guest.tcpStartConnect(v4, at(host, number))), expected, host);
    const v6 = await guest.tcpOpen('ipv6');
    for (const [host, expected] of [
      ['::1', 'access-denied'],
      ['::', 'invalid-argument'],
      ['::ffff:7f00:1', 'invalid-argument'],
      ['::7f00:1', 'access-denied'],
    ])
      assert.equal(await codeOf(guest.tcpStartConnect(v6, at(host, port))), expected, host);
    for (const [host, number] of [
      ['0.0.0.0', port],
      ['127.0.0.1', port + 1],
      ['127.0.0.2', 0],
    ])
      assert.equal(await codeOf(guest.tcpStartBind(v4, at(host, number))), 'access-denied', host);
    assert.equal(await codeOf(guest.tcpStartBind(v6, at('::ffff:7f00:1', 0))), 'invalid-argument');
    // One that is bound as a client does not become a server.
    await guest.tcpStartBind(v4, at('0.0.0.0', 0));
    await guest.tcpFinishBind(v4);
    assert.equal(await codeOf(guest.tcpStartListen(v4)), 'access-denied');
  });
});

describe('the end of a guest', { timeout: HANGS }, () => {
  /** A connection that goes on: to a server that takes none, and whose queue is full. */
  async function connecting(guest) {
    const server = await guest.tcpOpen('ipv4');
    await guest.tcpSet(server, 7, 1n);
    await guest.tcpStartBind(server, NOWHERE);
    await guest.tcpFinishBind(server);
    await guest.tcpStartListen(server);
    await guest.tcpFinishListen(server);
    const { port } = (await guest.tcpLocal(server)).val;
    for (;;) {
      const socket = await guest.tcpOpen('ipv4');
      await guest.tcpStartConnect(socket, at('127.0.0.1', port));
      const pollable = await guest.tcpSubscribe(socket);
      if (await guest.ready(pollable)) continue;
      assert.equal(await codeOf(guest.tcpFinishConnect(socket)), 'would-block');
      assert.equal(await codeOf(guest.tcpRemote(socket)), 'concurrency-conflict');
      return pollable;
    }
  }

  test('comes at once while it waits', async (t) => {
    const port = await echo(t);
    const rules = [
      { connect: '127.0.0.1:*' },
      { listen: '127.0.0.1:0' },
      { listen: '127.0.0.1:0', protocol: 'udp' },
    ];
    const waits = {
      accept: async (guest) => guest.tcpSubscribe((await listen(guest, '127.0.0.1')).socket),
      read: async (guest) => guest.inputSubscribe((await connect(guest, '127.0.0.1', port)).input),
      receive: async (guest) => {
        const [incoming] = await guest.udpStream((await bindUdp(guest)).socket, undefined);
        return guest.udpSubscribe(incoming);
      },
    };
    if (process.platform === 'linux') waits.connect = connecting;
    for (const [name, prepare] of Object.entries(waits)) {
      const controller = new AbortController();
      const { signal } = controller;
      const instance = await load(guest, { cache, sockets: rules, signal });
      const pollable = await prepare(instance.exports);
      assert.equal(await instance.exports.ready(pollable), false);
      const blocked = instance.exports.block(pollable);
      setImmediate(() => controller.abort());
      await assert.rejects(blocked, { name: 'AbortError' }, name);
    }
  });

  test('leaves no descriptor', { skip: process.platform !== 'linux' }, async (t) => {
    const port = await echo(t);
    const sockets = () =>
      fs.readdirSync('/proc/self/fd').filter((fd) => {
        try {
          return /^(socket|pipe):/.test(fs.readlinkSync(`/proc/self/fd/${fd}`));
        } catch {
          return false; // the folder's own
        }
      }).length;
    const rules = [
      { connect: '127.0.0.1:*' },
      { connect: 'localhost:*' },
      { listen: '127.0.0.1:0' },
    ];
    const once = async () => {
      const instance = await load(guest, { cache, sockets: rules, stdout: 'ignore' });
      await connect(instance.exports, '127.0.0.1', port);
      await listen(instance.exports, '127.0.0.1');
      await instance.exports.lookup('localhost');
      await instance.close();
    };
    await once();
    const before = sockets();
    for (let i = 0; i < 5; i++) await once();
    // The server closes its ends when it hears of it.
    for (let i = 0; i < 100_000 && sockets() > before; i++) await turn();
    assert.ok(sockets() <= before, `${sockets()} after ${before}`);
  });

  test('limits.openFiles counts sockets and lookups', async () => {
    const guest = await open([{ connect: '*:*' }], { limits: { openFiles: 5 } });
    const socket = await guest.tcpOpen('ipv4');
    await guest.tcpOpen('ipv6');
    assert.equal(await codeOf(guest.tcpOpen('ipv4')), 'new-socket-limit');
    assert.equal(await codeOf(guest.lookup('localhost')), 'new-socket-limit');
    await guest.tcpDrop(socket);
    assert.equal(await codeOf(guest.lookup('localhost')), 'ok');
  });
});

describe('everywhere', { timeout: HANGS }, () => {
  test('run(): a program connects, and its bytes are counted', async (t) => {
    const port = await echo(t);
    const sockets = [{ connect: `localhost:${port}` }];
    const args = ['localhost', String(port)];
    const outcome = await run(guest, { cache, args, sockets, encoding: 'utf8' });
    assert.equal(outcome.stdout, 'hello');
    assert.equal(outcome.exitCode, 0);
    assert.deepEqual([outcome.usage.read, outcome.usage.written], [5, 10]);
    const denied = await run(guest, { cache, args, encoding: 'utf8' });
    assert.deepEqual([denied.exitCode, denied.stdout], [1, 'error 01\n']);
  });

  test('loadSync()', () => {
    const instance = loadSync(guest, { cache, sockets: [{ connect: 'localhost:1' }] });
    const lookup = instance.exports.lookup('localhost');
    instance.exports.block(instance.exports.lookupSubscribe(lookup));
    assert.equal(instance.exports.lookupNext(lookup).val.length > 0, true);
    instance.close();
  });
});

describe('options.sockets', () => {
  const rejects = (sockets, code, message) =>
    assert.rejects(run(guest, { cache, sockets }), { code, message });
  const TYPE = 'ERR_INVALID_ARG_TYPE';
  const VALUE = 'ERR_INVALID_ARG_VALUE';

  test('errors name what is wrong', async () => {
    for (const [sockets, code, message] of [
      ['127.0.0.1:80', TYPE, /"options\.sockets" property must be an instance of Array/],
      [
        [{ connect: 'a:1' }, 'b:1'],
        TYPE,
        /options\.sockets\[1\]" property must be of type number or object/,
      ],
      [[{ connect: 80 }], TYPE, /options\.sockets\[0\]\.connect" property must be of type string/],
      [[{}], VALUE, /options\.sockets\[0\]' must have either connect or listen/],
      [[{ connect: 'a:1', listen: '*:1' }], VALUE, /must have either connect or listen/],
      [[{ connect: 'a:1', port: 1 }], VALUE, /options\.sockets\[0\]\.port/],
      [[{ connect: 'a:1', protocol: 'TCP' }], VALUE, /protocol' must be 'tcp' or 'udp'/],
      [[{ connect: 'a:1', protocol: 6 }], TYPE, /protocol" property must be of type string/],
      [
        [{ connect: 'db.example' }],
        VALUE,
        /connect' must be HOST:PORT, such as 'db\.example:5432'/,
      ],
      [[{ connect: '::1:80' }], VALUE, /must be in brackets: '\[::1\]'/],
      [[{ connect: '10.0.0.1/8:80' }], VALUE, /write 10\.0\.0\.0\/8/],
      [[{ connect: 'bücher.example:80' }], VALUE, /Punycode/],
      [[{ listen: 'localhost:80' }], VALUE, /listen' must have an IP address to listen at/],
    ])
      await rejects(sockets, code, message);
  });

  test('a handler takes them, and refuses wrong ones', async () => {
    const http = new URL('../support/guests/http-handler.wasm', import.meta.url);
    const handle = await handler(http, { cache, sockets: [{ connect: '*:*' }] });
    await handle.close();
    await assert.rejects(handler(http, { cache, sockets: [{ connect: '*' }] }), { code: VALUE });
    await assert.rejects(handler(http, { cache, sockets: [5] }), {
      code: VALUE,
      message: /options\.sockets\[0\]' is a descriptor, which a component has no use for/,
    });
  });
});
