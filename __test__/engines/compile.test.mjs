// When, where and how programs are compiled: work that a guest causes is bounded, ends when it is to end, and starts nothing.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after as afterAll, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { compile, run, spawn } from '../../index.js';
import { index } from '../support/host.mjs';
import { after, program } from '../support/programs.mjs';
import { assembleAny } from '../support/wat.mjs';

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'wasi-rs-compile-'));
fs.chmodSync(root, 0o755);
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

const isLinux = process.platform === 'linux';

/** A function whose loop uses many variables: time grows with the square of their number. */
function hardFunction(variables) {
  const steps = Array.from({ length: variables }, (_, i) => {
    return `local.get ${i} local.get ${(i + 1) % variables} i64.add local.set ${i}`;
  });
  return `(func (local ${'i64 '.repeat(variables)})
    loop ${steps.join('\n')} local.get 0 i32.wrap_i64 br_if 0 end)`;
}

let hardBytes;
/** A program that never ends, and takes Cranelift half a minute, within its bounds; another one each time. */
function hard() {
  hardBytes ??= program('(loop (br 0))', {
    items: hardFunction(4000).repeat(80) + '(data (i32.const 0) "0000")',
  });
  const bytes = Buffer.from(hardBytes);
  bytes.writeUInt32LE(count++, bytes.length - 4);
  return bytes;
}
let count = 0;

/** More than is compiled at once, and easy: many functions that nobody calls. */
function large(text) {
  const unused = Array.from({ length: 9000 }, (_, i) => `(func (result i32) (i32.const ${i}))`);
  const body = `(i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const ${text.length}))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))`;
  const names = '(func (local i64 i64) loop br 0 end)'.repeat(3000);
  return program(body, { items: `${unused.join('')}${names}(data (i32.const 1024) "${text}")` });
}

/** Waits until the process has nothing to do any more; fails if it never comes to that. */
async function untilIdle() {
  for (let rounds = 0; rounds < 200; rounds++) {
    const before = process.cpuUsage();
    await sleep(200);
    const { user, system } = process.cpuUsage(before);
    if (user + system < 50_000) return;
  }
  assert.fail('something is still being done after 40 s');
}

for (const engine of ['wasmtime', 'auto']) {
  test(`${engine}: hard modules time out, nothing goes on, and others have their turn`, async () => {
    const options = { engine, cache: false, timeout: 300 };
    const runs = Array.from({ length: 6 }, () => run(hard(), options));
    await Promise.all(runs.map((ends) => assert.rejects(ends, { code: 'ERR_WASI_TIMEOUT' })));
    const { stdout } = await run(after('new', ''), { engine, cache: false, timeout: 20_000 });
    assert.equal(String(stdout), 'new');
    await untilIdle();
  });
}

test('others have their turn also while hard modules are being compiled', async () => {
  const controller = new AbortController();
  const options = { engine: 'wasmtime', cache: false, signal: controller.signal };
  const runs = Array.from({ length: 4 }, () => run(hard(), options));
  const { stdout } = await run(after('new', ''), { engine: 'wasmtime', cache: false });
  assert.equal(String(stdout), 'new');
  controller.abort();
  await Promise.all(runs.map((ends) => assert.rejects(ends, { name: 'AbortError' })));
  await untilIdle();
});

test('who has given up does not take it from others that wait for the same', async () => {
  const bytes = large('shared');
  const options = { engine: 'wasmtime', cache: false };
  const compiling = compile(bytes, { cache: false });
  const shared = await compiling;
  const fuel = { limits: { fuel: 1_000_000 } }; // other machine code
  const [first, second] = [
    shared.spawn({ ...options, ...fuel }),
    shared.run({ ...options, ...fuel }),
  ];
  first.kill();
  assert.equal(String((await second).stdout), 'shared');
  const again = await shared.run({ ...options, ...fuel });
  assert.equal(String(again.stdout), 'shared');
});

test('kill() while it compiles: exit, close, and its streams end', async () => {
  const child = spawn(hard(), { engine: 'wasmtime', cache: false });
  const events = [];
  for (const name of ['exit', 'close']) child.on(name, () => events.push(name));
  const closed = once(child, 'close');
  await once(child, 'spawn');
  const { result } = child;
  assert.equal(child.kill(), true);
  await assert.rejects(result, { code: 'ERR_WASI_KILLED' });
  assert.deepEqual(await closed, [null, 'SIGTERM']);
  assert.deepEqual(events, ['exit', 'close']);
  await untilIdle();
});

