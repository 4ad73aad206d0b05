'use strict';

// --fetch: the hosts that a program may make requests to.

const { fetch } = globalThis;

/**
 * The function that makes the requests of a program.
 *
 * @param {readonly import('./values.js').Host[]} hosts
 * @returns {(request: Request) => Promise<Response> | undefined}
 */
function fetchOf(hosts) {
  return (request) => {
    const { hostname, port, protocol } = new URL(request.url);
    const usual = protocol === 'https:' ? '443' : '80';
    const isAllowed = hosts.some((host) => {
      const isPort = host.port === undefined || host.port === (port || usual);
      return isPort && host.matches(hostname);
    });
    return isAllowed ? fetch(request) : undefined;
  };
}

module.exports = { fetchOf };
