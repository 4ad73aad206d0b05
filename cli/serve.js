'use strict';

const http = require('node:http');
const { once } = require('node:events');
const { handler } = require('../lib/handler.js');
const { handleOf } = require('../lib/program.js');
const { CliError, inNameOf, reason } = require('./errors.js');
const { notice } = require('./output.js');
const { sourceOf } = require('./program.js');
const { SIGNALS, checkDirectories, explainFailure, limitsOf, settingOf } = require('./run.js');

/** The address, unless a flag says another. */
const ADDRESS = { host: '127.0.0.1', port: 8080 };

/**
 * wasi-rs serve
 *
 * @param {import('./parse.js').Invocation} invocation
 */
async function serve({ flags, program, args }) {
  checkDirectories(flags);
  const handle = await open(program, flags, args);
  const server = http.createServer(handle);
  const { host, port } = flags.addr ?? ADDRESS;
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (error) {
    throw new CliError(`can't listen at ${host}:${port}: ${reason(error)}`);
  }
  const address = /** @type {import('node:net').AddressInfo} */ (server.address());
  const shown = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  notice(`wasi-rs: serving http://${shown}:${address.port}/\n`);
  await new Promise((resolve) => {
    for (const name of SIGNALS) process.once(name, resolve);
  });
  // Requests in progress are answered; a second signal ends the process.
  for (const name of SIGNALS) process.removeAllListeners(name);
  server.close();
  server.closeIdleConnections();
  await once(server, 'close');
  await handle.close();
  return 0; // it has ended in order
}

/**
 * @param {string} program
 * @param {Record<string, any>} flags
 * @param {string[]} args
 */
async function open(program, flags, args) {
  try {
    const source = handleOf(await sourceOf(program), !flags['no-cache'], true);
    const options = {
      ...settingOf(program, flags, args),
      limits: limitsOf(flags),
      timeout: flags.timeout,
      concurrency: flags['max-requests'],
      onError: (/** @type {any} */ error) => {
        const message = inNameOf(program, String(error?.message ?? error));
        notice(`wasi-rs: ${message}\n`);
      },
    };
    return await handler(source, options);
  } catch (error) {
    throw explainFailure(program, error);
  }
}

module.exports = { serve };