test('a worker that is terminated takes its compilations along', async () => {
  const script = `
    const { workerData, parentPort } = require('node:worker_threads');
    const { compile, run } = require(workerData.index);
    run(workerData.bytes, { engine: 'wasmtime', cache: false });
    compile(workerData.other, { cache: false });
    setTimeout(() => parentPort.postMessage('compiling'), 200);`;
  const workerData = { index, bytes: hard(), other: hard() };
  const worker = new Worker(script, { eval: true, workerData });
  await once(worker, 'message');
  await worker.terminate();
  await untilIdle();
});

describe('what is too hard for Cranelift', () => {
  const tooHard = program('', { items: hardFunction(5001) });

  test('is refused by name', async () => {
    const refusal = {
      code: 'ERR_WASI_PROGRAM',
      message:
        /too hard to compile: function \d+ has 5003 variables and values on its stack, and 5000 is the most; run it with engine: 'v8'/,
    };
    await assert.rejects(run(tooHard, { engine: 'wasmtime', cache: false }), refusal);
    await assert.rejects(compile(tooHard, { cache: false }), refusal);
  });

  test('runs in V8', async () => {
    for (const engine of ['auto', 'v8']) {
      assert.equal((await run(tooHard, { engine, cache: false })).exitCode, 0);
    }
  });
});

describe('what is too hard to initialize', () => {
  const times = (count, item) => item.repeat(count);
  const each = (count, item) => Array.from({ length: count }, (_, i) => item(i)).join('');
  const module = (items) =>
    assembleAny(`(module (memory (export "memory") 1100) (func $f (export "_start")) ${items})`);
  const elements = (items) => `(table 100000 funcref) (elem ${items})`;
  const kinds = {
    'globals of functions': times(10_000, '(global funcref (ref.func $f))'),
    'elements of expressions': elements(
      `(i32.const 0) funcref (ref.null func) ${times(40_000, '(ref.func $f)')}`,
    ),
    'passive elements': elements(`func ${times(80_000, '$f ')}`),
    'data far apart': each(10_000, (i) => `(data (i32.const ${(i % 2) * 70_000_000}) "a")`),
    'uses of many globals': `${times(20_000, '(global (mut i32) (i32.const 0))')}
      (func ${each(20_000, (i) => `(global.set ${i} (i32.const 1))`)})`,
  };
  const kindsOfNewerNodes = {
    'globals of sums': times(10_000, '(global i32 (i32.add (i32.const 1) (i32.const 2)))'),
    'globals of globals': `(global $g i32 (i32.const 1)) ${times(10_000, '(global i32 (global.get $g))')}`,
    'memories with data far apart': `${times(40, '(memory 200)')} ${each(80, (i) => {
      return `(data (memory ${1 + (i >> 1)}) (i32.const ${(i % 2) * 13_000_000}) "a")`;
    })}`,
    'tables full of one function': times(60, '(table 1000000 funcref (ref.func $f))'),
  };
  const refusal = { code: 'ERR_WASI_PROGRAM', message: /too hard to compile: .* is the most/ };
  for (const [kind, items] of Object.entries({ ...kinds, ...kindsOfNewerNodes })) {
    test(`${kind}: refused by name`, async () => {
      await assert.rejects(run(module(items), { engine: 'wasmtime', cache: false }), refusal);
    });
  }

  for (const [kind, items] of Object.entries(kinds)) {
    test(`${kind}: V8 runs it, and nothing is compiled for the next time`, async () => {
      const cache = path.join(root, `too-hard-${kind.replaceAll(' ', '-')}`);
      assert.equal((await run(module(items), { cache })).exitCode, 0);
      await untilIdle();
      assert.deepEqual(fs.existsSync(cache) ? fs.readdirSync(cache) : [], []);
    });
  }
});

/** Runs this script in a process of its own. */
function inProcess(script, { env = {}, args = [], setup = '' } = {}) {
  const source = `${setup}
    const { compile, run } = require(${JSON.stringify(index)});
    (async () => { ${script} })();`;
  const isUsual = ([name]) => !['HOME', 'XDG_CACHE_HOME', 'WASI_RS_CACHE'].includes(name);
  const usual = Object.fromEntries(Object.entries(process.env).filter(isUsual));
  const options = { env: { ...usual, ...env }, encoding: 'utf8', timeout: 120_000 };
  return spawnSync(process.execPath, [...args, '-e', source], options);
}

const file = path.join(root, 'large.wasm');
fs.writeFileSync(file, large('large'));
const RUN = `
  const file = ${JSON.stringify(file)};
  const { stdout } = await run(file);
  console.log(String(stdout));
  await compile(file);
  console.log(String((await run(file)).stdout));`;

