// `wasi-rs/register`: however it is loaded, and by whatever way a program comes to node:wasi, it finds our class there.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { root } from '../support/host.mjs';

const project = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'wasi-rs-register-')));
after(() => fs.rmSync(project, { recursive: true }));
fs.mkdirSync(path.join(project, 'node_modules'));
fs.symlinkSync(root, path.join(project, 'node_modules', 'wasi-rs'), 'junction');

const getBuiltinModule = 'getBuiltinModule' in process;

/** How the preload gets into a process. */
const ways = {
  '-r': { flags: ['-r', 'wasi-rs/register'] },
  '--import': { flags: ['--import', 'wasi-rs/register'] },
  'NODE_OPTIONS=-r': { env: { NODE_OPTIONS: '-r wasi-rs/register' } },
  'NODE_OPTIONS=--import': { env: { NODE_OPTIONS: '--import wasi-rs/register' } },
  '--pending-deprecation --import': {
    flags: ['--pending-deprecation', '--import', 'wasi-rs/register'],
  },
  'all of them at once': {
    flags: ['-r', 'wasi-rs/register', '--import', 'wasi-rs/register'],
    env: { NODE_OPTIONS: '--import wasi-rs/register' },
  },
};

// `say` tells whose class it was given. It is in each script, for a script may be a data: URL, which can't import.
const sayOurs = `
  const say = (way, WASI) => {
    const { createRequire } = require('node:module');
    const { WASI: ours } = createRequire(process.cwd() + '/')('wasi-rs/compat');
    console.log(way + ': ' + (WASI === ours ? 'ours' : WASI.name === 'WASI' ? "Node's" : 'none'));
  };`;
const cjs = (script) => `${sayOurs}\n${script}`;
const esm = (script) => `
  import { createRequire } from 'node:module';
  const require = createRequire(process.cwd() + '/');
  ${cjs(script)}`;

const inCommonJS = cjs(`
  say('require', require('wasi').WASI);
  say('require node:', require('node:wasi').WASI);
  say('createRequire', require('node:module').createRequire(process.cwd() + '/')('node:wasi').WASI);
  say('module.require', module.require('wasi').WASI);
  if (process.getBuiltinModule) {
    say('getBuiltinModule', process.getBuiltinModule('wasi').WASI);
    say('getBuiltinModule node:', process.getBuiltinModule('node:wasi').WASI);
  }
  import('wasi').then(async ({ WASI }) => {
    say('import()', WASI);
    say('import() node:', (await import('node:wasi')).WASI);
    say('import() default', (await import('node:wasi')).default.WASI);
  });`);
const saidInCommonJS = [
  'require',
  'require node:',
  'createRequire',
  'module.require',
  ...(getBuiltinModule ? ['getBuiltinModule', 'getBuiltinModule node:'] : []),
  'import()',
  'import() node:',
  'import() default',
];

const inESM = esm(`
  import { WASI } from 'wasi';
  import { WASI as nodeWASI, default as byDefault } from 'node:wasi';
  import * as namespace from 'node:wasi';
  say('named', WASI);
  say('named node:', nodeWASI);
  say('default', byDefault.WASI);
  say('namespace', namespace.WASI);
  say('namespace default', namespace.default.WASI);
  say('import()', (await import('node:wasi')).WASI);
  say('createRequire', createRequire(import.meta.url.replace(/^data:[^]*/, process.cwd() + '/'))('wasi').WASI);
  say('data: URL', (await import('data:text/javascript,export { WASI } from "node:wasi"')).WASI);
  if (process.getBuiltinModule) say('getBuiltinModule', process.getBuiltinModule('node:wasi').WASI);`);
const saidInESM = [
  'named',
  'named node:',
  'default',
  'namespace',
  'namespace default',
  'import()',
  'createRequire',
  'data: URL',
  ...(getBuiltinModule ? ['getBuiltinModule'] : []),
];

const inWorker = (args) => `
  const { Worker } = require('node:worker_threads');
  new Worker(${args}).on('error', (error) => { throw error; });`;
const inFork = (file) => `require('node:child_process').fork(${JSON.stringify(file)});`;

const scripts = {
  'commonjs.cjs': inCommonJS,
  'esm.mjs': inESM,
  'worker-of-cjs.cjs': inWorker('__dirname + "/commonjs.cjs"'),
  'worker-of-esm.cjs': inWorker('__dirname + "/esm.mjs"'),
  'worker-from-esm.mjs': esm(inWorker('new URL("commonjs.cjs", import.meta.url)')),
  'worker-eval.cjs': inWorker(`${JSON.stringify(inCommonJS)}, { eval: true }`),
  'worker-data-url.cjs': inWorker(
    `new URL('data:text/javascript,' + encodeURIComponent(${JSON.stringify(inESM)}))`,
  ),
  'worker-env.cjs': inWorker('__dirname + "/commonjs.cjs", { env: process.env }'),
  'worker-of-worker.cjs': inWorker('__dirname + "/worker-of-esm.cjs"'),
  'fork-of-cjs.cjs': inFork('./commonjs.cjs'),
  'fork-of-esm.mjs': esm(inFork('./esm.mjs')),
  'fork-of-worker.cjs': inFork('./worker-of-cjs.cjs'),
};
for (const [name, script] of Object.entries(scripts)) {
  fs.writeFileSync(path.join(project, name), script);
}

