// run(), spawn() and compile() with a WebAssembly.Module, which V8 runs as it is.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import vm from 'node:vm';
import { Runner, compile, run, spawn } from '../../index.js';
import * as programs from '../support/programs.mjs';
import { assemble, wat } from '../support/wat.mjs';

const { READ, SHARED, SLEEP, SPIN, WAIT, after, cat, exits, program, reflect } = programs;
const moduleOf = (bytes) => new WebAssembly.Module(bytes);
const START = '(func (export "_start"))';
const instead = 'pass the bytes or the path of the module instead';

test('run() and spawn() run a module', async () => {
  const { stdout } = await run(moduleOf(cat()), { input: 'text', encoding: 'utf8' });
  assert.equal(stdout, 'text');
  const child = spawn(moduleOf(exits(7)));
  assert.equal((await child.result).exitCode, 7);
});

test('the name of a module without argv0 is that of bytes', async () => {
  const { stdout } = await run(moduleOf(reflect()), { args: ['one'], encoding: 'utf8' });
  assert.equal(stdout, 'program.wasm\0one\0');
});

test('the same module runs many times, and at the same time', async () => {
  const module = moduleOf(exits(3));
  const all = await Promise.all(Array.from({ length: 8 }, () => run(module)));
  assert.deepEqual(new Set(all.map(({ exitCode }) => exitCode)), new Set([3]));
});

test('a Runner runs, spawns and compiles modules', async () => {
  const runner = new Runner({ concurrency: 1 });
  const module = moduleOf(exits(4));
  const ends = [runner.run(module), runner.spawn(module).result];
  ends.push(runner.compile(module).then((program) => program.run()));
  for (const { exitCode } of await Promise.all(ends)) assert.equal(exitCode, 4);
  await runner.close();
});

test('a module of another realm, and of a subclass, is one', async () => {
  const context = vm.createContext({ bytes: exits(5) });
  const foreign = vm.runInContext('new WebAssembly.Module(bytes)', context);
  class Module extends WebAssembly.Module {}
  for (const module of [foreign, new Module(exits(5))]) {
    assert.equal((await run(module)).exitCode, 5);
  }
  const like = Object.create(WebAssembly.Module.prototype);
  await assert.rejects(run(like), { code: 'ERR_INVALID_ARG_TYPE', message: /WebAssembly\.Module/ });
});

describe('a module is ended by timeout', () => {
  const bodies = { 'in a loop': [SPIN], 'in a wait for the clock': [SLEEP] };
  bodies['in a wait for stdin'] = [READ];
  bodies['in a wait for its memory'] = [WAIT, { memory: SHARED }];
  for (const [where, parts] of Object.entries(bodies)) {
    test(where, async () => {
      const child = spawn(moduleOf(program(...parts)), { timeout: 300 });
      await assert.rejects(child.result, { code: 'ERR_WASI_TIMEOUT', timedOut: true });
    });
  }

  test('in its start function', async () => {
    const module = wat(`(module (func $s ${SPIN}) (start $s) ${START})`);
    await assert.rejects(run(module, { timeout: 300 }), { code: 'ERR_WASI_TIMEOUT' });
  });
});

test('kill() and signal end a module', async () => {
  const child = spawn(moduleOf(after('begun', SPIN)));
  child.stdout.once('data', () => child.kill());
  await assert.rejects(child.result, { signal: 'SIGTERM' });
  const abort = new AbortController();
  const stdout = () => abort.abort();
  const running = run(moduleOf(after('begun', SPIN)), { stdout, signal: abort.signal });
  await assert.rejects(running, { code: 'ABORT_ERR' });
});

test('limits.stack, limits.openFiles and maxBuffer hold for a module', async () => {
  const deep = wat(`(module (func $f (export "_start") (call $f)))`);
  await assert.rejects(run(deep, { limits: { stack: 65536 } }), {
    code: 'ERR_WASI_TRAP',
    message: /call stack exhausted/,
  });
  await assert.rejects(run(moduleOf(after('text', '')), { maxBuffer: 2 }), { isMaxBuffer: true });
  const preopens = { '/': '.' };
  await assert.rejects(run(moduleOf(exits(0)), { preopens, limits: { openFiles: 3 } }), {
    code: 'UVWASI_EMFILE',
  });
});

