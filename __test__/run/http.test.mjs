// handler(), and the requests that components make: wasi:http.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { ComponentError, handler } from '../../index.js';
import { EMPTY_COMPONENT } from '../support/components.mjs';
import { HANGS } from '../support/host.mjs';

const guest = new URL('../support/guests/http-handler.wasm', import.meta.url);
const cache = false;
const SITE = 'http://site.example';

/** A handler, and the errors that it has told. */
async function open(options) {
  const errors = [];
  const onError = (error) => void errors.push(error);
  const handle = await handler(guest, { cache, onError, ...options });
  return { errors, get: (path, init) => handle(new Request(SITE + path, init)), handle };
}

const servers = [];
after(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

/** A server at a free port, until the tests are over. */
async function listen(listener) {
  const server = http.createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  servers.push(server);
  const address = `127.0.0.1:${server.address().port}`;
  return { address, get: (path, init) => fetch(`http://${address}${path}`, init) };
}

describe('handler()', { timeout: HANGS }, () => {
  test('answers a Request with a Response', async () => {
    const { get, errors } = await open();
    const body = 'päckchen '.repeat(100_000);
    const init = { method: 'POST', body, headers: { 'x-one': 'ä', host: 'other' } };
    const response = await get('/echo?q=1', init);
    assert.equal(response.status, 200);
    const names = ['x-path', 'x-method', 'x-authority', 'x-got'];
    const expected = ['/echo?q=1', 'POST', 'site.example', 'ä'];
    assert.deepEqual(
      names.map((name) => response.headers.get(name)),
      expected,
    );
    assert.equal(await response.text(), body);
    assert.equal((await get('/status/201')).status, 201);
    assert.equal((await get('/status/204')).body, null);
    assert.equal((await get('/status/201', { method: 'HEAD' })).body, null);
    assert.deepEqual(errors, []);
  });

  test('has a new instance for each request', async () => {
    const { get } = await open({ concurrency: 2 });
    const texts = Array.from({ length: 20 }, async () => (await get('/count')).text());
    assert.deepEqual(new Set(await Promise.all(texts)), new Set(['first']));
  });

  test('is a listener of node:http', async () => {
    const { handle, errors } = await open();
    const { address, get } = await listen(handle);
    const body = Buffer.alloc(3_000_000, 'x');
    assert.equal(
      Buffer.compare(
        Buffer.from(await (await get('/echo', { method: 'POST', body })).arrayBuffer()),
        body,
      ),
      0,
    );
    // One that does not read what it is sent.
    assert.equal(await (await get('/status/299', { method: 'POST', body })).text(), 'status');
    const request = http.request(`http://${address}/echo`, { method: 'POST' });
    request.end('body');
    const [response] = await once(request, 'response');
    response.resume();
    await once(response, 'end');
    assert.deepEqual(response.trailers, { 'x-end': 'whole' });
    assert.deepEqual(errors, []);
  });

  test('streams, and waits for a slow reader', async () => {
    const { get } = await open();
    const response = await get('/large/1000');
    let length = 0;
    for await (const chunk of response.body) {
      length += chunk.length;
      await turn();
    }
    assert.equal(length, 1000 * 65_536);
  });

  test('answers with a 500 if the component fails', async () => {
    const { get, errors, handle } = await open({ timeout: 500 });
    const server = await listen(handle);
    const codes = {
      '/trap': 'ERR_WASI_TRAP',
      '/silent': 'ERR_WASI_HTTP',
      '/error': 'ERR_WASI_HTTP',
      '/status/150': 'ERR_WASI_HTTP',
      '/forever': 'ERR_WASI_TIMEOUT',
    };
    for (const [path, code] of Object.entries(codes)) {
      for (const open of [get, server.get]) {
        const response = await open(path);
        assert.equal(response.status, 500);
        assert.equal(await response.text(), '');
        assert.equal(errors.pop()?.code, code);
        assert.equal(errors.length, 0);
      }
    }
    const { message } = await get('/error').then(() => errors.pop());
    assert.equal(message, 'the handler has answered with the error loop-detected');
  });

  test('ends a body that is not complete with an error', async () => {
    const { get, errors, handle } = await open();
    const server = await listen(handle);
    for (const path of ['/trap-late', '/too-short']) {
      for (const open of [get, server.get]) {
        // The instance may have failed before anybody has looked for its response, which is a 500 then.
        const read = async () => {
          const response = await open(path);
          await response.text();
          if (path === '/trap-late' && response.status === 500) throw new Error('500');
        };
        await assert.rejects(read);
        while (errors.length === 0 && path === '/trap-late') await turn();
        errors.length = 0;
      }
    }
  });

  test('is not fooled by lengths that are not those of the bodies', async () => {
    const { get, errors, handle } = await open();
    const server = await listen(handle);
    for (const open of [get, server.get]) {
      await assert.rejects(open('/no-body').then((response) => response.text()));
      assert.equal((await open('/no-body', { method: 'HEAD' })).status, 200);
      const two = await open('/two-lengths');
      assert.deepEqual([two.status, await two.text()], [500, '']);
      assert.equal(await (await open('/count')).text(), 'first');
    }
    errors.length = 0;
  });

  test('bounds what a component sends before a body', async () => {
    const { get, errors } = await open({ limits: { memory: 2 ** 27 } });
    for (const path of ['/large-error/60', '/large-field/10']) {
      assert.equal((await get(path)).status, 500);
    }
    const [error, field] = errors;
    assert.match(
      error.message,
      /^the handler has answered with the error internal-error: E{1000}$/,
    );
    assert.match(field.message, /the error HTTP-response-header-section-size$/);
    assert.ok(error.cause.text.length <= 1000);
    const fetches = await open({ fetch: () => new Promise(() => {}) });
    const held = await fetches.get('/hold');
    assert.equal(await held.text(), '063 connection-limit-reached');
  });

  test('takes requests that are more than it answers at a time, and bodies of bytes only', async () => {
    const { get, errors } = await open({ concurrency: 2 });
    const all = Array.from({ length: 500 }, async () => (await get('/count')).status);
    assert.deepEqual(new Set(await Promise.all(all)), new Set([200]));
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue('text é');
        controller.close();
      },
    });
    const response = get('/echo', { method: 'POST', body, duplex: 'half' });
    await assert.rejects(
      response.then((one) => one.text()).then((text) => assert.equal(text, '?')),
    );
    assert.equal(errors.length, 1);
    assert.match(
      errors[0].message,
      /^the body of the request can't be read: a chunk of a body of HTTP must/,
    );
  });

  test('lets onError give the response', async () => {
    const onError = ({ code }, request) =>
      new Response(`${code} ${request.url}`, { status: 503, headers: { 'x-a': 'b' } });
    const { get, handle } = await open({ onError });
    const server = await listen(handle);
    for (const [response, url] of [
      [await get('/trap'), `${SITE}/trap`],
      [await server.get('/trap'), '/trap'],
    ]) {
      assert.equal(response.status, 503);
      assert.equal(response.headers.get('x-a'), 'b');
      assert.equal(await response.text(), `ERR_WASI_TRAP ${url}`);
    }
    // The same Response for each error, and none because of another error.
    const same = new Response('sorry', { status: 503 });
    const warnings = [];
    const warned = (warning) => warnings.push(warning.message);
    process.on('warning', warned);
    for (const [answer, expected] of [
      [() => same, [503, 'sorry']],
      [
        () => {
          throw new Error('mine');
        },
        [500, ''],
      ],
    ]) {
      const other = await open({ onError: answer });
      const { get: fetches } = await listen(other.handle);
      for (const one of [other.get, fetches, other.get, fetches]) {
        const response = await one('/trap');
        assert.deepEqual([response.status, await response.text()], expected);
      }
    }
    await turn();
    process.off('warning', warned);
    assert.deepEqual(warnings, Array(4).fill('options.onError has failed: mine'));
  });

  test('ends the instance when the client is gone', async () => {
    const { get, errors, handle } = await open();
    const server = await listen(handle);
    const signals = [new AbortController(), new AbortController()];
    const waiting = [
      get('/forever', { signal: signals[0].signal }),
      server.get('/forever', { signal: signals[1].signal }),
    ];
    setTimeout(() => signals.forEach((one) => one.abort()), 50);
    for (const { reason } of await Promise.allSettled(waiting)) {
      assert.equal(reason.name, 'AbortError');
    }
    const { body } = await get('/large/100000');
    await body.cancel();
    await handle.close(); // resolves when none runs
    assert.deepEqual(errors, []);
    await assert.rejects(get('/count'), {
      code: 'ERR_INVALID_STATE',
      message: 'the handler is closed',
    });
    assert.equal((await server.get('/count')).status, 503);
    assert.deepEqual(errors, []);
  });

  test('tells no error of an instance that close() ends after its response', async () => {
    const { errors, get, handle } = await open();
    const response = await get('/answered-forever');
    assert.equal(await response.text(), 'answered');
    await handle.close();
    await turn();
    assert.deepEqual(errors, []);
    const other = await open();
    const answer = other.get('/forever');
    await other.handle.close();
    assert.equal((await answer).status, 500);
    assert.deepEqual(
      other.errors.map(({ code }) => code),
      ['ERR_WASI_KILLED'],
    );
  });

  test('refuses what is no handler, and wrong options', async () => {
    await assert.rejects(handler(EMPTY_COMPONENT, { cache }), {
      code: 'ERR_WASI_PROGRAM',
      message:
        /^the program is no handler of HTTP: it exports neither wasi:http\/incoming-handler nor wasi:http\/handler/,
    });
    const wrong = [
      [{ stdin: 'pipe' }, /options\.stdin/],
      [{ stdout: 'pipe' }, /options\.stdout/],
      [{ fetch: 5 }, /options\.fetch/],
      [{ onError: 5 }, /options\.onError/],
      [{ check: true }, /options\.check/],
    ];
    for (const [options, message] of wrong) await assert.rejects(handler(guest, options), message);
    const { handle } = await open();
    await assert.rejects(handle('/'), { code: 'ERR_INVALID_ARG_TYPE' });
  });

  test('leaves no descriptors', async () => {
    const { get, handle } = await open();
    const count = () => fs.readdirSync('/proc/self/fd').length;
    for (let i = 0; i < 3; i++) await (await get('/count')).text();
    await turn();
    const usual = count();
    for (let i = 0; i < 50; i++) await (await get(i % 2 ? '/count' : '/trap')).text();
    await handle.close();
    while (count() > usual) await turn();
  });
});

