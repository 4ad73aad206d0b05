// docs/deployment.md: its recipes work as they stand there.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { nodeFileTrace } from '@vercel/nft';
import webpack from 'webpack';
import { recipesOf, write } from '../support/documents.mjs';
import { execute, node } from './node.mjs';
import { shell } from './shell.mjs';

const ours = path.join(import.meta.dirname, 'node_modules', 'wasi-rs');
const guest = fs.readFileSync(path.join(import.meta.dirname, 'build', 'demo.wasm'));
const recipes = recipesOf('docs/deployment.md');
const { files: program } = recipes.get('');
const GREETINGS = 'WASI: hello world\nwasmtime: hello world\nv8: hello world\n';

test('each section of the page has a test below', () => {
  assert.deepEqual(
    [...recipes.keys()],
    [
      ...['', 'esbuild', 'webpack', 'Vite', 'Next.js', 'pnpm', "Yarn Plug'n'Play"],
      ...["Node's permission model", 'Single executable applications'],
    ],
  );
});

/** A folder that is gone after the test. @param {import('node:test').TestContext} t */
function newFolder(t) {
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'wasi-rs-deployment-')));
  // A package manager may have left a process behind that still writes into its home: then the folder is not
  // empty, and the removal is tried again.
  t.after(() => fs.rmSync(folder, { recursive: true, force: true, maxRetries: 10 }));
  return folder;
}

/** A project with the page's program and a recipe's files. @param {import('node:test').TestContext} t @param {string} title */
function project(t, title) {
  const { files, commands } = recipes.get(title);
  const folder = newFolder(t);
  write(folder, { 'app.wasm': guest, 'package.json': '{}', ...program, ...files });
  return { folder, commands };
}

/** @param {string} folder */
const addOurs = (folder) =>
  fs.cpSync(ours, path.join(folder, 'node_modules', 'wasi-rs'), { recursive: true });

for (const title of ['esbuild', 'webpack', 'Vite']) {
  test(`${title}: what it has built runs, and elsewhere with the package's folder alone`, async (t) => {
    const { folder, commands } = project(t, title);
    addOurs(folder);
    const { stdout } = await shell(commands, { cwd: folder });
    assert.ok(stdout.endsWith(GREETINGS), stdout);

    const elsewhere = newFolder(t);
    for (const name of ['dist', 'app.wasm', 'node_modules']) {
      fs.renameSync(path.join(folder, name), path.join(elsewhere, name));
    }
    const [file] = fs.readdirSync(path.join(elsewhere, 'dist'));
    const run = await node([path.join('dist', file)], { cwd: elsewhere });
    assert.equal(run.stdout, GREETINGS);
  });
}

test('esbuild, without being told: the error says that the package is in a bundle', async (t) => {
  const { folder } = project(t, 'esbuild');
  addOurs(folder);
  fs.writeFileSync(path.join(folder, 'main.cjs'), "require('wasi-rs')");
  const bundle = 'esbuild main.cjs --bundle --platform=node --outfile=dist/main.cjs';
  await shell(bundle, { cwd: folder });
  const { output } = await node(['dist/main.cjs'], { cwd: folder, status: 1 });
  assert.match(output, /code: 'ERR_WASI_RS_LOAD'/);
  assert.match(output, /part of a bundle, dist.main\.cjs: .*external.*docs\/deployment\.md/s);
});

test('Next.js, as far as it is webpack and @vercel/nft: a route answers from the files found', async (t) => {
  const { folder } = project(t, 'Next.js');
  addOurs(folder);
  const { default: config } = await import(path.join(folder, 'next.config.mjs'));
  assert.equal(config.output, 'standalone');
  const compiler = webpack({
    mode: 'production',
    target: 'node',
    context: folder,
    entry: './route.js',
    output: { path: path.join(folder, '.next'), filename: 'route.js', libraryTarget: 'commonjs2' },
    externals: [
      async ({ request }) =>
        config.serverExternalPackages.includes(request) ? `commonjs ${request}` : undefined,
    ],
  });
  const stats = await new Promise((resolve, reject) => {
    compiler.run((error, result) =>
      compiler.close(() => (error ? reject(error) : resolve(result))),
    );
  });
  assert.ok(!stats.hasErrors(), stats.toString());

  const { fileList, warnings } = await nodeFileTrace([path.join(folder, '.next', 'route.js')], {
    base: folder,
  });
  assert.deepEqual([...warnings], []);
  const elsewhere = newFolder(t);
  for (const name of [...fileList, 'app.wasm']) {
    fs.cpSync(path.join(folder, name), path.join(elsewhere, name));
  }
  const script =
    "require('./.next/route.js').GET().then((r) => r.text()).then((text) => process.stdout.write(text))";
  const { stdout } = await node(['-e', script], { cwd: elsewhere });
  assert.equal(stdout, 'hello world\nhello world\n');
});

for (const [title, env] of [
  ['pnpm', { npm_config_offline: 'true' }],
  ["Yarn Plug'n'Play", { YARN_ENABLE_NETWORK: 'false', YARN_ENABLE_TELEMETRY: 'false' }],
]) {
  test(`${title} installs the packed package, which runs`, async (t) => {
    const { folder, commands } = project(t, title);
    const home = newFolder(t);
    const packed = newFolder(t);
    // Other tests pack at the same time: each has a cache and logs of its own.
    const own = { npm_config_cache: newFolder(t), npm_config_update_notifier: 'false' };
    const pack = ['pack', '--ignore-scripts', '--pack-destination', packed];
    await execute('npm', pack, { cwd: ours, env: own });
    const [tarball] = fs.readdirSync(packed);
    const { stdout } = await shell(
      commands.replace('add wasi-rs', `add wasi-rs@file:${path.join(packed, tarball)}`),
      { cwd: folder, env: { HOME: home, XDG_DATA_HOME: home, XDG_CACHE_HOME: home, ...env } },
    );
    assert.ok(stdout.endsWith(GREETINGS), stdout);
    assert.equal(fs.existsSync(path.join(folder, 'node_modules')), title === 'pnpm');
  });
}

test("Node's permission model: the flags suffice", async (t) => {
  const { folder, commands } = project(t, "Node's permission model");
  addOurs(folder);
  const isStable = process.allowedNodeEnvironmentFlags.has('--permission');
  const { stdout } = await shell(
    isStable ? commands : commands.replace('--permission', '--experimental-permission'),
    { cwd: folder },
  );
  assert.equal(stdout, GREETINGS);
});

test('a single executable application has all in one file', async (t) => {
  const { folder, commands } = project(t, 'Single executable applications');
  addOurs(folder);
  const TMPDIR = newFolder(t);
  const lines = commands.trimEnd().split('\n');
  assert.equal(lines.pop(), './app');
  await shell(lines.join('\n'), { cwd: folder });

  const elsewhere = newFolder(t);
  fs.renameSync(path.join(folder, 'app'), path.join(elsewhere, 'app'));
  const { stdout } = await execute('./app', [], { cwd: elsewhere, env: { TMPDIR } });
  assert.equal(stdout, GREETINGS);
  assert.deepEqual(fs.readdirSync(TMPDIR), [], 'it leaves nothing');
});
