// Node's permission model: wasi-rs asks for what node:wasi asks for.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { root, temporaryFolder } from '../support/host.mjs';
import { cat } from '../support/programs.mjs';

const addon = path.join(root, 'index.js');
const flag = process.allowedNodeEnvironmentFlags.has('--permission')
  ? '--permission'
  : '--experimental-permission';

// Prints what making an object comes to.
const program = (specifier) => `
const { WASI } = require(${JSON.stringify(specifier)});
let outcome = 'made';
try {
  new WASI({ version: 'preview1', preopens: { '/': '/' } });
} catch ({ name, code, permission, resource }) {
  outcome = { name, code, permission, resource };
}
console.log(JSON.stringify(outcome));`;

/** What a script writes as JSON where only so much is allowed. @param {string[]} allowed @param {string} script @param {string} [cwd] */
function outcome(allowed, script, cwd) {
  const args = ['--no-warnings', flag, '--allow-addons', ...allowed, '-e', script];
  const child = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 60_000, cwd });
  assert.equal(child.status, 0, child.stderr);
  return JSON.parse(child.stdout);
}

const run = (specifier, ...allowed) =>
  outcome(['--allow-fs-read=*', ...allowed], program(specifier));

test('without --allow-wasi it is ERR_ACCESS_DENIED, as with node:wasi', () => {
  const ours = run(addon);
  assert.deepEqual(ours, {
    name: 'Error',
    code: 'ERR_ACCESS_DENIED',
    permission: 'WASI',
    resource: '',
  });
  assert.deepEqual(ours, run('node:wasi'));
});

test('with --allow-wasi it is made', () => {
  assert.equal(run(addon, '--allow-wasi'), 'made');
});

test('under the permission model it takes --allow-wasi, and Node reads the program', (t) => {
  const folder = temporaryFolder(t);
  const file = path.join(folder, 'cat.wasm');
  fs.writeFileSync(file, cat());
  const script = `
    require(${JSON.stringify(addon)})
      .run(${JSON.stringify(file)}, { input: 'in', engine: 'wasmtime' })
      .then(({ stdout }) => String(stdout), ({ code }) => code)
      .then((said) => console.log(JSON.stringify(said)));`;
  const go = (...allowed) => outcome([`--allow-fs-read=${root}`, ...allowed], script);
  assert.equal(go(), 'ERR_ACCESS_DENIED');
  assert.equal(go('--allow-wasi'), 'ERR_ACCESS_DENIED', 'the file may not be read');
  assert.equal(go('--allow-wasi', `--allow-fs-read=${folder}`), 'in');
});

