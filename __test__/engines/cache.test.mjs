// Machine code on disk, and the engine 'auto', which goes by it.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after as afterAll, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { compile, run } from '../../index.js';
import { index } from '../support/host.mjs';
import { cat, program } from '../support/programs.mjs';

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'wasi-rs-cache-'));
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

let count = 0;
/** A folder that is not there yet. */
let cache;
beforeEach(() => (cache = path.join(root, `cache-${count++}`)));

const CAT = cat();

/** A program that takes Cranelift longer than a worker takes to start: many functions that nobody calls. */
function large() {
  const bodies = Array.from({ length: 9000 }, (_, i) => {
    return `(func (param i32) (result i32) (i32.mul (local.get 0) (i32.const ${i})))`;
  });
  const items = `${bodies.join('\n')} (data (i32.const 1024) "large")`;
  const body = `(i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 5))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))`;
  const bytes = program(body, { items });
  assert.ok(bytes.length > 64 * 1024);
  return bytes;
}

const entries = () => fs.readdirSync(cache).filter((name) => name.endsWith('.cwasm'));

test('compile() keeps machine code, in a folder for the user only', async () => {
  await compile(CAT, { cache });
  assert.equal(entries().length, 1);
  assert.equal(fs.statSync(cache).mode & 0o777, 0o700);
  assert.equal(fs.statSync(path.join(cache, entries()[0])).mode & 0o777, 0o400);
  await compile(Buffer.from(CAT), { cache });
  await run(CAT, { cache, engine: 'wasmtime' });
  assert.equal(entries().length, 1, 'it is found by its content');
  await run(CAT, { cache, engine: 'wasmtime', limits: { fuel: 1e6 } });
  assert.equal(entries().length, 2, 'counting fuel is other code');
});

test('what is not whole is made anew', async () => {
  await compile(CAT, { cache });
  const file = path.join(cache, entries()[0]);
  const whole = fs.readFileSync(file);
  for (const length of [0, 100, whole.length - 1]) {
    fs.writeFileSync(file, whole.subarray(0, length));
    const { stdout } = await run(CAT, { cache, engine: 'wasmtime', input: 'whole again' });
    assert.equal(String(stdout), 'whole again');
    assert.ok(fs.readFileSync(file).equals(whole));
  }
});

// Their names are others, since the version is part of what they are made of.
test('files of other versions in the folder are left alone, and are no obstacle', async () => {
  await compile(CAT, { cache });
  const [own] = entries();
  const others = {
    [own.replace(/^./, (digit) => (digit === '0' ? '1' : '0'))]: fs.readFileSync(
      path.join(cache, own),
    ),
    [`${'a'.repeat(64)}.8c.cwasm`]: 'machine code in a form of its own',
    [`${'b'.repeat(64)}.v2`]: 'a record of a later version',
    'index.v2': 'something new',
  };
  for (const [name, content] of Object.entries(others)) {
    fs.writeFileSync(path.join(cache, name), content, { mode: 0o400 });
  }
  const { usage } = await run(CAT, { cache, engine: 'wasmtime' });
  assert.equal(usage.compiled, 0);
  await compile(program('(nop)'), { cache });
  for (const [name, content] of Object.entries(others)) {
    assert.ok(fs.readFileSync(path.join(cache, name)).equals(Buffer.from(content)), name);
  }
  assert.equal(entries().length, 4);
});

test('a folder that others can write to is left alone', async () => {
  fs.mkdirSync(cache);
  fs.chmodSync(cache, 0o777);
  const { stdout } = await run(CAT, { cache, engine: 'wasmtime', input: 'x' });
  assert.equal(String(stdout), 'x');
  assert.deepEqual(fs.readdirSync(cache), []);
});

test('a folder that can’t be made is no error', async () => {
  fs.writeFileSync(cache, 'a file');
  const { stdout } = await run(CAT, { cache, engine: 'wasmtime', input: 'x' });
  assert.equal(String(stdout), 'x');
});

