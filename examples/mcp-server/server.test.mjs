import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';

const server = spawn(process.execPath, ['server.mjs'], {
  cwd: import.meta.dirname,
  stdio: ['pipe', 'pipe', 'inherit'],
});
after(() => server.kill());
const waiting = new Map();
createInterface({ input: server.stdout }).on('line', (line) => {
  const message = JSON.parse(line);
  waiting.get(message.id)?.(message);
});
let last = 0;
const ask = (method, params) =>
  new Promise((resolve) => {
    const id = ++last;
    waiting.set(id, resolve);
    server.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`);
  });
const python = async (code) =>
  (await ask('tools/call', { name: 'run_python', arguments: { code } })).result;

test('it tells its tool', async () => {
  const { result } = await ask('initialize', { protocolVersion: '2025-06-18', capabilities: {} });
  assert.equal(result.serverInfo.name, 'python-sandbox');
  const { result: list } = await ask('tools/list');
  assert.deepEqual(
    list.tools.map(({ name }) => name),
    ['run_python'],
  );
});

test('a script runs', async () => {
  assert.deepEqual(await python('print(6 * 7)'), {
    content: [{ type: 'text', text: '42\n' }],
    isError: false,
  });
});

test('mistakes and limits are results', async () => {
  const results = await Promise.all([
    python('open("/etc/passwd")'),
    python('bytearray(500_000_000)'),
    python('while True: print("again")'),
  ]);
  assert.ok(results.every(({ isError }) => isError));
  const texts = results.map(({ content }) => content[0].text);
  assert.match(texts[0], /FileNotFoundError/);
  assert.match(texts[1], /MemoryError/);
  assert.match(texts[2], /again/);
});

test('an unknown method or tool is an error', async () => {
  assert.equal((await ask('nothing')).error.code, -32601);
  assert.equal((await ask('tools/call', { name: 'shell' })).error.code, -32602);
});