describe('what the package has inside', () => {
  const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'wasi-rs-permission-'));
  after(() => fs.rmSync(temporary, { recursive: true }));
  const EMPTY = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  const secret = path.join(temporary, 'secret.wasm');
  fs.writeFileSync(secret, Buffer.from(EMPTY));
  const cache = path.join(temporary, 'cache');
  const isPackage = [`--allow-fs-read=${root}*`];

  test('has no name, on the exports or among the symbols of the process', () => {
    const script = `
      const exported = ['index', 'compat', 'legacy', 'register'].map((name) => require('${root}' + name + '.js'));
      console.log(JSON.stringify(exported.map((one) => Reflect.ownKeys(one).map(String).sort())));`;
    const child = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
    assert.deepEqual(JSON.parse(child.stdout), [
      [
        'ComponentError',
        'MemoryDirectory',
        'Runner',
        'WASI',
        'WasiError',
        'compile',
        'deserialize',
        'handler',
        'load',
        'loadSync',
        'memory',
        'overlay',
        'run',
        'spawn',
      ],
      ['WASI'],
      ['WASI'],
      [],
    ]);
    for (const name of ['wasi-rs/lib/addon.js', 'wasi-rs/lib/addon', 'wasi-rs/lib/wasmtime.js']) {
      const { stderr } = spawnSync(process.execPath, ['-e', `require('${name}')`], {
        cwd: root,
        encoding: 'utf8',
      });
      assert.match(stderr, /ERR_PACKAGE_PATH_NOT_EXPORTED/);
    }
  });

  const DENIED = 'ERR_ACCESS_DENIED';

  // Each is called with the functions of the addon; what is denied is so whoever asks, and by whichever way.
  const CALLS = {
    'a program from a file that may not be read': {
      call: `engine.program({ source: ${JSON.stringify(secret)} })`,
      denied: 'FileSystemRead',
      with: `--allow-fs-read=${secret}`,
    },
    'a program from a file that may not be read, by dots': {
      call: `engine.program({ source: '${root}../..' + ${JSON.stringify(path.join('/', '..', secret))} })`,
      denied: 'FileSystemRead',
    },
    'a program from a file that may not be read, relative': {
      call: `engine.program({ source: 'secret.wasm' })`,
      denied: 'FileSystemRead',
      with: `--allow-fs-read=${secret}`,
    },
    'a cache that may not be read': {
      call: `engine.program({ source: bytes, cache: ${JSON.stringify(cache)} })`,
      denied: 'FileSystemRead',
    },
    'a cache that may not be written': {
      call: `engine.program({ source: bytes, cache: '${root}' })`,
      denied: 'FileSystemWrite',
      with: `--allow-fs-write=${root}*`,
    },
    'a question': {
      call: `engine.ask(engine.listen(() => {}), { id: 1, program: engine.program({ source: bytes }), question: 'compile', limits: {} })`,
      denied: 'WASI',
      with: '--allow-wasi',
    },
    'a run': {
      call: `engine.start(engine.listen(() => {}), { id: 1, program: engine.program({ source: bytes }), args: [], env: [],
        preopens: [], stdio: ['capture', 'capture', 'capture'], limits: {}, maxBuffer: {} })`,
      denied: 'WASI',
      with: '--allow-wasi',
    },
    'a run in V8': {
      call: `try {
        engine.startInV8(engine.listen(() => {}), { id: 1, program: {}, args: [], env: [], preopens: [],
          stdio: ['capture', 'capture', 'capture'], limits: {}, maxBuffer: {} })
      } catch (error) { if (error.code) throw error }`,
      denied: 'WASI',
      with: '--allow-wasi',
    },
    'the program of a run in V8': {
      call: `try { engine.v8Program(1) } catch (error) { if (error.code) throw error }`,
      denied: 'WASI',
      with: '--allow-wasi',
    },
    'the refusal of a run in V8': {
      call: `engine.refuse(1, { name: 'Error', message: '' })`,
      denied: 'WASI',
      with: '--allow-wasi',
    },
    'a description': {
      call: `engine.describe(engine.program({ source: bytes }))`,
      denied: 'WASI',
      with: '--allow-wasi',
    },
    'the guest of a run in V8': {
      call: `engine.guest(1)`,
      denied: 'WASI',
      with: '--allow-wasi',
    },
    'the class in another edition': {
      call: `new (require('${root}lib/addon.js').classAddon().edition('legacy'))({ preopens: { '/': '/' } })`,
      denied: 'WASI',
      with: '--allow-wasi',
    },
  };
  const script = (/** @type {string} */ call) => `
    const engine = require('${root}lib/addon.js').engineAddon().engine;
    const bytes = new Uint8Array(${JSON.stringify(EMPTY)});
    let outcome = {};
    try {
      ${call};
    } catch ({ code, permission, message }) {
      outcome = { code, permission, message };
    }
    console.log(JSON.stringify(outcome));`;
  const isThere = process.platform !== 'win32'; // the engine

  for (const [name, { call, denied, with: allowing }] of Object.entries(CALLS)) {
    test(`asks Node's permission model itself: ${name}`, { skip: !isThere }, () => {
      const { code, permission, message } = outcome(isPackage, script(call), temporary);
      assert.deepEqual([code, permission], [DENIED, denied], message);
      assert.match(message, /Use --allow-(wasi|fs-read|fs-write) to manage permissions/);
      if (allowing)
        assert.deepEqual(outcome([...isPackage, allowing], script(call), temporary), {});
    });
  }

  test(
    'run(), spawn(), compile() and deserialize() are denied like the class',
    { skip: !isThere },
    () => {
      const tried = outcome(
        isPackage,
        `
      const { run, spawn, compile, deserialize } = require('${addon}');
      const bytes = new Uint8Array(${JSON.stringify(EMPTY)});
      const tries = [run, async (bytes) => spawn(bytes).result, compile, deserialize].map((one) => one(bytes));
      const codes = Promise.allSettled(tries).then((all) => all.map(({ reason }) => [reason?.code, reason?.permission]));
      codes.then((all) => console.log(JSON.stringify(all)));`,
      );
      assert.deepEqual(tried, Array(4).fill([DENIED, 'WASI']));
    },
  );

  test('what V8 would need a worker for, auto gives to wasmtime', { skip: !isThere }, () => {
    const large = path.join(temporary, 'large.wasm');
    // More than what is compiled at once: a section of nothing.
    const nothing = [0, 0x80, 0x80, 0x08, 0, ...Array(2 ** 17 - 1).fill(0)];
    const start = [
      1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 7, 10, 1, 6, 0x5f, 0x73, 0x74, 0x61, 0x72, 0x74, 0, 0, 10, 4,
      1, 2, 0, 0x0b,
    ];
    fs.writeFileSync(large, Buffer.from([...EMPTY, ...nothing, ...start]));
    const script = `require('${addon}').run(${JSON.stringify(large)})
      .then(({ exitCode }) => exitCode, ({ code }) => code).then((end) => console.log(JSON.stringify(end)));`;
    const allowed = [...isPackage, `--allow-fs-read=${large}`, '--allow-wasi'];
    assert.equal(outcome(allowed, script, temporary), 0);
  });
});