test('where it is: the option, WASI_RS_CACHE, XDG_CACHE_HOME, the home', () => {
  const script = `
    const wasm = Buffer.from(${JSON.stringify(Buffer.from(CAT).toString('base64'))}, 'base64');
    require(${JSON.stringify(index)}).compile(wasm, JSON.parse(process.argv[1]));`;
  const kept = (env, options = {}) => {
    const home = path.join(root, `home-${count++}`);
    fs.mkdirSync(home);
    const variables = Object.entries(env).map(([name, value]) => [name, value.replace('~', home)]);
    execFileSync(process.execPath, ['-e', script, JSON.stringify(options)], {
      env: { HOME: home, ...Object.fromEntries(variables) },
    });
    const files = fs.readdirSync(home, { recursive: true }).map(String);
    return files.filter((name) => name.endsWith('.cwasm')).map((name) => path.dirname(name));
  };
  const ofTheSystem = { darwin: 'Library/Caches/wasi-rs' }[process.platform] ?? '.cache/wasi-rs';
  const on = { cache: true };
  assert.deepEqual(kept({}), [], 'nobody has asked for it');
  assert.deepEqual(kept({}, on), [ofTheSystem]);
  assert.deepEqual(kept({ WASI_RS_CACHE: '~/own' }), ['own']);
  assert.deepEqual(kept({ WASI_RS_CACHE: '~/own' }, on), ['own']);
  assert.deepEqual(kept({ WASI_RS_CACHE: '' }, on), []);
  assert.deepEqual(kept({ WASI_RS_CACHE: '~/own' }, { cache: false }), []);
  if (process.platform === 'linux') {
    assert.deepEqual(kept({ XDG_CACHE_HOME: '~/xdg' }, on), ['xdg/wasi-rs']);
    assert.deepEqual(kept({ XDG_CACHE_HOME: 'relative' }, on), [ofTheSystem]);
    assert.deepEqual(kept({ XDG_CACHE_HOME: '~/xdg', WASI_RS_CACHE: '~/own' }), ['own']);
  }
});

/** Waits until machine code has been made in the background. */
async function untilCompiled() {
  const isCompiled = () => fs.existsSync(cache) && entries().length > 0;
  while (!isCompiled()) await sleep(20);
}

test(
  'auto: V8 while there is no machine code, which is made in the background',
  { timeout: 300_000 },
  async () => {
    const file = path.join(root, 'large.wasm');
    fs.writeFileSync(file, large());
    for (const source of [file, fs.readFileSync(file)]) {
      fs.rmSync(cache, { recursive: true, force: true });
      const options = { cache, stdin: 'ignore' };
      assert.equal(String((await run(source, options)).stdout), 'large');
      await untilCompiled();
      assert.equal(String((await run(source, options)).stdout), 'large');
      assert.equal(entries().length, 1);
    }
  },
);

test('in a folder that others may look into nothing is kept, and that is said, once', () => {
  const script = (call) => `
    const { compile, run } = require(${JSON.stringify(index)});
    process.on('warning', ({ code, message }) => console.log(code, message));
    const options = { cache: ${JSON.stringify(cache)} };
    const file = ${JSON.stringify(file)};
    (async () => { for (let i = 0; i < 2; i++) await ${call}; })();`;
  const file = path.join(root, 'large-for-all.wasm');
  fs.writeFileSync(file, large());
  fs.mkdirSync(cache, { mode: 0o755 });
  const calls = [
    'compile(file, options)',
    'run(file, options)',
    "run(file, { ...options, engine: 'wasmtime' })",
  ];
  for (const call of calls) {
    const { stdout } = spawnSync(process.execPath, ['-e', script(call)], { encoding: 'utf8' });
    const message = `WASI_RS_CACHE no machine code is kept in ${cache}: it is not only yours. chmod 700 it, or name another\n`;
    assert.equal(stdout, message, call);
    assert.deepEqual(fs.readdirSync(cache), []);
  }
});

test('auto: what is small is compiled at once', async () => {
  const { stdout } = await run(CAT, { cache, input: 'small' });
  assert.equal(String(stdout), 'small');
  assert.equal(entries().length, 1);
});