/** What a program's entry point may be: its command line, and what is said on the way. */
const entries = {
  'a CommonJS file': { args: ['commonjs.cjs'], said: saidInCommonJS },
  'an ES module': { args: ['esm.mjs'], said: saidInESM },
  '-e': { args: ['-e', inCommonJS], said: saidInCommonJS },
  '-e of an ES module': { args: ['--input-type=module', '-e', inESM], said: saidInESM },
  stdin: { args: ['-'], input: inCommonJS, said: saidInCommonJS },
  'a worker': { args: ['worker-of-cjs.cjs'], said: saidInCommonJS },
  "an ES module's worker": { args: ['worker-from-esm.mjs'], said: saidInCommonJS },
  'a worker that is an ES module': { args: ['worker-of-esm.cjs'], said: saidInESM },
  'a worker made of a string': { args: ['worker-eval.cjs'], said: saidInCommonJS },
  'a worker made of a data: URL': { args: ['worker-data-url.cjs'], said: saidInESM },
  'a worker with an environment': { args: ['worker-env.cjs'], said: saidInCommonJS },
  "a worker's worker": { args: ['worker-of-worker.cjs'], said: saidInESM },
  'a forked child': { args: ['fork-of-cjs.cjs'], said: saidInCommonJS },
  'a forked ES module': { args: ['fork-of-esm.mjs'], said: saidInESM },
  "a forked child's worker": { args: ['fork-of-worker.cjs'], said: saidInCommonJS },
};

/**
 * Runs Node in the project.
 *
 * @param {string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, input?: string }} [options]
 */
async function node(args, { env = {}, input = '' } = {}) {
  const child = spawn(process.execPath, args, { cwd: project, env: { ...process.env, ...env } });
  child.stdin.on('error', () => {}); // it need not read
  child.stdin.end(input);
  const collect = async (stream) => Buffer.concat(await stream.toArray()).toString();
  const exit = new Promise((resolve) => child.on('close', resolve));
  const [stdout, stderr] = await Promise.all([collect(child.stdout), collect(child.stderr)]);
  return { status: await exit, stdout, stderr };
}

const lines = (said, whose) => said.map((way) => `${way}: ${whose}\n`).join('');

for (const [way, { flags = [], env }] of Object.entries(ways)) {
  describe(`registered by ${way}`, { concurrency: 4 }, () => {
    for (const [entry, { args, input, said }] of Object.entries(entries)) {
      test(`${entry} finds our class, and hears no warning`, async () => {
        assert.deepEqual(await node([...flags, ...args], { env, input }), {
          status: 0,
          stdout: lines(said, 'ours'),
          stderr: '',
        });
      });
    }
  });
}

describe('without it', { concurrency: 4 }, () => {
  for (const [entry, { args, input, said }] of Object.entries(entries)) {
    test(`${entry} finds Node's class, and the warning`, async () => {
      const { stdout, stderr } = await node(args, { input });
      assert.equal(stdout, lines(said, "Node's"));
      assert.match(stderr, /ExperimentalWarning: WASI/);
    });
  }
});

/** Runs a script under the preload. @param {string} script */
const registered = (script) => node(['--import', 'wasi-rs/register', '-e', script]);

