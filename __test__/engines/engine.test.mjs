// wasmtime inside of Node: what both share, and what must not hurt the other.
import assert from 'node:assert/strict';
import { execFileSync, spawn as spawnProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { after as afterAll, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import {
  WASI,
  compile,
  deserialize,
  run as runAnywhere,
  spawn as spawnAnywhere,
} from '../../index.js';
import { makeRun, makeSpawn } from '../support/engine.mjs';
import { index, runNode } from '../support/host.mjs';
import {
  READ,
  SHARED,
  SLEEP,
  SPIN,
  WAIT,
  after,
  cat,
  creates,
  exits,
  program,
  reflect,
  writes,
} from '../support/programs.mjs';
import { assemble } from '../support/wat.mjs';

const run = makeRun('wasmtime');
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'wasi-rs-engine-'));
afterAll(() => fs.rmSync(folder, { recursive: true }));

const name = (text) => [text.length, ...Buffer.from(text)];
const section = (id, content) => [id, content.length, ...content];

/** The same program in the class, in this thread. */
function inClass(wasm, { input = '', args, env, preopens }) {
  const options = { version: 'preview1', input, args, env, preopens };
  const wasi = new WASI({ ...options, stdout: 'pipe', stderr: 'pipe' });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(wasm), wasi.getImportObject());
  return { exitCode: wasi.start(instance), stdout: wasi.stdout, stderr: wasi.stderr };
}

test('a program does the same in the class and in wasmtime', async () => {
  const { items, body } = writes('to both\n');
  const programs = {
    'copies its input': [cat(), { input: 'žluť 🐎\n'.repeat(1000) }],
    'writes to stderr': [cat(2), { input: 'error' }],
    'shows its arguments': [reflect(), { args: ['a', '', 'č'], env: { A: '1', B: '' } }],
    'makes a file': [creates(), { preopens: { '/': folder } }],
    'has no directory': [creates(), {}],
    writes: [program(body, { items }), {}],
  };
  for (const [name, [wasm, options]] of Object.entries(programs)) {
    const files = [];
    const outcomes = [];
    for (const go of [inClass, run]) {
      fs.rmSync(path.join(folder, 'made'), { force: true });
      const { exitCode, stdout, stderr } = await go(wasm, options);
      outcomes.push({ exitCode, stdout: String(stdout), stderr: String(stderr) });
      const made = path.join(folder, 'made');
      files.push(fs.existsSync(made) && fs.readFileSync(made, 'utf8'));
    }
    assert.deepEqual(outcomes[0], outcomes[1], name);
    assert.equal(files[0], files[1], name);
  }
});

test('fuel', async () => {
  const spin = program(SPIN);
  await assert.rejects(run(spin, { limits: { fuel: 5000 } }), (error) => {
    assert.equal(error.code, 'ERR_WASI_FUEL');
    assert.match(error.message, /5000/);
    assert.equal(error.usage.fuel, 5000);
    return true;
  });
  const hello = program(writes('x').body, writes('x'));
  const first = (await run(hello, { limits: { fuel: 1e6 } })).usage.fuel;
  const second = (await run(hello, { limits: { fuel: 1e9 } })).usage.fuel;
  assert.ok(first > 0 && first === second, 'the same each time');
  // Only wasmtime counts, so that is what it runs in.
  const auto = runAnywhere(spin, { limits: { fuel: 5000 }, cache: false });
  await assert.rejects(auto, { code: 'ERR_WASI_FUEL' });
});

// Exceptions as they were first, which V8 has kept; and with a type that needs the garbage collector.
const ONLY_IN_V8 = {
  exceptions: program('(try (do (throw $e)) (catch_all (call $proc_exit (i32.const 5))))', {
    items: '(tag $e)',
  }),
  'garbage collection': Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [3, 0x5f, 0, 0x60, 0, 0, 0x60, 1, 0x7f, 0]), // (struct), (func), (func (param i32))
    ...section(2, [1, ...name('wasi_snapshot_preview1'), ...name('proc_exit'), 0, 2]),
    ...section(3, [1, 1]),
    ...section(7, [1, ...name('_start'), 0, 1]),
    // struct.new 0, ref.is_null, i32.const 5, i32.add, call 0
    ...section(10, [1, 11, 0, 0xfb, 0, 0, 0xd1, 0x41, 5, 0x6a, 0x10, 0, 0x0b]),
  ]),
};

