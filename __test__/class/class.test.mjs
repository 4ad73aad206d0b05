// The class as node:wasi's documentation tells it, and what the ecosystem has come to rely on beyond it.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import vm from 'node:vm';
import { WASI } from '../../index.js';
import { ERRNO, Guest, SYSCALLS } from '../support/guest.mjs';
import {
  HANGS,
  runInChild,
  runInWorker,
  runNode,
  startWorker,
  temporaryFolder,
} from '../support/host.mjs';
import { assemble, wat } from '../support/wat.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const demo = assemble(fs.readFileSync(path.join(root, 'examples/demo.wat'), 'utf8'));

/** An instance with a memory and these other exports. */
const instanceWith = (exports = '', imports = {}) =>
  new WebAssembly.Instance(wat(`(module (memory (export "memory") 1) ${exports})`), imports);

const command = instanceWith('(func (export "_start"))');
const reactor = instanceWith('(func (export "_initialize"))');

/** A WASI object. @param {object} [options] */
const preview1 = (options) => new WASI({ version: 'preview1', ...options });

/** What `start()` answers for a guest that ends with `proc_exit(code)`. */
const exitWith = (code, options) =>
  new Guest(options, { start: `(call $proc_exit (i32.const ${code}))` }).result;

/** The own symbol property with this description. */
const symbol = (object, description) =>
  Object.getOwnPropertySymbols(object).find((candidate) => candidate.description === description);

/** What `run` throws. */
function thrownBy(run) {
  try {
    run();
  } catch (error) {
    return error;
  }
  return assert.fail('nothing was thrown');
}