test('no process is started, whatever execPath is', { skip: !isLinux }, () => {
  const recorded = path.join(root, 'recorded');
  const fake = path.join(root, 'fake-node');
  fs.writeFileSync(fake, `#!/bin/sh\necho "$@" >> ${recorded}\n`, { mode: 0o755 });
  const script = `
    process.execPath = ${JSON.stringify(fake)};
    const fs = require('node:fs');
    const children = () =>
      fs.readdirSync('/proc/self/task').map((task) => {
        try { return fs.readFileSync('/proc/self/task/' + task + '/children', 'utf8'); } catch { return ''; }
      }).join('');
    const original = fs.readFileSync(${JSON.stringify(file)});
    const programs = Array.from({ length: 24 }, (_, i) => {
      const bytes = Buffer.from(original);
      bytes.write('lar' + String(i).padStart(2, '0'), bytes.indexOf('large'));
      return bytes;
    });
    const outcomes = await Promise.all(programs.map((bytes) => run(bytes)));
    console.log(outcomes.length, JSON.stringify(children()));
    await new Promise((resolve) => setTimeout(resolve, 1200));
    console.log(JSON.stringify(children()));`;
  const env = { WASI_RS_CACHE: path.join(root, 'no-process') };
  const { stdout, stderr, status } = inProcess(script, { env });
  assert.deepEqual([stdout, stderr, status], ['24 ""\n""\n', '', 0]);
  assert.equal(fs.existsSync(recorded), false);
});

describe('where no machine code can be kept, that is no error:', { skip: !isLinux }, () => {
  const closed = path.join(root, 'closed');
  fs.mkdirSync(closed, { mode: 0o700 });
  const below = path.join(file, 'cache');
  const long = path.join(root, 'x'.repeat(300));
  const loop = path.join(root, 'loop');
  fs.symlinkSync(loop, loop);
  const nobody = process.getuid?.() === 0 && `process.setgid(65534); process.setuid(65534);`;
  const places = {
    'HOME=/proc': { env: { HOME: '/proc' } },
    'HOME=/dev/null': { env: { HOME: '/dev/null' } },
    'a home of another user': { env: { HOME: closed }, setup: nobody },
    // A folder that somebody chose is worth a warning.
    'below a file': { env: { WASI_RS_CACHE: below } },
    'a name too long': { env: { WASI_RS_CACHE: long } },
    'a loop of links': { env: { WASI_RS_CACHE: path.join(loop, 'x') } },
    'a full device': { env: { WASI_RS_CACHE: '/dev/full/x' } },
  };
  for (const [name, options] of Object.entries(places)) {
    const skip = options.setup === false && 'needs root';
    test(name, { skip }, () => {
      const { stdout, stderr, status } = inProcess(RUN, options);
      const { WASI_RS_CACHE: chosen } = options.env;
      assert.deepEqual([stdout, status], ['large\nlarge\n', 0]);
      if (chosen === undefined) assert.equal(stderr, '');
      else assert.ok(stderr.includes(`no machine code is kept in ${chosen}: it can't be used: `));
    });
  }

  test('the command line keeps the exit code', () => {
    const main = path.join(path.dirname(index), 'cli/main.js');
    const wasm = path.join(root, 'exits.wasm');
    const unused = '(func (local i64) loop br 0 end)'.repeat(9000);
    fs.writeFileSync(wasm, program('(call $proc_exit (i32.const 7))', { items: unused }));
    for (const home of ['/dev/null', '/proc']) {
      const env = { PATH: process.env.PATH, HOME: home };
      const { status, stderr } = spawnSync(process.execPath, [main, wasm], {
        env,
        encoding: 'utf8',
      });
      assert.deepEqual([status, stderr], [7, ''], home);
    }
  });
});

test('a Program keeps the last of what V8 has compiled for its limits', async () => {
  const script = `
    const v8 = require('node:v8');
    if (!v8.queryObjects) return console.log('fine');
    const program = await compile(${JSON.stringify(file)});
    for (let pages = 10; pages < 40; pages++) {
      await program.run({ engine: 'v8', limits: { memory: pages * 65536 } });
      gc();
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
    gc();
    const left = v8.queryObjects(WebAssembly.Module);
    console.log(left < 20 ? 'fine' : left);`;
  const { stdout, stderr } = inProcess(script, {
    args: ['--expose-gc'],
    env: { WASI_RS_CACHE: '' },
  });
  assert.equal(stdout, 'fine\n', stderr);
});
