// wasi-rs --connect and --listen: where a program may connect and listen.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import { after, describe, test } from 'node:test';
import { commandLine } from '../support/cli.mjs';
import { HANGS, freePort } from '../support/host.mjs';

const { cli, refusal } = commandLine({ after });
const guest = fileURLToPath(new URL('../support/guests/sockets.wasm', import.meta.url));

test('wasi-rs --listen starts a module with a socket', { timeout: HANGS }, async () => {
  const server = fileURLToPath(new URL('../support/guests/http-server.wasm', import.meta.url));
  const port = await freePort();
  for (const engine of ['auto', 'v8', 'wasmtime']) {
    const flags = ['--no-cache', '--engine', engine, '--connect', 'a.example:1', '--dir', '.'];
    const running = cli([...flags, '--listen', `127.0.0.1:${port}`, server, 'accept', '4']);
    let client;
    for (let isThere = false; !isThere;) {
      client = net.connect(port, '127.0.0.1');
      isThere = await once(client, 'connect').then(
        () => true,
        () => false,
      );
    }
    client.write('GET /exit HTTP/1.1\r\n\r\n');
    assert.match(String((await once(client, 'data'))[0]), /^HTTP\/1\.1 200 OK/);
    assert.deepEqual(await running, { code: 0, signal: null, stdout: '', stderr: '' }, engine);
    client.destroy();
  }
  const { code, stderr } = await cli(['--no-cache', '--listen', `*:${port}`, server]);
  assert.notEqual(code, 0);
  assert.match(stderr, /must be one address and one port/);
});

describe('wasi-rs --connect', () => {
  test('lets a component connect there, and nowhere else', async (t) => {
    const server = net.createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const port = String(server.address().port);
    const run = (...flags) => cli([...flags, '--no-cache', guest, 'localhost', port]);
    for (const flag of [`localhost:${port}`, `tcp:*:1-${port}`])
      assert.deepEqual(await run('--connect', 'other.example:1', '--connect', flag), {
        ...{ code: 0, signal: null, stdout: 'hello', stderr: '' },
      });
    // access-denied
    for (const flags of [[], ['--connect', `udp:localhost:${port}`], ['--listen', `*:${port}`]]) {
      const { code, stdout } = await run(...flags);
      assert.deepEqual({ code, stdout }, { code: 1, stdout: 'error 01\n' });
    }
  });

  test('a wrong address is refused', async () => {
    assert.equal(
      await refusal('--connect', 'db.example', guest),
      "--connect db.example: it must be HOST:PORT, such as 'db.example:5432' or '10.0.0.0/8:*'",
    );
    assert.match(
      await refusal('--listen', 'udp:localhost:1', guest),
      /^--listen udp:localhost:1: it must have an IP/,
    );
  });
});