const notStarted = {
  name: 'Error',
  code: 'ERR_WASI_NOT_STARTED',
  message: 'wasi.start() has not been called',
};
const alreadyStarted = {
  name: 'Error',
  code: 'ERR_WASI_ALREADY_STARTED',
  message: 'WASI instance has already started',
};
const invalidType = (message) => ({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE', message });

describe("the documentation's examples", () => {
  const options = `{
      version: 'preview1',
      args: argv,
      env,
      preopens: {
        '/local': argv[2],
      },
    }`;
  const examples = {
    'cjs of the newer edition': `
      'use strict';
      const { readFile } = require('node:fs/promises');
      const { WASI } = require(${JSON.stringify(root)});
      const { argv, env } = require('node:process');
      const { join } = require('node:path');

      const wasi = new WASI(${options});

      (async () => {
        const wasm = await WebAssembly.compile(
          await readFile(join(__dirname, 'demo.wasm')),
        );
        const instance = await WebAssembly.instantiate(wasm, wasi.getImportObject());

        wasi.start(instance);
      })();`,
    'mjs of the newer edition': `
      import { readFile } from 'node:fs/promises';
      import { WASI } from ${JSON.stringify(path.join(root, 'index.js'))};
      import { argv, env } from 'node:process';

      const wasi = new WASI(${options});

      const wasm = await WebAssembly.compile(
        await readFile(new URL('./demo.wasm', import.meta.url)),
      );
      const instance = await WebAssembly.instantiate(wasm, wasi.getImportObject());

      wasi.start(instance);`,
    'cjs of the older edition, with a version': `
      'use strict';
      const fs = require('fs');
      const { WASI } = require(${JSON.stringify(root)});
      const wasi = new WASI({
        version: 'preview1',
        args: process.argv,
        env: process.env,
        preopens: {
          '/sandbox': process.argv[2]
        }
      });
      const importObject = { wasi_snapshot_preview1: wasi.wasiImport };

      (async () => {
        const wasm = await WebAssembly.compile(fs.readFileSync('./demo.wasm'));
        const instance = await WebAssembly.instantiate(wasm, importObject);

        wasi.start(instance);
      })();`,
  };
  for (const [name, script] of Object.entries(examples)) {
    test(`${name}: says hello world and warns of nothing`, async (t) => {
      const folder = temporaryFolder(t);
      const file = path.join(folder, `example.${name.slice(0, 3)}`);
      fs.writeFileSync(file, script);
      fs.writeFileSync(path.join(folder, 'demo.wasm'), demo);
      assert.deepEqual(await runNode([file, folder], { cwd: folder }), {
        code: 0,
        signal: null,
        stdout: 'hello world\n',
        stderr: '',
      });
    });
  }
});

describe('version', () => {
  test('is mandatory', () => {
    for (const options of [undefined, {}, { version: undefined }]) {
      assert.throws(
        () => new WASI(options),
        invalidType('The "options.version" property must be of type string. Received undefined'),
      );
    }
  });

  test('any other is refused', () => {
    assert.throws(() => new WASI({ version: 'preview2' }), {
      name: 'TypeError',
      code: 'ERR_INVALID_ARG_VALUE',
      message: "The property 'options.version' unsupported WASI version. Received 'preview2'",
    });
  });

  for (const [version, name] of [
    ['preview1', 'wasi_snapshot_preview1'],
    ['unstable', 'wasi_unstable'],
  ]) {
    test(`${version}: getImportObject() is { ${name}: wasiImport }`, () => {
      const wasi = new WASI({ version });
      const imports = wasi.getImportObject();
      assert.deepEqual(Reflect.ownKeys(imports), [name]);
      assert.equal(imports[name], wasi.wasiImport);
      assert.notEqual(wasi.getImportObject(), imports);
      assert.equal(new Guest({ version }).call('sched_yield'), 0);
    });
  }

  test('unstable has the layouts of snapshot 0', () => {
    const guest = new Guest({ version: 'unstable', preopens: { '/': root } });
    const dir = 3;
    const fd = guest.open(dir, 'package.json');
    const { size } = fs.statSync(path.join(root, 'package.json'));
    // whence: CUR is 0, END 1, SET 2
    assert.equal(guest.call('fd_seek', fd, 0, 1, 0), 0);
    assert.equal(guest.u64(0), BigInt(size));
    assert.equal(guest.call('fd_seek', fd, 5, 2, 0), 0);
    assert.equal(guest.call('fd_seek', fd, 0, 0, 0), 0);
    assert.equal(guest.u64(0), 5n);
    // filestat: 56 bytes, the size at 24
    guest.bytes(0, 64).fill(0xee);
    assert.equal(guest.call('fd_filestat_get', fd, 0), 0);
    assert.equal(guest.u64(24), BigInt(size));
    assert.equal(guest.u64(56), 0xeeeeeeeeeeeeeeeen);
  });
});

describe('what the guest sees', () => {
  test('args, also empty, with emoji, and what is no string', () => {
    const args = ['prog', '', 'žluťoučký 🐎', 'a=b', 7, null, undefined, true, ['x', 'y'], 1n];
    assert.deepEqual(new Guest({ args }).args, args.map(String));
    assert.deepEqual(new Guest({ args: [] }).args, []);
    assert.deepEqual(new Guest().args, []);
  });

  test('env, also empty and with emoji; what is undefined is left out', () => {
    const env = { A: '1', EMPTY: '', '🐎': 'žluť', NO: undefined, NULL: null, N: 7, 'with=': '=' };
    assert.deepEqual(new Guest({ env }).env, [
      'A=1',
      'EMPTY=',
      '🐎=žluť',
      'NULL=null',
      'N=7',
      'with===',
    ]);
    assert.deepEqual(new Guest().env, []);
  });

  test('process.env as it is', () => {
    const expected = Object.entries(process.env).map(([name, value]) => `${name}=${value}`);
    assert.ok(expected.length > 0);
    const guest = new Guest({ env: process.env }, { memory: '64' });
    assert.deepEqual(guest.env.sort(), expected.sort());
  });

  test('preopens from descriptor 3 on, in order, by their names', (t) => {
    const folder = temporaryFolder(t);
    const names = ['/', '/sandbox', '.', 'relative', '🐎', '/sandbox/deep'];
    for (const name of ['a', 'b']) fs.mkdirSync(path.join(folder, name));
    const guest = new Guest({ preopens: Object.fromEntries(names.map((name) => [name, folder])) });
    const found = [];
    for (let fd = 3; fd < 100 && guest.call('fd_prestat_get', fd, 0) === 0; fd++) {
      const length = guest.u32(4);
      assert.equal(guest.call('fd_prestat_dir_name', fd, 16, length), 0);
      found.push(guest.text(16, length));
    }
    assert.deepEqual(found, names);
    assert.equal(guest.call('fd_prestat_get', 3 + names.length, 0), ERRNO.BADF);
  });

  test('a preopen may be relative to the working directory, or lead through a link', (t) => {
    const folder = temporaryFolder(t);
    fs.writeFileSync(path.join(folder, 'file'), 'text');
    fs.symlinkSync(folder, path.join(folder, 'link'));
    for (const preopen of [path.relative(process.cwd(), folder), path.join(folder, 'link')]) {
      const guest = new Guest({ preopens: { '/dir': preopen } });
      assert.equal(guest.read(guest.open(3, 'file')), 'text');
    }
  });

  test('two objects share nothing', (t) => {
    const folder = temporaryFolder(t);
    const [one, other] = [
      new Guest({ args: ['one'], preopens: { '/': folder } }),
      new Guest({ args: ['other', 'x'] }),
    ];
    assert.deepEqual([one.args, other.args], [['one'], ['other', 'x']]);
    assert.equal(one.call('fd_prestat_get', 3, 0), 0);
    assert.equal(other.call('fd_prestat_get', 3, 0), ERRNO.BADF);
    assert.equal(other.call('fd_close', 1), 0);
    assert.equal(one.call('fd_fdstat_get', 1, 0), 0);
  });
});

describe('stdin, stdout and stderr', () => {
  test("demo.wat's hello world goes into a file", async (t) => {
    const file = path.join(temporaryFolder(t), 'stdout');
    const fd = fs.openSync(file, 'w');
    t.after(() => fs.closeSync(fd));
    const wasi = preview1({ stdout: fd });
    const { instance } = await WebAssembly.instantiate(demo, wasi.getImportObject());
    assert.equal(wasi.start(instance), 0);
    assert.equal(fs.readFileSync(file, 'utf8'), 'hello world\n');
  });

  test('files: stdin is read, stdout and stderr are written where they stand', (t) => {
    const folder = temporaryFolder(t);
    const [input, output, errors] = ['in', 'out', 'err'].map((name) => path.join(folder, name));
    fs.writeFileSync(input, 'first second');
    fs.writeFileSync(output, 'there was ');
    const stdin = fs.openSync(input, 'r');
    const stdout = fs.openSync(output, 'a');
    const stderr = fs.openSync(errors, 'w');
    t.after(() => [stdin, stdout, stderr].forEach((fd) => fs.closeSync(fd)));
    fs.readSync(stdin, Buffer.alloc(6));
    const guest = new Guest({ stdin, stdout, stderr });
    assert.equal(guest.read(0), 'second');
    assert.equal(guest.read(0), '');
    assert.equal(guest.write(1, 'output'), 0);
    assert.equal(guest.write(2, 'errors'), 0);
    assert.equal(fs.readFileSync(output, 'utf8'), 'there was output');
    assert.equal(fs.readFileSync(errors, 'utf8'), 'errors');
  });

  test('the same descriptor may be several of them', (t) => {
    const file = path.join(temporaryFolder(t), 'both');
    const fd = fs.openSync(file, 'w+');
    t.after(() => fs.closeSync(fd));
    const guest = new Guest({ stdin: fd, stdout: fd, stderr: fd });
    assert.deepEqual([guest.write(1, 'a'), guest.write(2, 'b')], [0, 0]);
    assert.equal(fs.readFileSync(file, 'utf8'), 'ab');
  });

  test(
    'a pipe that the host has closed after start() has ended for who reads it',
    { skip: process.platform === 'win32' && 'needs mkfifo' },
    (t) => {
      const fifo = path.join(temporaryFolder(t), 'fifo');
      assert.equal(spawnSync('mkfifo', [fifo]).status, 0);
      const reader = fs.openSync(fifo, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
      t.after(() => fs.closeSync(reader));
      const writer = fs.openSync(fifo, 'w');
      const guest = new Guest({ stdout: writer });
      assert.equal(guest.write(1, 'output'), 0);
      fs.closeSync(writer);
      const buffer = Buffer.alloc(16);
      assert.equal(fs.readSync(reader, buffer), 6);
      assert.equal(fs.readSync(reader, buffer), 0); // EAGAIN, while anybody could still write
      assert.ok(guest.wasi);
    },
  );

  test("pipes: the defaults are the process's own", async () => {
    const child = await runInChild(
      `const guest = new Guest();
       guest.write(1, 'read: ' + guest.read(0));
       guest.write(2, 'an error');`,
      { input: 'some input 🐎' },
    );
    assert.deepEqual(child, {
      code: 0,
      signal: null,
      stdout: 'read: some input 🐎',
      stderr: 'an error',
    });
  });

  test('a guest that waits for a pipe gets what comes later', async (t) => {
    const file = path.join(temporaryFolder(t), 'guest.mjs');
    fs.writeFileSync(
      file,
      `import { Guest } from ${JSON.stringify(new URL('../support/guest.mjs', import.meta.url))};
       const guest = new Guest();
       for (let asked = 0; asked < 3; asked++) {
         guest.write(1, '?');
         guest.write(1, guest.read(0));
       }`,
    );
    const child = spawn(process.execPath, [file], {
      stdio: ['pipe', 'pipe', 'inherit'],
      timeout: HANGS,
    });
    let [output, answers] = ['', 0];
    child.stdout.on('data', (data) => {
      output += data;
      if (data.includes('?')) child.stdin.write(`answer ${(answers += 1)}`);
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    assert.deepEqual([code, output], [0, '?answer 1?answer 2?answer 3']);
  });

  test('what process.stdout has written stands before what the guest writes', async () => {
    const child = await runInChild(
      `const guest = new Guest();
       await new Promise((resolve) => process.stdout.write('host ', resolve));
       guest.write(1, 'guest ');
       await new Promise((resolve) => process.stdout.write('host', resolve));`,
    );
    assert.deepEqual([child.code, child.stdout], [0, 'host guest host'], child.stderr);
  });
});

describe('returnOnExit', () => {
  test('true, the default: start() answers the code, over the whole 32-bit range', () => {
    for (const code of [0, 1, 42, 255, 256, 0x7fffffff, -0x80000000, -2, -1]) {
      assert.equal(exitWith(code), code);
      assert.equal(exitWith(code, { returnOnExit: true }), code);
    }
    assert.equal(exitWith('0xffffffff'), -1);
    assert.equal(exitWith('0x80000000'), -0x80000000);
  });

  test('a guest that returns from _start has exit code 0', () => {
    assert.equal(preview1().start(command), 0);
  });

  test('proc_exit leaves the guest at once, however deep', () => {
    const guest = new Guest(
      {},
      {
        start: `(call $proc_exit (i32.const 3)) (i32.store (i32.const 0) (i32.const 1))`,
      },
    );
    assert.deepEqual([guest.result, guest.u32(0)], [3, 0]);
  });

  test('each start() answers its own code', () => {
    const wasi = preview1();
    const module = wat(`(module
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (import "env" "code" (global $code i32))
      (memory (export "memory") 1)
      (func (export "_start") (call $exit (global.get $code))))`);
    for (const code of [5, 6]) {
      const imports = { ...wasi.getImportObject(), env: { code } };
      wasi[symbol(wasi, 'kStarted')] = false;
      assert.equal(wasi.start(new WebAssembly.Instance(module, imports)), code);
      assert.equal(wasi[symbol(wasi, 'kExitCode')], code);
    }
  });

  for (const [code, status] of [
    [0, 0],
    [1, 1],
    [42, 42],
    [255, 255],
    [256, 0],
    [-1, 255],
    [-0x80000000, 0],
  ]) {
    test(`false: proc_exit(${code}) ends the process with ${status}, after its exit handlers`, async () => {
      const child = await runInChild(`
        process.on('exit', (code) => process.stdout.write('exit handler ' + code));
        new Guest({ returnOnExit: false }, { start: '(call $proc_exit (i32.const ${code}))' });
        process.stdout.write('not reached');`);
      assert.deepEqual([child.code, child.stdout], [status, `exit handler ${code}`], child.stderr);
    });
  }

  test('false: a guest that returns from _start does not end the process', () => {
    assert.equal(preview1({ returnOnExit: false }).start(command), 0);
  });

  test('false: proc_exit after start() ends the process as well', async () => {
    const child = await runInChild(`
      const guest = new Guest({ returnOnExit: false });
      guest.call('proc_exit', 7);`);
    assert.equal(child.code, 7, child.stderr);
  });

  test('false, in a worker: only the worker ends', async () => {
    const script = `
      parentPort.postMessage('before');
      new Guest({ returnOnExit: false }, { start: '(call $proc_exit (i32.const 9))' });
      parentPort.postMessage('after');`;
    assert.deepEqual(await runInWorker(script), { code: 9, messages: ['before'] });
  });

  test('true: proc_exit outside start() throws the symbol that start() catches', () => {
    const guest = new Guest();
    const thrown = thrownBy(() => guest.call('proc_exit', 11));
    assert.equal(thrown, symbol(guest.wasi, 'kExitCode'));
    assert.equal(typeof thrown, 'symbol');
    assert.equal(guest.wasi[thrown], 11);
    assert.equal(guest.call('sched_yield'), 0);
  });

  test('a guest that ended with proc_exit leaves the thread in order', () => {
    for (let code = 0; code < 1000; code++) assert.equal(exitWith(code), code);
  });
});

describe('start()', () => {
  const noMemory = new WebAssembly.Instance(wat('(module (func (export "_start")))'));
  const notAMemory = invalidType(
    '"instance.exports.memory" property must be a WebAssembly.Memory object',
  );

  test('needs an instance with a memory and _start, and without _initialize', () => {
    const both = instanceWith('(func (export "_start")) (func (export "_initialize"))');
    for (const [instance, error] of [
      [
        undefined,
        invalidType('The "instance" argument must be of type object. Received undefined'),
      ],
      [
        {},
        invalidType('The "instance.exports" property must be of type object. Received undefined'),
      ],
      [noMemory, notAMemory],
      [
        reactor,
        invalidType(
          'The "instance.exports._start" property must be of type function. Received undefined',
        ),
      ],
      [
        both,
        invalidType(
          'The "instance.exports._initialize" property must be undefined. Received function 1',
        ),
      ],
    ]) {
      assert.throws(() => preview1().start(instance), error);
    }
  });

  test('once: another start(), initialize() or finalizeBindings() throws', () => {
    const wasi = preview1();
    wasi.start(command);
    assert.throws(() => wasi.start(command), alreadyStarted);
    assert.throws(() => wasi.initialize(reactor), alreadyStarted);
    assert.throws(() => wasi.finalizeBindings(reactor), alreadyStarted);
  });

  test('a refused instance does not use up the object', () => {
    const wasi = preview1();
    assert.throws(() => wasi.start(noMemory), notAMemory);
    assert.throws(() => wasi.start({}), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.equal(wasi.start(command), 0);
  });

  test('from within the guest throws, and the guest goes on', () => {
    const wasi = preview1();
    let thrown;
    const again = () => (thrown = thrownBy(() => wasi.start(instance)));
    const instance = new WebAssembly.Instance(
      wat(`(module (import "env" "again" (func $again)) (memory (export "memory") 1)
        (func (export "_start") (call $again) (i32.store (i32.const 0) (i32.const 1))))`),
      { env: { again } },
    );
    assert.equal(wasi.start(instance), 0);
    assert.equal(thrown.code, 'ERR_WASI_ALREADY_STARTED');
    assert.equal(new DataView(instance.exports.memory.buffer).getUint32(0, true), 1);
  });

  test('calls _start without arguments and without this', () => {
    let seen;
    function _start(...args) {
      seen = { this: this, args };
    }
    preview1().start({ exports: { memory: command.exports.memory, _start } });
    assert.deepEqual(seen, { this: undefined, args: [] });
  });
});

describe('initialize()', () => {
  test('calls _initialize if there is one, and answers undefined', () => {
    const instance = instanceWith(
      '(func (export "_initialize") (i32.store (i32.const 0) (i32.const 7)))',
    );
    assert.equal(preview1().initialize(instance), undefined);
    assert.equal(new DataView(instance.exports.memory.buffer).getUint32(0, true), 7);
    assert.equal(preview1().initialize(instanceWith()), undefined);
  });

  test('refuses _start', () => {
    assert.throws(
      () => preview1().initialize(command),
      invalidType('The "instance.exports._start" property must be undefined. Received function 0'),
    );
  });

  test('once', () => {
    const wasi = preview1();
    wasi.initialize(reactor);
    assert.throws(() => wasi.initialize(reactor), alreadyStarted);
    assert.throws(() => wasi.start(command), alreadyStarted);
  });

  test('an error of _initialize passes through', () => {
    const instance = instanceWith('(func (export "_initialize") unreachable)');
    assert.throws(() => preview1().initialize(instance), WebAssembly.RuntimeError);
  });
});

describe('finalizeBindings()', () => {
  const guestWithout = () => new Guest({}, { bind: false });

  test('binds and runs nothing', () => {
    const guest = guestWithout();
    assert.throws(() => guest.call('sched_yield'), notStarted);
    assert.equal(guest.wasi.finalizeBindings(guest.instance), undefined);
    assert.equal(guest.call('sched_yield'), 0);
    assert.throws(() => guest.wasi.finalizeBindings(guest.instance), alreadyStarted);
    const trap = instanceWith('(func (export "_start") unreachable)');
    preview1().finalizeBindings(trap);
  });

  test('takes another memory than the exported one', () => {
    const guest = guestWithout();
    const memory = new WebAssembly.Memory({ initial: 1 });
    guest.wasi.finalizeBindings({ exports: {} }, { memory });
    assert.equal(guest.call('random_get', 0, 32), 0);
    assert.ok(new Uint8Array(memory.buffer, 0, 32).some((byte) => byte !== 0));
    assert.ok(guest.bytes(0, 32).every((byte) => byte === 0));
  });

  test('memory: undefined is the exported one', () => {
    const guest = guestWithout();
    guest.wasi.finalizeBindings(guest.instance, { memory: undefined });
    assert.equal(guest.call('sched_yield'), 0);
  });

  test('refuses what is no instance or no memory', () => {
    for (const args of [[], [null], [1], [{}], [{ exports: {} }], [command, { memory: {} }]]) {
      assert.throws(() => preview1().finalizeBindings(...args), { code: 'ERR_INVALID_ARG_TYPE' });
    }
    assert.throws(() => preview1().finalizeBindings(command, null), TypeError);
  });

  test('start() and initialize() go through it', () => {
    class Sub extends WASI {
      calls = [];
      finalizeBindings(...args) {
        this.calls.push(args);
        super.finalizeBindings(...args);
      }
    }
    const [one, other] = [new Sub({ version: 'preview1' }), new Sub({ version: 'preview1' })];
    one.start(command);
    other.initialize(reactor);
    assert.deepEqual(
      [one.calls, other.calls].map((calls) => calls.map((args) => args[0])),
      [[command], [reactor]],
    );
  });
});

describe("the guest's exceptions pass through as they are", () => {
  const throwing = (thrower) =>
    new WebAssembly.Instance(
      wat(`(module (import "env" "f" (func $f)) (memory (export "memory") 1)
        (func (export "_start") (call $f)))`),
      { env: { f: thrower } },
    );

  test('a trap is a WebAssembly.RuntimeError', () => {
    const instance = instanceWith('(func (export "_start") unreachable)');
    const error = thrownBy(() => preview1().start(instance));
    assert.ok(error instanceof WebAssembly.RuntimeError);
    assert.match(error.message, /unreachable/);
    assert.match(error.stack, /wasm/);
  });

  for (const thrown of [
    new Error('by identity'),
    Object.freeze({ frozen: true }),
    () => {},
    'text',
    '',
    0,
    -0,
    NaN,
    7n,
    true,
    false,
    null,
    undefined,
    Symbol('own'),
    Symbol('kExitCode'),
  ]) {
    test(`thrown by a JavaScript import: ${typeof thrown} ${String(thrown?.message ?? thrown)}`, () => {
      const instance = throwing(() => {
        throw thrown;
      });
      for (const method of ['start', 'initialize']) {
        const { _start, memory } = instance.exports;
        const exports = method === 'start' ? { _start, memory } : { _initialize: _start, memory };
        const caught = thrownBy(() => preview1()[method]({ exports }));
        assert.ok(Object.is(caught, thrown));
      }
    });
  }

  test('the object works on afterwards', () => {
    const guest = new Guest({}, { start: 'unreachable', bind: false });
    assert.throws(() => guest.wasi.start(guest.instance), WebAssembly.RuntimeError);
    assert.equal(guest.call('sched_yield'), 0);
  });

  test('too deep a recursion is a RangeError', () => {
    const instance = instanceWith('(func $f (export "_start") (call $f) (call $f))');
    assert.throws(() => preview1().start(instance), RangeError);
    assert.equal(exitWith(4), 4);
  });

  test("an error of a system call's stand-in reaches start()'s caller", () => {
    const thrown = new Error('stand-in');
    const guest = new Guest(
      {},
      {
        start: '(drop (call $sched_yield))',
        bind: false,
        imports: {
          wasi_snapshot_preview1: {
            sched_yield() {
              throw thrown;
            },
          },
        },
      },
    );
    assert.equal(
      thrownBy(() => guest.wasi.start(guest.instance)),
      thrown,
    );
  });
});

describe('wasiImport', () => {
  test("has the standard's 46 functions, own, enumerable and writable", () => {
    const { wasiImport } = preview1();
    assert.deepEqual(Reflect.ownKeys(wasiImport).toString(), Object.keys(wasiImport).toString());
    assert.deepEqual(Object.keys(wasiImport).sort(), Object.keys(SYSCALLS).sort());
    for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(wasiImport))) {
      const { value, ...attributes } = descriptor;
      assert.equal(typeof value, 'function', name);
      assert.deepEqual(attributes, { writable: true, enumerable: true, configurable: true }, name);
    }
    assert.equal(wasiImport.then, undefined);
    assert.equal(Object.getPrototypeOf(wasiImport), Object.prototype);
  });

  test('of two objects are two', () => {
    const [one, other] = [preview1(), preview1()];
    assert.notEqual(one.wasiImport, other.wasiImport);
    assert.notEqual(one.wasiImport.fd_write, other.wasiImport.fd_write);
  });

  test('a replaced proc_exit is what the guest calls; the original works with any this', () => {
    const wasi = preview1();
    const { proc_exit: original } = wasi.wasiImport;
    const seen = [];
    wasi.wasiImport.proc_exit = function (code) {
      seen.push(code);
      return original.call({ unrelated: true }, code + 1);
    };
    const instance = new WebAssembly.Instance(
      wat(`(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1) (func (export "_start") (call $exit (i32.const 20))))`),
      wasi.getImportObject(),
    );
    assert.equal(wasi.start(instance), 21);
    assert.deepEqual(seen, [20]);
  });

  test('spread, destructured and proxied, the functions work', () => {
    const guest = new Guest();
    const { sched_yield } = { ...guest.wasi.wasiImport };
    assert.equal(sched_yield(), 0);
    assert.equal(sched_yield.call(undefined), 0);
    assert.equal(new Proxy(guest.wasi.wasiImport, {}).sched_yield(), 0);
    const traced = [];
    const tracing = new Proxy(guest.wasi.wasiImport, {
      get(target, name) {
        return (...args) => {
          traced.push(name);
          return target[name](...args);
        };
      },
    });
    assert.equal(tracing.fd_close(99), ERRNO.BADF);
    assert.deepEqual(traced, ['fd_close']);
  });

  test('before the guest is bound every function throws ERR_WASI_NOT_STARTED', () => {
    const { wasiImport } = preview1();
    for (const [name, letters] of Object.entries(SYSCALLS)) {
      const args = [...letters].map((letter) => (letter === 'I' ? 0n : 0));
      assert.throws(() => wasiImport[name](...args), notStarted, name);
    }
  });
});

describe('the object', () => {
  test('has one string key and five symbols, found by description', () => {
    const wasi = preview1();
    assert.deepEqual(Object.keys(wasi), ['wasiImport']);
    assert.deepEqual(
      Object.getOwnPropertySymbols(wasi).map(({ description }) => description),
      ['kBindingName', 'kSetMemory', 'kStarted', 'kExitCode', 'kInstance'],
    );
    assert.equal(wasi[symbol(wasi, 'kStarted')], false);
    assert.equal(wasi[symbol(wasi, 'kExitCode')], 0);
    assert.equal(wasi[symbol(wasi, 'kInstance')], undefined);
    assert.equal(wasi[symbol(wasi, 'kBindingName')], 'wasi_snapshot_preview1');
    wasi.start(command);
    assert.equal(wasi[symbol(wasi, 'kStarted')], true);
    assert.equal(wasi[symbol(wasi, 'kInstance')], command);
  });

  test('is made with new only', () => {
    assert.throws(() => WASI({ version: 'preview1' }), {
      name: 'TypeError',
      message: "Class constructor WASI cannot be invoked without 'new'",
    });
    assert.throws(() => WASI.call(preview1(), { version: 'preview1' }), TypeError);
  });

  test('methods belong to the prototype and are shared', () => {
    assert.equal(preview1().start, WASI.prototype.start);
    assert.ok(preview1() instanceof WASI);
    assert.equal(preview1().constructor, WASI);
  });

  test('a subclass can override and call super', () => {
    class Sub extends WASI {
      constructor() {
        super({ version: 'preview1', args: ['sub'] });
        this.own = true;
      }
      start(instance) {
        return super.start(instance) + 100;
      }
      getImportObject() {
        return { ...super.getImportObject(), extra: {} };
      }
    }
    const wasi = new Sub();
    assert.ok(wasi instanceof Sub && wasi instanceof WASI && wasi.own);
    assert.deepEqual(Object.keys(wasi.getImportObject()), ['wasi_snapshot_preview1', 'extra']);
    assert.equal(wasi.start(command), 100);
  });

  test('works behind a Proxy', () => {
    class Proxied extends WASI {
      constructor(options) {
        super(options);
        return new Proxy(this, {});
      }
    }
    for (const Class of [Proxied, new Proxy(WASI, {})]) {
      assert.deepEqual(new Guest({ args: ['proxied'] }, { Class }).args, ['proxied']);
    }
    const wasi = preview1();
    const proxy = new Proxy(wasi, {});
    assert.equal(proxy.start(command), 0);
    assert.equal(wasi[symbol(wasi, 'kStarted')], true);
    assert.throws(() => wasi.start(command), alreadyStarted);
  });

  test('works through an object that inherits from it', () => {
    const guest = new Guest({}, { start: '(call $proc_exit (i32.const 8))', bind: false });
    const heir = Object.create(guest.wasi);
    assert.equal(heir.getImportObject().wasi_snapshot_preview1, guest.wasi.wasiImport);
    assert.equal(heir.start(guest.instance), 8);
    assert.deepEqual(Object.keys(heir), []);
    assert.equal(heir[symbol(guest.wasi, 'kStarted')], true);
    assert.equal(guest.call('sched_yield'), 0);
  });

  test('start can be replaced, and the original called with any object of the class', () => {
    const wasi = preview1();
    const original = wasi.start;
    wasi.start = function (instance) {
      return original.call(this, instance) + 1;
    };
    assert.equal(wasi.start(command), 1);
  });
});

describe('instances and memories of every kind', () => {
  /** The parts of a guest's instance. */
  const parts = () => {
    const guest = new Guest({}, { start: '(call $proc_exit (i32.const 6))', bind: false });
    const { _start, memory } = guest.exports;
    return { guest, _start, memory };
  };

  for (const [name, make] of Object.entries({
    'a plain object': ({ _start, memory }) => ({ exports: { _start, memory } }),
    'exports without a prototype': ({ _start, memory }) => ({
      exports: Object.assign(Object.create(null), { _start, memory }),
    }),
    'an object without a prototype': ({ _start, memory }) =>
      Object.assign(Object.create(null), { exports: { _start, memory } }),
    'exports that are inherited': ({ _start, memory }) =>
      Object.create({ exports: Object.create({ _start, memory }) }),
    'exports that are getters': ({ _start, memory }) => ({
      get exports() {
        return {
          get _start() {
            return _start;
          },
          get memory() {
            return memory;
          },
        };
      },
    }),
    'an instance whose exports are a Proxy': ({ guest }) =>
      Object.create(guest.instance, { exports: { value: new Proxy(guest.exports, {}) } }),
    'a Proxy on which only property reads work': ({ _start, memory }) => {
      const refuse = () => assert.fail('only reads were promised');
      const readOnly = (properties) =>
        new Proxy(
          {},
          {
            get: (_, name) => properties[name],
            ...Object.fromEntries(
              [
                ...['has', 'ownKeys', 'getOwnPropertyDescriptor', 'getPrototypeOf'],
                ...['set', 'defineProperty', 'deleteProperty', 'isExtensible'],
              ].map((trap) => [trap, refuse]),
            ),
          },
        );
      return readOnly({ exports: readOnly({ _start, memory }) });
    },
    'an instance of another realm': ({ guest }) => {
      const foreign = vm.runInNewContext('WebAssembly');
      const module = new foreign.Module(
        assemble(`(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
          (memory (export "memory") 1)
          (func (export "_start") (call $exit (i32.const 6))))`),
      );
      return new foreign.Instance(module, guest.wasi.getImportObject());
    },
  })) {
    test(name, () => {
      const all = parts();
      const instance = make(all);
      assert.equal(all.guest.wasi.start(instance), 6);
      assert.equal(all.guest.wasi[symbol(all.guest.wasi, 'kInstance')], instance);
      assert.equal(all.guest.wasi.wasiImport.sched_yield(), 0);
    });
  }

  test('a memory of another realm', () => {
    const memory = vm.runInNewContext('new WebAssembly.Memory({ initial: 1, maximum: 4 })');
    const wasi = preview1();
    wasi.initialize({ exports: { memory } });
    for (const end of [0x10000, 0x20000]) {
      assert.equal(wasi.wasiImport.random_get(end - 16, 16), 0);
      assert.ok(new Uint8Array(memory.buffer, end - 16).some((byte) => byte !== 0));
      assert.equal(wasi.wasiImport.random_get(end - 15, 16), ERRNO.FAULT);
      memory.grow(1);
    }
  });

  test('what only looks like a memory is refused', () => {
    const { memory } = command.exports;
    for (const like of [
      {},
      { buffer: new ArrayBuffer(65536) },
      new ArrayBuffer(65536),
      new Uint8Array(65536),
      new Proxy(memory, {}),
      Object.create(memory),
      Object.create(WebAssembly.Memory.prototype),
      new WebAssembly.Table({ element: 'anyfunc', initial: 1 }),
      null,
      undefined,
      1,
    ]) {
      assert.throws(() => preview1().initialize({ exports: { memory: like } }), {
        name: 'TypeError',
        code: 'ERR_INVALID_ARG_TYPE',
      });
    }
  });

  test('a memory with a buffer property of its own is read where it is', () => {
    const memory = new WebAssembly.Memory({ initial: 1 });
    const bytes = new Uint8Array(memory.buffer);
    Object.defineProperty(memory, 'buffer', { value: new ArrayBuffer(16) });
    const wasi = preview1();
    wasi.initialize({ exports: { memory } });
    assert.equal(wasi.wasiImport.random_get(4096, 32), 0);
    assert.ok(bytes.subarray(4096, 4128).some((byte) => byte !== 0));
  });

  test('an imported memory', () => {
    const memory = new WebAssembly.Memory({ initial: 2, maximum: 8 });
    const guest = new Guest(
      { args: ['imported'] },
      { memory: '(import "env" "memory" (memory 1 8))', imports: { env: { memory } } },
    );
    assert.equal(guest.memory, memory);
    assert.deepEqual(guest.args, ['imported']);
  });
});

describe('start() with empty stand-ins only binds', () => {
  test('start({ exports: { memory, _start() {} } })', () => {
    const wasi = preview1();
    const memory = new WebAssembly.Memory({ initial: 1 });
    assert.equal(wasi.start({ exports: { memory, _start() {} } }), 0);
    assert.equal(wasi.wasiImport.args_sizes_get(0, 4), 0);
  });

  test('initialize({ exports: { memory } })', () => {
    const wasi = preview1();
    wasi.initialize({ exports: { memory: new WebAssembly.Memory({ initial: 1 }) } });
    assert.equal(wasi.wasiImport.args_sizes_get(0, 4), 0);
  });
});

describe('the symbols, as packages for threads use them', () => {
  test('wasi[kSetMemory](memory) binds before start, and binds again', () => {
    const guest = new Guest({ args: ['x'] }, { bind: false });
    const setMemory = symbol(guest.wasi, 'kSetMemory');
    const memories = [1, 3, 1].map((initial) => new WebAssembly.Memory({ initial }));
    for (const memory of memories) {
      guest.wasi[setMemory](memory);
      assert.equal(guest.call('args_sizes_get', 0, 4), 0);
      assert.equal(new DataView(memory.buffer).getUint32(0, true), 1);
      new Uint8Array(memory.buffer).fill(0);
      const end = memory.buffer.byteLength;
      assert.equal(guest.call('args_sizes_get', 0, end - 4), 0);
      assert.equal(guest.call('args_sizes_get', 0, end - 3), ERRNO.FAULT);
    }
    guest.wasi[setMemory](guest.memory);
    assert.deepEqual(guest.args, ['x']);
  });

  test('wasi[kSetMemory] refuses what is no memory, and keeps the one it had', () => {
    const guest = new Guest({ args: ['kept'] });
    const setMemory = symbol(guest.wasi, 'kSetMemory');
    for (const wrong of [undefined, null, 1, 'x', {}, [], new ArrayBuffer(8), () => {}]) {
      assert.throws(
        () => guest.wasi[setMemory](wrong),
        invalidType('"instance.exports.memory" property must be a WebAssembly.Memory object'),
      );
    }
    assert.deepEqual(guest.args, ['kept']);
  });

  test('kStarted set back to false lets start() run again, with another instance', () => {
    const wasi = preview1({ args: ['again'] });
    const started = symbol(wasi, 'kStarted');
    for (let round = 0; round < 3; round++) {
      assert.equal(wasi.start(command), 0);
      assert.throws(() => wasi.start(command), alreadyStarted);
      wasi[started] = false;
      wasi.initialize(reactor);
      wasi[started] = false;
    }
  });

  test('start() answers what stands in kExitCode', () => {
    const wasi = preview1();
    wasi[symbol(wasi, 'kExitCode')] = 'anything';
    assert.equal(wasi.start(command), 'anything');
  });
});

describe('shared memory', () => {
  const shared = { memory: '(import "env" "memory" (memory 1 100 shared))' };
  const newMemory = () => new WebAssembly.Memory({ initial: 1, maximum: 100, shared: true });

  test('works as any other', (t) => {
    const folder = temporaryFolder(t);
    fs.writeFileSync(path.join(folder, 'file'), 'shared 🐎');
    const options = { args: ['a', 'b'], preopens: { '/': folder } };
    const guest = new Guest(options, { ...shared, imports: { env: { memory: newMemory() } } });
    assert.ok(guest.memory.buffer instanceof SharedArrayBuffer);
    assert.deepEqual(guest.args, ['a', 'b']);
    assert.equal(guest.read(guest.open(3, 'file')), 'shared 🐎');
    const out = guest.open(3, 'out', { oflags: 1 });
    assert.equal(guest.write(out, 'written'), 0);
    assert.equal(fs.readFileSync(path.join(folder, 'out'), 'utf8'), 'written');
  });

  test('grown by this thread', () => {
    const guest = new Guest({}, { ...shared, imports: { env: { memory: newMemory() } } });
    assert.equal(guest.call('random_get', 0x10000, 1), ERRNO.FAULT);
    assert.equal(guest.exports.grow(1), 1);
    assert.equal(guest.call('random_get', 0x10000, 1), 0);
    guest.memory.grow(1);
    assert.equal(guest.call('random_get', 0x2fff0, 16), 0);
    assert.equal(guest.call('random_get', 0x2fff1, 16), ERRNO.FAULT);
  });

  test('grown by a worker while this thread calls', async (t) => {
    const memory = newMemory();
    const guest = new Guest({}, { ...shared, imports: { env: { memory } } });
    const turns = new Int32Array(new SharedArrayBuffer(8));
    const worker = startWorker(
      `const { memory, turns } = workerData;
       parentPort.postMessage('ready');
       for (let page = 1; page < 100; page++) {
         Atomics.wait(turns, 0, page - 1);
         memory.grow(1);
         Atomics.store(turns, 1, page);
         Atomics.notify(turns, 1);
       }`,
      { memory, turns },
    );
    t.after(() => worker.terminate());
    const exit = new Promise((resolve) => worker.on('exit', resolve));
    await new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject));
    for (let page = 1; page < 100; page++) {
      const start = 0x10000 * page;
      assert.equal(guest.call('random_get', start - 8, 9), ERRNO.FAULT);
      Atomics.store(turns, 0, page);
      Atomics.notify(turns, 0);
      // Calls while the other thread grows it; the answer is one or the other.
      while (Atomics.load(turns, 1) < page) {
        const errno = guest.call('random_get', start - 8, 9);
        assert.ok(errno === 0 || errno === ERRNO.FAULT);
      }
      // This thread has not looked at the memory's buffer since it grew.
      assert.equal(guest.call('random_get', start, 0x10000), 0);
      assert.equal(guest.call('random_get', start + 1, 0x10000), ERRNO.FAULT);
    }
    assert.equal(await exit, 0);
  });

  test('one memory, a WASI object in each of several threads', async () => {
    const memory = newMemory();
    const run = (index) =>
      runInWorker(
        `const options = { args: ['thread', '' + workerData.index] };
         const guest = new Guest(options, {
           memory: '(import "env" "memory" (memory 1 100 shared))',
           imports: { env: { memory: workerData.memory } },
         });
         const at = 1024 * workerData.index;
         for (let round = 0; round < 1000; round++) {
           if (guest.call('args_get', at, at + 16) !== 0) throw new Error('args_get');
           const text = guest.text(at + 16, 9);
           if (text !== 'thread\\0' + workerData.index + '\\0') throw new Error(text);
         }`,
        { workerData: { memory, index } },
      );
    const ends = await Promise.all([1, 2, 3, 4].map(run));
    assert.deepEqual(
      ends.map(({ code }) => code),
      [0, 0, 0, 0],
    );
  });
});

describe('preopens that fail', () => {
  const file = fileURLToPath(import.meta.url);
  for (const [name, options, code, said] of [
    [
      'a folder that is missing',
      { preopens: { '/': '/no/such/folder' } },
      'ENOENT',
      '/no/such/folder',
    ],
    ['a file', { preopens: { '/sandbox': file } }, 'ENOTDIR', file],
    ['a folder beneath a file', { preopens: { '/': `${file}/sub` } }, 'ENOTDIR', `${file}/sub`],
    ['an empty path', { preopens: { '/': '' } }, 'ENOENT', "''"],
    ['the second of two', { preopens: { '/': '/', '/x': '/no/such' } }, 'ENOENT', '/no/such'],
    ['a closed descriptor as stdin', { stdin: 12345 }, 'EBADF', 'stdin'],
    ['a closed descriptor as stdout', { stdout: 12345 }, 'EBADF', 'stdout'],
    ['a closed descriptor as stderr', { stderr: 0x7fffffff }, 'EBADF', 'stderr'],
  ]) {
    test(`${name}: UVWASI_${code}`, () => {
      const error = thrownBy(() => preview1(options));
      assert.ok(error instanceof Error);
      assert.equal(error.name, 'Error');
      assert.equal(error.code, `UVWASI_${code}`);
      assert.ok(error.message.startsWith(`UVWASI_${code}, uvwasi_init`), error.message);
      assert.ok(error.message.includes(said), error.message);
    });
  }

  test('leave nothing open', { skip: !fs.existsSync('/proc/self/fd') && 'needs /proc' }, () => {
    const open = () => fs.readdirSync('/proc/self/fd').length;
    const before = open();
    for (let round = 0; round < 100; round++) {
      assert.throws(() => preview1({ preopens: { '/': '/', '/x': '/no/such' } }));
      assert.throws(() => preview1({ returnOnExit: 'no' }));
    }
    assert.equal(open(), before);
  });
});