test('what wasmtime can’t run, V8 runs, unless it must not', async () => {
  for (const [what, wasm] of Object.entries(ONLY_IN_V8)) {
    if (!WebAssembly.validate(wasm)) continue; // garbage collection in Node 20
    assert.equal((await runAnywhere(wasm, { cache: false })).exitCode, 5, what);
    const stdin = Readable.from(['x']);
    const child = spawnAnywhere(wasm, { cache: false, stdin });
    assert.equal((await child.result).exitCode, 5, what);
    for (const options of [{ engine: 'wasmtime' }, { limits: { fuel: 1e6 } }]) {
      await assert.rejects(runAnywhere(wasm, { cache: false, ...options }), {
        code: 'ERR_WASI_PROGRAM',
      });
    }
  }
  // Where neither can, wasmtime says why.
  const component = Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0);
  await assert.rejects(runAnywhere(component, { cache: false }), {
    code: 'ERR_WASI_PROGRAM',
    message: /is a WebAssembly component/,
  });
  const limits = { memory: 65536 };
  await assert.rejects(runAnywhere(cat(), { cache: false, limits }), {
    code: 'ERR_WASI_PROGRAM',
    message: /can't be started/,
  });
});

test('without a limit a program gets 4 GiB, also one with addresses of 64 bits', async () => {
  // Its memory is never touched.
  const grow = program(
    `(call $proc_exit (i32.add
      (i32.wrap_i64 (memory.grow (i64.const 65536)))
      (i32.wrap_i64 (memory.grow (i64.const 65535)))))`,
    { memory: '(memory i64 1)' },
  );
  assert.equal((await run(grow)).exitCode, -1 + 1);
});

test('the stack is limited', async () => {
  const deep = program('(call $deep (i32.const 1000))', {
    items: `(func $deep (param i32) (if (local.get 0) (then
      (call $deep (i32.sub (local.get 0) (i32.const 1))))))`,
  });
  assert.equal((await run(deep)).exitCode, 0);
  await assert.rejects(run(deep, { limits: { stack: 8192 } }), { code: 'ERR_WASI_TRAP' });
});

test('a compiled program runs, also from its machine code', async () => {
  const compiled = await compile(cat(), { cache: false });
  const again = await deserialize(await compiled.serialize());
  for (const one of [compiled, again]) {
    assert.equal(String((await one.run({ input: 'here' })).stdout), 'here');
    const child = one.spawn();
    child.stdin.end('there');
    assert.equal(String(await child.stdout.toArray()), 'there');
  }
  const limited = compiled.run({ input: 'x', limits: { fuel: 1 } });
  await assert.rejects(limited, { code: 'ERR_WASI_FUEL' });
  const code = await compiled.serialize();
  await assert.rejects(deserialize(code.subarray(0, 100)), { code: 'ERR_WASI_PROGRAM' });
  await assert.rejects(deserialize(cat()), { code: 'ERR_WASI_PROGRAM' });
  await assert.rejects(deserialize('x'), { code: 'ERR_INVALID_ARG_TYPE' });
  await assert.rejects(compile(Buffer.from('x'), { cache: false }), { code: 'ERR_WASI_PROGRAM' });
  await assert.rejects(compile(cat(), { cache: 5 }), { code: 'ERR_INVALID_ARG_TYPE' });
});

// Both V8 and wasmtime handle SIGSEGV, and each must leave the other its own.
const OUTSIDE = assemble(`(module (memory 1) (func (export "read") (param i32) (result i32)
  (i32.load (local.get 0))))`);

