import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { serve } from './server.mjs';

test('each request is answered by an instance of its own', async (t) => {
  const server = await serve(0);
  t.after(() => server.close());
  if (!server.listening) await once(server, 'listening');
  const url = `http://127.0.0.1:${server.address().port}`;
  const texts = ['/a', '/b?c=d', '/'].map(async (path) => (await fetch(`${url}${path}`)).text());
  assert.deepEqual(await Promise.all(texts), [
    'hello from /a\n',
    'hello from /b?c=d\n',
    'hello from /\n',
  ]);
});