describe('an option that needs the bytes is refused', () => {
  const given = {
    'options.limits.memory': { limits: { memory: 65536 } },
    'options.limits.tableElements': { limits: { tableElements: 9 } },
    'options.limits.fuel': { limits: { fuel: 9 } },
    'options.engine': { engine: 'wasmtime' },
    'options.cache': { cache: true },
  };
  for (const [name, options] of Object.entries(given)) {
    test(name, async () => {
      const expected = (error) => {
        assert.equal(error.code, 'ERR_INVALID_ARG_VALUE');
        assert.ok(error.message.includes(`'${name}'`) && error.message.includes(instead));
        return true;
      };
      await assert.rejects(run(moduleOf(exits(0)), options), expected);
      assert.throws(() => spawn(moduleOf(exits(0)), options), expected);
      if (name === 'options.cache')
        await assert.rejects(compile(moduleOf(exits(0)), options), expected);
      else await assert.rejects((await compile(moduleOf(exits(0)))).run(options), expected);
    });
  }
  test('cache: false and the engine v8 are not', async () => {
    assert.equal((await run(moduleOf(exits(2)), { cache: false, engine: 'v8' })).exitCode, 2);
  });
});

describe('a module that does not run is refused with the words for bytes', () => {
  const wasi = (name, edition = 'wasi_snapshot_preview1') =>
    `(import "${edition}" "${name}" (func (param i32)))`;
  const texts = {
    'no command': '(module (func (export "_initialize")))',
    'a reactor too': `(module ${START} (func (export "_initialize")))`,
    'both editions': `(module ${wasi('proc_exit')} ${wasi('proc_exit', 'wasi_unstable')} ${START})`,
    Go: `(module (import "gojs" "runtime.wasmExit" (func (param i32))) ${START})`,
    'wasm-bindgen': `(module (import "wbg" "f" (func)) ${START})`,
    Emscripten: `(module (import "env" "invoke_vi" (func)) ${START})`,
  };
  for (const [name, text] of Object.entries(texts)) {
    test(name, async () => {
      const { code, message } = await run(assemble(text), { engine: 'v8' }).catch((error) => error);
      assert.match(code, /^ERR_WASI_(IMPORT|PROGRAM)$/);
      await assert.rejects(run(wat(text)), { code, message });
      await assert.rejects(compile(wat(text)), { code, message });
    });
  }
});

describe('a module that would run as bytes is refused with advice', () => {
  const exit = '(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))';
  const texts = {
    'an imported memory': [`(module (import "env" "memory" (memory 1)) ${START})`, /env\.memory/],
    'calls in the start function': [
      `(module ${exit} (func $s (call $exit (i32.const 1))) (start $s) ${START})`,
      /start function/,
    ],
  };
  for (const [name, [text, words]] of Object.entries(texts)) {
    test(name, async () => {
      const error = await run(wat(text)).catch((error) => error);
      assert.equal(error.code, 'ERR_WASI_PROGRAM');
      assert.match(error.message, words);
      assert.ok(error.message.endsWith(instead), error.message);
    });
  }
});

test('wrong types are found when a module is to begin', async () => {
  const ofStart = wat('(module (func (export "_start") (param i32)))');
  await assert.rejects(run(ofStart), { code: 'ERR_WASI_PROGRAM', message: /is not a command/ });
  const result = wat('(module (func (export "_start") (result i32) (i32.const 0)))');
  await assert.rejects(run(result), { code: 'ERR_WASI_PROGRAM', message: /is not a command/ });
  const close = '(import "wasi_snapshot_preview1" "fd_close" (func (param i64)))';
  const ofImport = wat(`(module ${close} ${START} (memory (export "memory") 1))`);
  await assert.rejects(run(ofImport), { code: 'ERR_WASI_PROGRAM', message: /fd_close/ });
});

test('compile() gives a Program that runs in V8, without machine code', async () => {
  const program = await compile(moduleOf(after('text', '')));
  const { kind, version, imports, exports, memory } = program;
  assert.deepEqual({ kind, version, memory }, { kind: 'command', version: 'preview1', memory: [] });
  const [module, name] = ['wasi_snapshot_preview1', 'fd_write'];
  assert.deepEqual(imports, [{ module, name, kind: 'function' }]);
  assert.deepEqual(exports, [
    { name: 'memory', kind: 'memory' },
    { name: '_start', kind: 'function' },
  ]);
  assert.equal((await program.run({ encoding: 'utf8' })).stdout, 'text');
  assert.equal((await program.spawn().result).exitCode, 0);
  await assert.rejects(program.serialize(), { code: 'ERR_WASI_PROGRAM', message: /machine code/ });
});