/** Has V8 trap, a few times. */
function trapInV8() {
  const { read } = new WebAssembly.Instance(new WebAssembly.Module(OUTSIDE)).exports;
  for (let i = 0; i < 10; i++) assert.throws(() => read(-4), WebAssembly.RuntimeError);
  assert.equal(read(0), 0);
}

test('V8’s traps and wasmtime’s are each their own', async () => {
  trapInV8();
  const trap = program('(drop (i32.load (i32.const -4)))');
  for (let i = 0; i < 5; i++) {
    const trapping = Promise.allSettled([run(trap), run(trap)]);
    trapInV8();
    for (const { reason } of await trapping) assert.match(reason.message, /out of bounds/);
    trapInV8();
  }
});

test('... in workers too, whoever comes first', async () => {
  for (const first of ['v8', 'wasmtime']) {
    const worker = new Worker(
      `const { workerData: { index, outside, trap, first } } = require('node:worker_threads');
      const { run } = require(index);
      const { read } = new WebAssembly.Instance(new WebAssembly.Module(outside)).exports;
      const inV8 = () => { try { read(-4); } catch (error) { return error.message; } };
      const inWasmtime = () => run(trap, { engine: 'wasmtime', cache: false }).catch(({ message }) => message);
      (async () => {
        const messages = [];
        if (first === 'v8') messages.push(inV8());
        for (let i = 0; i < 3; i++) messages.push(await inWasmtime(), inV8());
        require('node:worker_threads').parentPort.postMessage(messages);
      })();`,
      {
        eval: true,
        workerData: {
          index,
          outside: OUTSIDE,
          trap: program('(drop (i32.load (i32.const -4)))'),
          first,
        },
      },
    );
    const exit = once(worker, 'exit');
    const [messages] = await once(worker, 'message');
    await exit;
    assert.equal(messages.length, first === 'v8' ? 7 : 6);
    assert.ok(
      messages.every((message) => /out of bounds/.test(message)),
      messages.join(),
    );
    trapInV8();
  }
});

/** A script that starts one guest of each kind and then does something. */
const busy = (then) => `
  const { run } = require(${JSON.stringify(index)});
  const guests = ${JSON.stringify(
    [after('.', SPIN), after('.', SLEEP), after('.', READ)].map((wasm) =>
      Buffer.from(wasm).toString('base64'),
    ),
  )};
  const { PassThrough } = require('node:stream');
  let begun = 0;
  for (const guest of guests) {
    const stdout = () => { if (++begun === guests.length) then(); };
    run(Buffer.from(guest, 'base64'), { engine: 'wasmtime', cache: false, stdin: new PassThrough(), stdout })
      .catch(() => {});
  }
  function then() { ${then} }`;

test('the process ends while guests run', async () => {
  const ends = {
    'process.exit(7)': 7,
    'process.reallyExit(8)': 8,
    'setImmediate(() => { throw 1 })': 1,
    'process.kill(process.pid, "SIGTERM")': 'SIGTERM',
  };
  for (const [then, expected] of Object.entries(ends)) {
    for (let i = 0; i < 3; i++) {
      const child = spawnProcess(process.execPath, ['-e', busy(then)], { stdio: 'ignore' });
      const [code, signal] = await once(child, 'exit');
      assert.equal(code ?? signal, expected, then);
    }
  }
});

test('a worker ends while its guests run', async () => {
  for (const then of [
    '',
    'process.exit(5)',
    'setImmediate(() => { throw new Error("on purpose") })',
  ]) {
    for (let i = 0; i < 3; i++) {
      const script = busy(`require('node:worker_threads').parentPort.postMessage(0); ${then}`);
      const worker = new Worker(script, { eval: true });
      const ended = new Promise((resolve) => worker.on('exit', resolve));
      worker.on('error', (error) => assert.match(error.message, /on purpose/));
      if (then === '') {
        await once(worker, 'message');
        await worker.terminate();
      }
      await ended;
    }
  }
  assert.equal(String((await run(cat(), { input: 'still here' })).stdout), 'still here');
});

