'use strict';

// --fetch: the hosts that a program may make requests to.

const { once } = require('node:events');
const { Readable } = require('node:stream');
const { STATUSES_WITHOUT_BODY, pairs } = require('../lib/http.js');

const { Headers, Response } = globalThis;

/**
 * The function that makes the requests of a program. Bodies are left as they come, and trailers go both ways,
 * which the fetch of Node does not do.
 *
 * @param {readonly import('./values.js').Host[]} hosts at least one
 * @returns {import('../index.js').Fetch}
 */
function fetchOf(hosts) {
  return (request) => {
    const { hostname, port, protocol } = new URL(request.url);
    const usual = protocol === 'https:' ? '443' : '80';
    const isAllowed = hosts.some((host) => {
      const isPort = host.port === undefined || host.port === (port || usual);
      return isPort && host.matches(hostname);
    });
    return isAllowed ? send(request) : undefined;
  };
}

/** @param {Parameters<import('../index.js').Fetch>[0]} request */
async function send(request) {
  const { method, signal } = request;
  const { request: begin } = request.url.startsWith('https:')
    ? require('node:https')
    : require('node:http');
  const headers = Object.fromEntries(request.headers);
  const outgoing = begin(request.url, { method, headers, signal });
  const responded = once(outgoing, 'response');
  await Promise.race([upload(outgoing, request), responded]); // one may come before the body has been sent
  const [incoming] = await responded;
  const status = incoming.statusCode;
  const hasBody = !STATUSES_WITHOUT_BODY.has(status) && method !== 'HEAD';
  if (!hasBody) incoming.resume();
  const body = hasBody ? Readable.toWeb(incoming) : null;
  const response = new Response(/** @type {any} */ (body), {
    status,
    headers: pairs(incoming.rawHeaders),
  });
  const trailers = () => new Headers(pairs(incoming.rawTrailers)); // asked for after the body
  return Object.defineProperty(response, 'trailers', { get: trailers });
}

/**
 * @param {import('node:http').ClientRequest} outgoing
 * @param {Parameters<import('../index.js').Fetch>[0]} request
 */
async function upload(outgoing, request) {
  if (!request.body) return void outgoing.end();
  try {
    for await (const chunk of /** @type {any} */ (request.body)) {
      if (!outgoing.write(chunk)) await once(outgoing, 'drain');
    }
    outgoing.addTrailers([...(await request.trailers)]);
    outgoing.end();
  } catch (error) {
    outgoing.destroy(/** @type {Error} */ (error));
    throw error;
  }
}

module.exports = { fetchOf };
