// run(): a program off the event loop, in each engine: what it is given, and what comes back.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { after as afterAll, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { compile, deserialize } from '../../index.js';
import { forEachEngine, makeRun } from '../support/engine.mjs';
import { temporaryFolder } from '../support/host.mjs';
import {
  SPIN,
  cat,
  creates,
  exits,
  program,
  reflect,
  reflectWithFile,
  tee,
  writes,
} from '../support/programs.mjs';

const folder = temporaryFolder({ after: afterAll });
const CAT = cat();
const HELLO = program(writes('hello\n').body, writes('hello\n'));

forEachEngine(({ engine, run }) => {
  describe(`run() in ${engine}`, () => {
    test('gives exit code, output and what was used', async () => {
      const { exitCode, stdout, stderr, usage } = await run(HELLO);
      assert.equal(exitCode, 0);
      assert.equal(String(stdout), 'hello\n');
      assert.equal(stderr.length, 0);
      assert.deepEqual(
        [usage.calls, usage.read, usage.written, usage.memory],
        [1, 0, 6, 2 * 65536],
      );
      assert.ok(usage.wall > 0 && usage.cpu > 0);
      assert.equal((await run(cat(2), { input: 'to stderr' })).stderr.toString(), 'to stderr');
    });

    test('a guest runs: input, both outputs, exit code', async () => {
      const input = Buffer.from('some bytes, '.repeat(30_000));
      const echoed = await run(tee(), { input });
      assert.equal(echoed.exitCode, 0);
      assert.deepEqual(echoed.stdout, input);
      assert.deepEqual(echoed.stderr, input);
      const exited = await run(exits(7), { stdin: 0, stdout: 1 });
      assert.equal(exited.exitCode, 7);
      assert.equal(exited.stdout, null, 'what is not captured is not there');
      assert.deepEqual(exited.stderr, Buffer.alloc(0));
    });

    test('the exit code is a signed 32-bit integer, as in the class', async () => {
      for (const code of [0, 1, 255, 256, -1]) {
        assert.equal((await run(exits(code))).exitCode, code);
      }
    });

    test('takes a path, a URL, bytes of all kinds', async () => {
      const file = path.join(folder, 'hello.wasm');
      fs.writeFileSync(file, HELLO);
      const buffer = HELLO.buffer.slice(HELLO.byteOffset, HELLO.byteOffset + HELLO.length);
      const views = [new DataView(buffer), Buffer.from(HELLO), buffer];
      for (const source of [file, path.relative('', file), pathToFileURL(file), HELLO, ...views]) {
        assert.equal(String((await run(source)).stdout), 'hello\n');
      }
    });

    test('arguments, environment and directories are the class’s', async () => {
      const options = { args: ['a', 1, 'ž'], env: { K: 'v', N: 2, none: undefined } };
      const { stdout } = await run(reflect(), options);
      assert.equal(String(stdout), 'program.wasm\x00a\x001\x00ž\x00K=v\x00N=2\x00');
      const { exitCode } = await run(creates(), { preopens: { '/': folder } });
      assert.equal(exitCode, 0);
      assert.equal(fs.readFileSync(path.join(folder, 'made'), 'utf8'), 'made');
      await assert.rejects(run(creates(), { preopens: { '/': `${folder}/none` } }), {
        code: 'UVWASI_ENOENT',
        message: /uvwasi_init: can't open '.*none' for the preopen '\/'/,
      });
    });

    test('arguments, environment and preopens arrive', async () => {
      fs.writeFileSync(path.join(folder, 'file'), 'found');
      const { stdout } = await run(reflectWithFile(), {
        argv0: 'app',
        args: ['ž', ''],
        env: { A: 'b=c', EMPTY: '' },
        preopens: { '/': folder },
      });
      assert.equal(stdout.toString(), 'app\0ž\0\0A=b=c\0EMPTY=\0found');
    });

    test('the edition of WASI is found out', async () => {
      const { body, items } = writes('old\n');
      const { stdout } = await run(program(body, { items, namespace: 'wasi_unstable' }));
      assert.equal(String(stdout), 'old\n');
    });

    test('usage', async () => {
      const { usage } = await run(tee(), { input: Buffer.alloc(150_000) });
      const { queued, compiled, wall, cpu, ...counted } = usage;
      // Three full reads, one that finds the end; after each that found something two writes.
      assert.deepEqual(counted, {
        memory: 65536,
        calls: 4 + 2 * 3,
        read: 150_000,
        written: 300_000,
      });
      assert.ok(queued > 0 && compiled > 0 && wall > 0 && cpu > 0);
    });

    test('the event loop is free meanwhile', async () => {
      const controller = new AbortController();
      const { signal } = controller;
      const spinning = Array.from({ length: 8 }, () => run(program(SPIN), { signal }));
      // Each of these needs the event loop, and the threads that work for it.
      for (let i = 0; i < 20; i++) await fs.promises.stat(folder);
      controller.abort();
      const ends = await Promise.allSettled(spinning);
      assert.ok(ends.every(({ reason }) => reason.code === 'ABORT_ERR'));
    });

    test('programs that calculate for ever leave others their turn', async () => {
      const controller = new AbortController();
      const { signal } = controller;
      const spin = () => run(program(SPIN), { signal });
      const spinning = Array.from({ length: 1 + Math.max(4, os.availableParallelism()) }, spin);
      const others = await Promise.all([0, 1, 2].map((code) => run(exits(code))));
      others.forEach(({ exitCode }, code) => assert.equal(exitCode, code));
      controller.abort();
      await Promise.allSettled(spinning);
    });

    test('many at once all end', async () => {
      const all = Array.from({ length: 200 }, (_, i) => run(CAT, { input: `number ${i}` }));
      const outputs = (await Promise.all(all)).map(({ stdout }) => String(stdout));
      assert.deepEqual(
        outputs,
        outputs.map((_, i) => `number ${i}`),
      );
    });
  });
});