test('the addon is loaded once more, as jest does, while guests run', async () => {
  const require = createRequire(import.meta.url);
  const forget = () => {
    const ours = (file) => file.startsWith(path.dirname(index)) && !file.includes('node_modules');
    Object.keys(require.cache)
      .filter(ours)
      .forEach((file) => delete require.cache[file]);
  };
  const running = [];
  const controller = new AbortController();
  // Fewer than run at a time.
  for (let i = 0; i < 3; i++) {
    forget();
    const fresh = require(index);
    assert.notEqual(fresh.run, runAnywhere);
    const options = { engine: 'wasmtime', cache: false, signal: controller.signal };
    running.push(fresh.run(program(SPIN), options));
    const { stdout } = await fresh.run(cat(), { ...options, input: String(i) });
    assert.equal(String(stdout), String(i));
  }
  controller.abort();
  for (const { reason } of await Promise.allSettled(running))
    assert.equal(reason.code, 'ABORT_ERR');
});

test('threads that never come back are no others’ loss', async () => {
  // More than the pool has. They stay as long as the process, so it is not this one.
  const { code, stdout, stderr } = await runNode([
    '-e',
    `const { run } = require(${JSON.stringify(index)});
    const of = (text) => Buffer.from(text, 'base64');
    const waits = of(${JSON.stringify(Buffer.from(after('.', WAIT, SHARED)).toString('base64'))});
    const ends = of(${JSON.stringify(Buffer.from(exits(7)).toString('base64'))});
    const options = { engine: 'wasmtime', cache: false };
    const kill = async () => {
      const controller = new AbortController();
      const stdout = () => controller.abort();
      await run(waits, { ...options, stdout, signal: controller.signal }).catch(() => {});
    };
    (async () => {
      for (let i = 0; i < 10; i++) await Promise.all(Array.from({ length: 60 }, kill));
      console.log((await run(ends, options)).exitCode);
    })();`,
  ]);
  assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: '7\n', stderr: '' });
});

test('a process with nothing left to do ends', () => {
  const script = `
    const { run, compile } = require(${JSON.stringify(index)});
    const wasm = Buffer.from(${JSON.stringify(Buffer.from(cat()).toString('base64'))}, 'base64');
    run(wasm, { engine: 'wasmtime', cache: false, input: 'a' }).then(async ({ stdout }) => {
      const program = await compile(wasm, { cache: false });
      process.stdout.write(stdout + (await program.run({ input: 'b' })).stdout);
    });`;
  assert.equal(execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' }), 'ab');
});

test('under the permission model it takes --allow-wasi, and Node reads the program', () => {
  const file = path.join(folder, 'cat.wasm');
  fs.writeFileSync(file, cat());
  const script = `
    require(${JSON.stringify(index)})
      .run(${JSON.stringify(file)}, { input: 'in', engine: 'wasmtime' })
      .then(({ stdout }) => console.log(String(stdout)), ({ code }) => console.log(code));`;
  const flag = process.allowedNodeEnvironmentFlags.has('--permission')
    ? '--permission'
    : '--experimental-permission';
  const root = path.dirname(index);
  const go = (...flags) => {
    const args = [
      '--no-warnings',
      flag,
      `--allow-fs-read=${root}`,
      '--allow-addons',
      ...flags,
      '-e',
      script,
    ];
    return execFileSync(process.execPath, args, { encoding: 'utf8' }).trim();
  };
  assert.equal(go(), 'ERR_ACCESS_DENIED');
  assert.equal(go('--allow-wasi'), 'ERR_ACCESS_DENIED', 'the file may not be read');
  assert.equal(go('--allow-wasi', `--allow-fs-read=${folder}`), 'in');
});

test('from its start on a guest’s descriptors are its own: closing the host’s does not hurt', async () => {
  const file = path.join(folder, 'own');
  const fd = fs.openSync(file, 'w');
  const child = makeSpawn('wasmtime')(cat(), { stdout: fd });
  await once(child, 'spawn');
  fs.closeSync(fd);
  child.stdin.end('afterwards');
  await child.result;
  assert.equal(fs.readFileSync(file, 'utf8'), 'afterwards');
});