describe('registering', { concurrency: 4 }, () => {
  /** What a preload, which is to say `wasi-rs/register` loaded this way, changes in the process. */
  const changes = (load) => `
    const { builtinModules } = require('node:module');
    process.removeAllListeners('warning'); // of modules which are loaded here only to be looked at
    process.on('warning', () => {});
    const found = () => {
      const names = builtinModules.filter((name) => !/^(node:)?wasi$/.test(name));
      const objects = { process, globalThis, 'Module.prototype': require('node:module').prototype };
      for (const name of names) objects[name] = require(name);
      return Object.entries(objects).flatMap(([name, object]) =>
        Reflect.ownKeys(object).map((key) => {
          const { get, set, value, ...flags } = Object.getOwnPropertyDescriptor(object, key);
          return { path: name + '.' + String(key), is: [get, set, value], flags: JSON.stringify(flags) };
        }));
    };
    found(); // loads them, and what they load when asked
    const before = found();
    const names = [...builtinModules];
    const resolved = Object.keys(require.cache);
    ${load}
    const after = found();

    const different = before.flatMap((one, i) => {
      const other = after[i];
      const same = one.path === other?.path && one.flags === other.flags &&
        one.is.every((value, j) => Object.is(value, other.is[j]));
      return same ? [] : [one.path];
    });
    const loaded = Object.keys(require.cache).filter((name) => !resolved.includes(name));
    console.log(JSON.stringify({
      looked: before.length > 1000,
      added: after.length - before.length,
      different,
      names: JSON.stringify(names) === JSON.stringify(builtinModules),
      keys: Object.keys(require('node:wasi')),
      loaded: loaded.map((name) => require('node:path').basename(name)).filter((name) => !name.endsWith('.node')),
    }));`;

  for (const [way, { load, different }] of Object.entries({
    '-r': {
      load: `
        const { Module } = require('node:module');
        new Module('internal/preload').require(require.resolve('wasi-rs/register'));`,
      different: [],
    },
    '--import': { load: "require('wasi-rs/register');", different: ['worker_threads.Worker'] },
  })) {
    test(`by ${way} changes ${different[0] ?? 'nothing'} besides the class`, async () => {
      const { stdout, stderr } = await node(['-e', changes(load)]);
      assert.equal(stderr.replace(/^.*ExperimentalWarning: WASI.*\n.*\n/, ''), '');
      assert.deepEqual(JSON.parse(stdout), {
        looked: true,
        added: 0,
        different,
        names: true,
        keys: ['WASI'],
        loaded: ['register.js', 'compat.js', 'addon.js'],
      });
    });
  }

  test('leaves threads made of a string what they are', async () => {
    const post = (expression) =>
      `require('node:worker_threads').parentPort.postMessage(${expression})`;
    const codes = {
      sloppy: post('(function () { return this; })() === globalThis'),
      strict: `/* a */ // b\n'use strict'; ${post('(function () { return this; })() === undefined')}`,
      hashbang: `#!/usr/bin/env node\n${post('true')}`,
      lines: `\n\n${post("new Error().stack.includes('[worker eval]:3:')")}`,
      require: `const require = globalThis.require.bind(null); ${post('true')}`,
      module: `import { parentPort } from 'node:worker_threads';
        const require = 1;
        parentPort.postMessage(require === 1);`,
      options: post(`require('node:worker_threads').workerData === 1 && process.argv[2] === 'c'`),
    };
    const script = `
      const { Worker } = require('node:worker_threads');
      class OwnWorker extends Worker {}
      for (const [name, code] of Object.entries(${JSON.stringify(codes)})) {
        const worker = new OwnWorker(code, { eval: true, workerData: 1, argv: ['c'] });
        worker.on('message', (right) => {
          console.log(name, right && worker instanceof Worker && worker instanceof OwnWorker);
        });
      }`;
    const { stdout, stderr } = await registered(script);
    assert.deepEqual(
      stdout.trim().split('\n').toSorted(),
      Object.keys(codes)
        .toSorted()
        .map((name) => `${name} true`),
      stderr,
    );
  });

  test('leaves other warnings alone', async () => {
    const { stderr } = await registered(`
      require('node:wasi');
      process.emitWarning('something else', 'ExperimentalWarning');`);
    assert.match(stderr, /^\(node:\d+\) ExperimentalWarning: something else\n/);
  });

  test('works from within a program, and reaches what was imported before', async () => {
    const script = esm(`
      import wasi, { WASI } from 'node:wasi';
      say('before', WASI);
      await import('wasi-rs/register');
      say('after', WASI);
      say('after, default', wasi.WASI);`);
    const { stdout } = await node(['--input-type=module', '-e', script]);
    assert.equal(stdout, "before: Node's\nafter: ours\nafter, default: ours\n");
  });

  test('twice is once', async () => {
    const script = cjs(`
      for (const file of Object.keys(require.cache)) delete require.cache[file];
      require('wasi-rs/register');
      say('node:wasi', require('node:wasi').WASI);
      say('wasi', require('wasi').WASI);`);
    const { stdout, stderr } = await registered(script);
    assert.deepEqual([stdout, stderr], ['node:wasi: ours\nwasi: ours\n', '']);
  });

  test("where the addon is missing it says so, rather than let Node's class serve", async () => {
    const folder = path.join(project, 'broken');
    for (const name of ['package.json', 'register.js', 'compat.js', 'platform.js', 'lib']) {
      fs.cpSync(path.join(root, name), path.join(folder, name), { recursive: true });
    }
    const { status, stdout, stderr } = await node(['-r', './broken/register.js', 'commonjs.cjs']);
    assert.deepEqual([status, stdout], [1, '']);
    assert.match(stderr, /ERR_WASI_RS_LOAD/);
  });
});