describe('requests of a component', { timeout: HANGS }, () => {
  let origin;
  before(async () => {
    origin = await listen((request, response) => {
      if (request.url === '/never') return;
      const chunks = [];
      request.on('data', (chunk) => chunks.push(chunk));
      request.on('end', () => {
        if (request.url === '/cut') {
          response.writeHead(200, { 'content-length': 100 });
          return void response.write('short', () => response.destroy());
        }
        if (request.url === '/moved')
          return void response.writeHead(302, { location: '/there' }).end();
        const body = Buffer.concat(chunks);
        response.writeHead(203, { 'x-got': `${request.method} ${request.url} ${body.length}` });
        response.end(body);
      });
    });
  });
  const to = (address = origin.address) => ({ headers: { to: address } });

  test('are denied unless there is a function for them', async () => {
    const { get } = await open();
    const response = await get('/forward/x', to());
    assert.deepEqual([response.status, await response.text()], [502, 'HTTP-request-denied']);
  });

  test('are made by options.fetch', async () => {
    const urls = [];
    const { get, errors } = await open({
      fetch(request) {
        urls.push(`${request.method} ${request.url}`);
        return fetch(request);
      },
    });
    const empty = await get('/forward/a?b=c', to());
    assert.deepEqual([empty.status, await empty.text()], [203, '']);
    assert.equal(empty.headers.get('x-got'), 'GET /a?b=c 0');
    const body = 'x'.repeat(1_000_000);
    const full = await get('/forward/post', { method: 'POST', body, ...to() });
    assert.equal(full.headers.get('x-got'), 'POST /post 1000000');
    assert.equal(await full.text(), body);
    const moved = await get('/forward/moved', to());
    assert.deepEqual([moved.status, moved.headers.get('location')], [302, '/there']);
    const all = ['GET /a?b=c', 'POST /post', 'GET /moved'];
    assert.deepEqual(
      urls,
      all.map((one) => one.replace(' ', ` http://${origin.address}`)),
    );
    assert.deepEqual(errors, []);
  });

  test('may be answered by the embedder, or refused', async () => {
    const answers = {
      own: () =>
        new Response('own', {
          status: 418,
          headers: [
            ['set-cookie', 'a=1'],
            ['set-cookie', 'b=2'],
          ],
        }),
      none: () => undefined,
      code: () => {
        throw new ComponentError('destination-not-found');
      },
      tagged: () => Promise.reject(new ComponentError({ tag: 'internal-error', val: 'schön' })),
      error: () => {
        throw new Error('something');
      },
      odd: () => {
        throw Object.create(null);
      },
      cause: () => {
        throw new Error('why', { cause: { errors: { field: 'wrong' } } });
      },
      text: () => new Response(new ReadableStream({ start: (to) => to.enqueue('é') })),
    };
    const { get } = await open({ fetch: ({ url }) => answers[new URL(url).hostname]() });
    const told = async (name) => {
      const response = await get('/forward/x', to(name));
      return [response.status, await response.text(), response.headers.getSetCookie()];
    };
    assert.deepEqual(await told('own'), [418, 'own', ['a=1', 'b=2']]);
    assert.deepEqual(await told('none'), [502, 'HTTP-request-denied', []]);
    assert.deepEqual(await told('code'), [502, 'destination-not-found', []]);
    assert.deepEqual(await told('tagged'), [502, 'schön', []]);
    assert.deepEqual(await told('error'), [502, 'something', []]);
    assert.equal((await told('odd'))[0], 502);
    assert.deepEqual(await told('cause'), [502, 'why', []]);
    await assert.rejects(told('text'));
  });

  test('have errors with the codes of wasi:http, and times', async () => {
    const { get } = await open({ fetch });
    const told = async (path, init) => (await get(path, init)).text();
    const closed = http.createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address();
    closed.close();
    await once(closed, 'close');
    assert.equal(await told('/forward/x', to(`127.0.0.1:${port}`)), 'connection-refused');
    assert.equal(await told('/forward-soon/never', to()), 'HTTP-response-timeout');
    await assert.rejects(told('/forward/cut', to()));
    assert.equal(await told('/forward/x', to('user:pass@host')), 'HTTP-request-URI-invalid');
  });

  test('end with the instance', async () => {
    const { promise, resolve } = Promise.withResolvers?.() ?? withResolvers();
    const { get } = await open({
      timeout: 200,
      fetch: (request) => {
        request.signal.addEventListener('abort', resolve);
        return new Promise(() => {});
      },
    });
    assert.equal((await get('/forward/x', to())).status, 500);
    await promise;
  });
});

function withResolvers() {
  let resolve;
  const promise = new Promise((with_) => (resolve = with_));
  return { promise, resolve };
}