test('options are checked, in Node’s words', async () => {
  const run = makeRun('wasmtime');
  const type = (name, expected) => ({
    name: 'TypeError',
    code: 'ERR_INVALID_ARG_TYPE',
    message: new RegExp(`^The "${name}" (property|argument) must be ${expected}. Received `),
  });
  const cases = [
    [{ args: 'x' }, type('options.args', 'an instance of Array')],
    [{ argv0: 1 }, type('options.argv0', 'of type string')],
    [{ env: 1 }, type('options.env', 'of type object')],
    [{ preopens: [] }, type('options.preopens', 'of type object')],
    [{ limits: null }, type('options.limits', 'of type object')],
    [{ timeout: '5' }, type('options.timeout', 'of type number')],
    [{ signal: {} }, type('options.signal', 'an instance of AbortSignal')],
    [{ stdin: true }, type('options.stdin', 'one of .*')],
    [{ stdout: {} }, type('options.stdout', 'one of .*')],
    [{ stderr: null }, type('options.stderr', 'one of .*')],
    [{ cache: 5 }, type('options.cache', 'one of type boolean or string or an instance of URL')],
    [{ engine: 5 }, type('options.engine', 'of type string')],
    [{ limits: { fuel: 1n } }, type('options.limits.fuel', 'of type number')],
    [
      { engine: 'jsc' },
      {
        code: 'ERR_INVALID_ARG_VALUE',
        message: /must be one of: 'auto', 'wasmtime', 'v8'. Received 'jsc'$/,
      },
    ],
    [{ version: 'preview2' }, { code: 'ERR_INVALID_ARG_VALUE', message: /'options.version'/ }],
    [{ stdout: 'else' }, { code: 'ERR_INVALID_ARG_VALUE', message: /'options.stdout'/ }],
    [{ timeout: -1 }, { code: 'ERR_OUT_OF_RANGE', message: /"options.timeout" .* Received -1$/ }],
    [{ timeout: 1.5 }, { code: 'ERR_OUT_OF_RANGE', message: /an integer/ }],
    [{ limits: { memory: -1 } }, { code: 'ERR_OUT_OF_RANGE', message: /"options.limits.memory"/ }],
    [{ limits: { stack: 1e9 } }, { code: 'ERR_OUT_OF_RANGE', message: /Received 1000000000$/ }],
    [{ stdin: -1 }, { code: 'ERR_OUT_OF_RANGE', message: /"options.stdin"/ }],
    [
      { limits: { size: 5 } },
      {
        code: 'ERR_INVALID_ARG_VALUE',
        message: /^The property 'options.limits.size' is not known: .* 'memory', .*Received 5$/,
      },
    ],
  ];
  for (const [options, expected] of cases) await assert.rejects(run(HELLO, options), expected);
  await assert.rejects(run(HELLO, null), type('options', 'of type object'));
  for (const source of [undefined, null, 5, {}]) {
    await assert.rejects(run(source), type('source', '.*URL.*'));
  }
  await assert.rejects(run(HELLO, { stdin: 999 }), {
    code: 'UVWASI_EBADF',
    message: /descriptor 999 of options.stdin/,
  });
});

test('a program has a name before its arguments, also without any', async () => {
  const run = makeRun('wasmtime');
  const file = path.join(folder, 'some name.wasm');
  fs.writeFileSync(file, reflect());
  const compiled = await compile(file, { cache: false });
  const code = await deserialize(await compiled.serialize());
  const cases = [
    [() => run(file), 'some name.wasm\0'],
    [() => run(path.relative('', file), { args: [] }), 'some name.wasm\0'],
    [() => run(pathToFileURL(file), { args: ['--version'] }), 'some name.wasm\0--version\0'],
    [() => run(file, { argv0: '/bin/app', args: ['x'] }), '/bin/app\0x\0'],
    [() => run(file, { argv0: undefined }), 'some name.wasm\0'],
    [() => run(reflect()), 'program.wasm\0'],
    [() => compiled.run({ args: ['x'] }), 'some name.wasm\0x\0'],
    [() => code.run({ args: ['x'] }), 'program.wasm\0x\0'],
    [() => code.run({ argv0: 'named' }), 'named\0'],
  ];
  for (const [go, expected] of cases) assert.equal(String((await go()).stdout), expected);
  const child = compiled.spawn({ argv0: 'spawned', args: ['a'] });
  assert.equal(await text(child.stdout), 'spawned\0a\0');
});
