// The documents, and what of them needs a word.

import fs from 'node:fs';
import path from 'node:path';
import { root } from '../support/host.mjs';
import { assemble } from '../support/wat.mjs';

/** @param {string} folder in the repository @returns {string[]} the documents in it */
const documentsIn = (folder) =>
  fs
    .readdirSync(path.join(root, folder), { recursive: true })
    .map((name) => path.posix.join(folder, String(name).replaceAll('\\', '/')))
    .filter((name) => name.endsWith('.md') && !name.includes('node_modules'))
    .sort();

/** Documents with code for users. */
export const documents = ['README.md', ...documentsIn('docs')];

/** All documents, whose links are checked. */
export const allDocuments = [
  ...documents,
  'ARCHITECTURE.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...documentsIn('examples'),
];

/** Pages whose code needs the packages of a folder of its own: other tests run each of their sections. */
export const ELSEWHERE = {
  'docs/deployment.md': '__test__/packages/deployment.test.mjs',
  'docs/testing.md': '__test__/packages/testing.test.mjs',
};

/** Blocks that can't run here. */
export const NOT_RUN = [
  {
    page: 'README.md',
    begins: 'npm install wasi-rs',
    reason: 'it asks the registry; __test__/npm/ installs the packed package',
  },
  {
    page: 'README.md',
    begins: 'npm install && npm run demo',
    reason: 'it builds for minutes; __test__/packages/runtimes.test.mjs runs the demo',
  },
  { page: 'README.md', begins: 'npm test', reason: 'it is what runs this test' },
  {
    page: 'docs/guides/migrating.md',
    begins: '-const { WASI }',
    reason: 'it is a difference; the block below has the second line',
  },
  {
    page: 'docs/decisions/README.md',
    begins: '# ',
    reason: 'it is no code: the form of a page',
  },
];

/** @param {string} name @returns {URL} a file of the tests */
const fileOf = (name) => new URL(`../${name}`, import.meta.url);
const guest = (/** @type {string} */ name) =>
  fs.readFileSync(fileOf(`support/guests/${name}.wasm`));
const program = (/** @type {string} */ name) =>
  assemble(fs.readFileSync(fileOf(`docs/programs/${name}.wat`), 'utf8'));

/** The files that a page takes for granted. @type {Record<string, Record<string, string | Uint8Array>>} */
export const GIVEN = {
  'docs/class.md': { 'app.wasm': program('app'), 'some/folder/a.txt': '' },
  'docs/run.md': {
    'app.wasm': program('app'),
    'data/a.txt': '',
    'server.wasm': guest('http-server'),
    'www/a.txt': '',
  },
  'docs/cli.md': {
    'app.wasm': program('app'),
    'plugin.wasm': program('plugin'),
    'data/a.txt': '',
  },
  'docs/load.md': {
    'plugin.wasm': program('plugin'),
    'interpreter.wasm': program('interpreter'),
    'data/a.txt': '',
  },
  'docs/components.md': { 'client.wasm': guest('sockets') },
  'docs/http.md': { 'proxy.wasm': guest('http-handler') },
  'docs/guides/memory.md': { 'lib/util.py': '' },
};
