// A registry for npm and others, on this machine: it has our packages and no others.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';

const { PACKAGES, version } = createRequire(import.meta.url)('../../scripts/packages.js');

/**
 * Serves the packages that were packed. It knows the packages of other platforms too, and has no tarballs of them.
 *
 * @param {Array<{ name: string, tarball: string }>} packed
 * @returns {Promise<{ url: string, fetched: string[], close: () => void }>} fetched: the tarballs' names
 */
export async function serve(packed) {
  const tarballs = new Map(packed.map(({ name, tarball }) => [name, fs.readFileSync(tarball)]));
  /** @type {string[]} */
  const fetched = [];
  const server = createServer((request, response) => {
    const asked = decodeURIComponent(request.url.slice(1));
    const entry = PACKAGES.find(({ name }) => name === asked || `${name}.tgz` === asked);
    if (!entry) return response.writeHead(404, { 'content-type': 'application/json' }).end('{}');
    const tarball = tarballs.get(entry.name);
    if (asked === entry.name) {
      const answer = JSON.stringify(packument(entry, url, tarball));
      return response.writeHead(200, { 'content-type': 'application/json' }).end(answer);
    }
    fetched.push(entry.name);
    return tarball ? response.end(tarball) : response.writeHead(404).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${server.address().port}`;
  return { url, fetched, close: () => server.close() };
}

/** @param {import('../../scripts/packages.js').Package} entry @param {string} url @param {Buffer} [bytes] */
function packument({ name, manifest }, url, bytes = Buffer.alloc(0)) {
  const dist = {
    tarball: `${url}/${name}.tgz`,
    shasum: createHash('sha1').update(bytes).digest('hex'),
    integrity: `sha512-${createHash('sha512').update(bytes).digest('base64')}`,
  };
  const versions = { [version]: { ...manifest, dist } };
  return { name, 'dist-tags': { latest: version }, versions, time: { [version]: '2026-01-01' } };
}

/** What makes npm, pnpm and Yarn ask this registry. @param {string} url @param {string} home an empty folder */
export const environment = (url, home) => ({
  HOME: home,
  XDG_DATA_HOME: path.join(home, 'data'),
  XDG_CACHE_HOME: path.join(home, 'cache'),
  npm_config_registry: url,
  npm_config_audit: 'false',
  npm_config_fund: 'false',
  npm_config_update_notifier: 'false',
  YARN_NPM_REGISTRY_SERVER: url,
  YARN_UNSAFE_HTTP_WHITELIST: '127.0.0.1',
  YARN_ENABLE_TELEMETRY: 'false',
});