test('without --allow-addons it is said what to do', () => {
  const args = [flag, '--allow-fs-read=*', '--allow-wasi', '-e', `require('${addon}')`];
  const { stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  assert.match(
    stderr,
    /could not be loaded[^]*Under --permission, add --allow-addons, and --allow-wasi for its programs;/,
  );
  assert.doesNotMatch(stderr, /install wasi-rs again/);
});

describe('what the model says can not be changed by replacing', () => {
  const DENIED = 'ERR_ACCESS_DENIED';
  const load = `const { WASI, run } = require(${JSON.stringify(addon)});`;
  const use = `
    const tries = [async () => void new WASI({ version: 'preview1' }), run];
    const bytes = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
    const codes = Promise.allSettled(tries.map((one) => one(bytes)));
    codes.then((all) => console.log(JSON.stringify(all.map(({ reason }) => reason?.code ?? 'made'))));`;
  /** Uses it once, so that all is loaded. */
  const once = `try { new WASI({ version: 'preview1' }); } catch {} run(new Uint8Array()).catch(() => {});`;
  /** What a script may do to be allowed more. */
  const REPLACEMENTS = {
    'another process': 'globalThis.process = { __proto__: process, permission: undefined };',
    'another process that allows all':
      'globalThis.process = { __proto__: process, permission: { has: () => true } };',
    'another process, which stays': `Object.defineProperty(globalThis, 'process',
      { value: { __proto__: process, permission: undefined }, configurable: false });`,
    'another permission': `try {
      Object.defineProperty(process, 'permission', { value: { has: () => true } });
    } catch {}
    try { delete process.permission; } catch {}`,
  };
  /** What nobody can tell from Node's own, once it is there before the addons. */
  const AFTERWARDS = {
    'another has()': 'process.permission.has = () => true;',
    'another has(), and the addons loaded once more': `process.permission.has = () => true;
      for (const file of Object.keys(require.cache)) delete require.cache[file];
      ({ WASI, run } = require(${JSON.stringify(addon)}));`,
  };
  const reads = [`--allow-fs-read=*`];
  const expected = process.platform === 'win32' ? undefined : [DENIED, DENIED];

  for (const [name, replace] of Object.entries(REPLACEMENTS)) {
    test(`${name}, before it is loaded`, { skip: !expected }, () => {
      assert.deepEqual(outcome(reads, `${replace} ${load} ${use}`), expected);
    });
    test(`${name}, before the first use`, { skip: !expected }, () => {
      assert.deepEqual(outcome(reads, `${load} ${replace} ${use}`), expected);
    });
  }
  for (const [name, replace] of Object.entries({ ...REPLACEMENTS, ...AFTERWARDS })) {
    test(`${name}, after the first use`, { skip: !expected }, () => {
      const script = `${load.replace('const', 'let')} ${once} ${replace} ${use}`;
      assert.deepEqual(outcome(reads, script), expected);
    });
  }

  test('in a worker', { skip: !expected }, () => {
    const script = `${load} ${REPLACEMENTS['another process']} ${use}`.replaceAll(
      'console.log',
      `require('node:worker_threads').parentPort.postMessage`,
    );
    const main = `const { Worker } = require('node:worker_threads');
      new Worker(${JSON.stringify(script)}, { eval: true }).on('message', console.log);`;
    assert.deepEqual(outcome([...reads, '--allow-worker'], main), expected);
  });

  test('from a context of node:vm', { skip: !expected }, () => {
    const script = `${load} ${once}
      const context = require('node:vm').createContext({ WASI, run, console, Uint8Array,
        process: { __proto__: process, permission: undefined } });
      require('node:vm').runInContext(${JSON.stringify(use)}, context);`;
    assert.deepEqual(outcome(reads, script), expected);
  });

  test('and what it allows, is allowed', () => {
    const script = `${load} ${once} ${REPLACEMENTS['another process']} ${use}`;
    const [made] = outcome([...reads, '--allow-wasi'], script);
    assert.equal(made, 'made');
  });
});

/**
 * All functions of the addons, and what each needs of the permission model. None takes a program of the system to start. Whoever
 * adds one decides here what it asks for.
 */
const FUNCTIONS = {
  WASI: 'wasi',
  edition: 'gives the class, which asks for wasi',
  'engine.answer': 'wasi',
  'engine.ask': 'wasi',
  'engine.cache': 'fs.read and fs.write of the folder',
  'engine.awaitCall': 'wasi',
  'engine.callExport': 'wasi',
  'engine.callHere': 'takes a guest of engine.loadHere, which has asked',
  'engine.cancel': 'takes the number of a question',
  'engine.checkSocket': 'takes text',
  'engine.close': 'takes a ticket',
  'engine.compileLater': 'takes a program of engine.program, which has asked',
  'engine.describe': 'wasi',
  'engine.end': 'takes the number of a run',
  'engine.endHere': 'wasi',
  'engine.exchange': 'takes nothing',
  'engine.guest': 'wasi',
  'engine.handOver': "takes the number of a descriptor, which is the process's",
  'engine.interfaceHere': 'wasi',
  'engine.keepAlive': 'takes the requests of engine.listen',
  'engine.listen': 'takes a function',
  'engine.load': 'wasi; net with sockets',
  'engine.loadHere': 'wasi; net with sockets',
  'engine.memorySize': 'wasi',
  'engine.moduleProgram': 'wasi',
  'engine.openTrace': 'fs.write of the file',
  'engine.pipe': 'takes a direction',
  'engine.program': 'fs.read of the file; fs.read and fs.write of the cache',
  'engine.readMemory': 'wasi',
  'engine.readTar': 'takes bytes',
  'engine.refuse': 'wasi',
  'engine.snapshot': 'wasi',
  'engine.start': 'wasi; net with sockets',
  'engine.startInV8': 'wasi; net with sockets',
  'engine.uncompiled': 'takes text',
  'engine.usage': 'wasi',
  'engine.v8Program': 'wasi',
  'engine.writeMemory': 'wasi',
  'engine.writeTar': 'takes bytes',
  'errors.accessDenied': 'makes an error',
  'errors.incompatible': 'makes an error',
  'errors.invalidArgType': 'makes an error',
  'errors.invalidArgValue': 'makes an error',
  'errors.notOpened': 'makes an error',
  'errors.outOfRange': 'makes an error',
  'errors.tooMuchOutput': 'makes an error',
  'errors.unknownProperty': 'makes an error',
  closest: 'takes text',
  describe: 'takes bytes',
  filePath: 'takes a URL',
  fixed: 'takes options',
  quit: 'ends the process, as process.exit does',
  readTrace: 'takes an option',
  refusal: 'takes bytes',
  'trees.adopt': 'files in memory',
  'trees.changed': 'files in memory',
  'trees.items': 'files in memory',
  'trees.make': 'files in memory',
  'trees.markStart': 'files in memory',
  'trees.overlay': 'a directory beneath one in memory',
  'trees.put': 'files in memory',
  'trees.readFile': 'files in memory',
  'trees.remove': 'files in memory',
  'trees.removed': 'files in memory',
  'trees.share': 'files in memory',
  'trees.usage': 'files in memory',
  'trees.writeFile': 'files in memory',
  watToWasm: 'takes text',
};

test('each function of the addons is known here', () => {
  const lib = JSON.stringify(path.join(root, 'lib', 'addon.js'));
  const script = `
    const { classAddon, engineAddon } = require(${lib});
    const names = (object, prefix = '') => Object.entries(object).flatMap(([name, value]) =>
      typeof value === 'function' ? [prefix + name]
      : typeof value === 'object' ? names(value, prefix + name + '.') : []);
    const hidden = [classAddon(), engineAddon()].flatMap((one) => Reflect.ownKeys(one)).length;
    const shown = [classAddon(), engineAddon()].flatMap((one) => Object.keys(one)).length;
    console.log(JSON.stringify({ names: [...new Set([...names(classAddon()), ...names(engineAddon())])].sort(), hidden: hidden - shown }));`;
  const child = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
  const { names, hidden } = JSON.parse(child.stdout);
  assert.equal(hidden, 0);
  const isThere = (name) => process.platform !== 'win32' || !/^(engine\.|quit$)/.test(name);
  assert.deepEqual(names, Object.keys(FUNCTIONS).filter(isThere).sort());
});

test('sockets take --allow-net, where Node has it', () => {
  const hasNet = process.allowedNodeEnvironmentFlags.has('--allow-net');
  const guest = path.join(root, '__test__/support/guests/sockets.wasm');
  const script = `
    const { load } = require(${JSON.stringify(addon)});
    const sockets = [{ connect: 'localhost:1' }];
    load(${JSON.stringify(guest)}, { sockets, cache: false })
      .then((instance) => instance.close().then(() => 'loaded'), ({ code, permission }) => [code, permission])
      .then((said) => console.log(JSON.stringify(said)));`;
  const go = (...allowed) => outcome(['--allow-wasi', '--allow-fs-read=*', ...allowed], script);
  assert.deepEqual(go(), hasNet ? ['ERR_ACCESS_DENIED', 'Net'] : 'loaded');
  if (hasNet) assert.equal(go('--allow-net'), 'loaded');

  const inClass = `
    const { WASI } = require(${JSON.stringify(addon)});
    const make = (sockets) => {
      try {
        return new WASI({ version: 'preview1', sockets }).sockets.length;
      } catch ({ code, permission }) {
        return [code, permission];
      }
    };
    console.log(JSON.stringify([make([]), make([{ listen: '127.0.0.1:0' }])]));`;
  const make = (...allowed) => outcome(['--allow-wasi', '--allow-fs-read=*', ...allowed], inClass);
  assert.deepEqual(make(), [0, hasNet ? ['ERR_ACCESS_DENIED', 'Net'] : 1]);
  if (hasNet) assert.deepEqual(make('--allow-net'), [0, 1]);
});

test('a directory beneath one in memory takes --allow-fs-read, and what is above takes nothing', (t) => {
  const lower = temporaryFolder(t);
  fs.writeFileSync(path.join(lower, 'file'), 'text');
  const script = `
    const { overlay } = require(${JSON.stringify(addon)});
    let said;
    try {
      const work = overlay({ lower: ${JSON.stringify(lower)} });
      work.writeFile('new', 'new');
      said = work.readFile('file', 'utf8') + work.readFile('new', 'utf8');
    } catch ({ code, permission, resource }) {
      said = { code, permission, resource };
    }
    console.log(JSON.stringify(said));`;
  assert.deepEqual(outcome([`--allow-fs-read=${root}/*`], script), {
    code: 'ERR_ACCESS_DENIED',
    permission: 'FileSystemRead',
    resource: lower,
  });
  const both = [`--allow-fs-read=${root}/*`, `--allow-fs-read=${lower}`];
  assert.equal(outcome(both, script), 'textnew');
});
