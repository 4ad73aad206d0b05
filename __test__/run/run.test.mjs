// run(): a program off the event loop, in each engine.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { PassThrough, Readable, Writable } from 'node:stream';
import { after as afterAll, describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { forEachEngine, makeRun } from '../support/engine.mjs';
import { assemble } from '../support/wat.mjs';
import {
  BIG,
  FILL,
  READ,
  SHARED,
  SLEEP,
  SPIN,
  WAIT,
  WRITE_FOR_EVER,
  after,
  cat,
  creates,
  exits,
  program,
  reflect,
  writes,
} from '../support/programs.mjs';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'wasi-rs-run-'));
afterAll(() => fs.rmSync(folder, { recursive: true }));

const CAT = cat();
const HELLO = program(writes('hello\n').body, writes('hello\n'));

const openDescriptors = () => fs.readdirSync('/proc/self/fd').length;

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
      assert.equal(String(stdout), 'a\x001\x00ž\x00K=v\x00N=2\x00');
      const { exitCode } = await run(creates(), { preopens: { '/': folder } });
      assert.equal(exitCode, 0);
      assert.equal(fs.readFileSync(path.join(folder, 'made'), 'utf8'), 'made');
      await assert.rejects(run(creates(), { preopens: { '/': `${folder}/none` } }), {
        code: 'UVWASI_ENOENT',
        message: /uvwasi_init: can't open '.*none' for the preopen '\/'/,
      });
    });

    test('the edition of WASI is found out', async () => {
      const { body, items } = writes('old\n');
      const { stdout } = await run(program(body, { items, namespace: 'wasi_unstable' }));
      assert.equal(String(stdout), 'old\n');
    });

    test('stdin: bytes, a descriptor, a function, streams', async () => {
      const file = path.join(folder, 'input');
      fs.writeFileSync(file, 'from a file');
      const fd = fs.openSync(file);
      const pieces = [Buffer.from('from '), Buffer.from('a function'), null];
      async function* generate() {
        yield 'from a ';
        await turn();
        yield Buffer.from('generator');
      }
      const cases = [
        [Buffer.from('from bytes'), 'from bytes'],
        [fd, 'from a file'],
        ['ignore', ''],
        [undefined, ''],
        [() => pieces.shift(), 'from a function'],
        [Readable.from(['from ', 'a stream']), 'from a stream'],
        [fs.createReadStream(file), 'from a file'],
        [generate(), 'from a generator'],
      ];
      for (const [stdin, expected] of cases) {
        assert.equal(String((await run(CAT, { stdin })).stdout), expected);
      }
      fs.closeSync(fd);
    });

    test('stdout: a descriptor, a function, a Writable that makes it wait', async () => {
      const file = path.join(folder, 'output');
      const fd = fs.openSync(file, 'w');
      assert.equal((await run(CAT, { input: 'to a file', stdout: fd })).stdout, null);
      fs.closeSync(fd);
      assert.equal(fs.readFileSync(file, 'utf8'), 'to a file');
      assert.equal((await run(CAT, { input: 'lost', stdout: 'ignore' })).stdout, null);

      const input = Buffer.alloc(3_000_000, 'abcdefghijk');
      const chunks = [];
      await run(CAT, { stdin: input, stdout: (chunk) => void chunks.push(chunk) });
      assert.ok(Buffer.concat(chunks).equals(input));

      chunks.length = 0;
      const slow = new Writable({
        highWaterMark: 1,
        write(chunk, _, done) {
          chunks.push(chunk);
          setImmediate(done);
        },
      });
      await run(CAT, { stdin: Readable.from([input]), stdout: slow });
      slow.end();
      await once(slow, 'finish');
      assert.ok(Buffer.concat(chunks).equals(input));
    });

    test('a Writable holds no more than it wants to', async () => {
      let most = 0;
      const slow = new Writable({
        highWaterMark: 1000,
        write(_chunk, _, done) {
          most = Math.max(most, slow.writableLength);
          setImmediate(done);
        },
      });
      await run(CAT, { stdin: Buffer.alloc(5_000_000), stdout: slow });
      assert.ok(most <= 2 * 65536, `${most} bytes`);
    });

    test('what a function or a stream throws comes out, and ends the program', async () => {
      const mine = new Error('mine');
      const fails = () => {
        throw mine;
      };
      const endless = program(WRITE_FOR_EVER);
      await assert.rejects(run(endless, { stdout: fails }), mine);
      await assert.rejects(run(CAT, { stdin: fails }), mine);
      const failing = new Readable({ read: () => failing.destroy(mine) });
      await assert.rejects(run(CAT, { stdin: failing }), mine);
      const broken = new Writable({ write: (_chunk, _, done) => done(mine) });
      await assert.rejects(run(endless, { stdout: broken }), mine);
      await assert.rejects(run(CAT, { stdin: () => 5 }), { code: 'ERR_INVALID_RETURN_VALUE' });
    });

    test('a program need not read to the end', async () => {
      let returned = false;
      async function* endless() {
        try {
          for (;;) yield Buffer.alloc(100_000);
        } finally {
          returned = true;
        }
      }
      assert.equal((await run(exits(3), { stdin: endless() })).exitCode, 3);
      await turn();
      assert.ok(returned);
      const source = new Readable({ read() {} });
      assert.equal((await run(exits(4), { stdin: source })).exitCode, 4);
      assert.ok(source.destroyed);
    });

    const ENDLESS = {
      'a loop': [after('.', SPIN)],
      'memory.fill over its memory': [after('.', FILL, BIG)],
      'memory.atomic.wait32': [after('.', WAIT, SHARED)],
      poll_oneoff: [after('.', SLEEP)],
      'a read from a pipe': [after('.', READ), { stdin: new PassThrough() }],
      'a write to a full pipe': [after('.', WRITE_FOR_EVER)],
      'calls without end': [after('.', '(loop $l (drop (call $sched_yield)) (br $l))')],
    };

    for (const [name, [wasm, options]] of Object.entries(ENDLESS)) {
      test(`${name} is ended by a signal, and all is closed`, async () => {
        const before = openDescriptors();
        const controller = new AbortController();
        const reason = new Error('enough');
        // The first byte says that it is at it; from then on nobody reads.
        const stdout = new Writable({ highWaterMark: 1, write: () => controller.abort(reason) });
        const running = run(wasm, { ...options, stdout, signal: controller.signal });
        await assert.rejects(running, (error) => {
          assert.deepEqual(
            [error.name, error.code, error.cause],
            ['AbortError', 'ABORT_ERR', reason],
          );
          assert.ok(error.usage.wall > 0);
          return true;
        });
        if (engine === 'wasmtime') await untilClosed(before);
      });
    }

    test('timeout', async () => {
      // On a busy machine it may not have begun by then.
      let error = { stdout: '' };
      for (let timeout = 100; String(error.stdout) === '' && timeout < 60_000; timeout *= 4) {
        error = await run(after('so far', SPIN), { timeout }).catch((reason) => reason);
        assert.equal(error.code, 'ERR_WASI_TIMEOUT');
        assert.match(error.message, new RegExp(`${timeout} ms`));
      }
      assert.equal(String(error.stdout), 'so far');
      assert.equal(error.usage.written, 6);
      assert.equal((await run(HELLO, { timeout: 2 ** 31 - 1 })).exitCode, 0);
    });

    test('a signal that has been given already', async () => {
      const made = path.join(folder, 'made');
      fs.rmSync(made, { force: true });
      const options = { signal: AbortSignal.abort('why'), preopens: { '/': folder } };
      await assert.rejects(run(creates(), options), { code: 'ABORT_ERR', cause: 'why' });
      assert.ok(!fs.existsSync(made), 'it never ran');
    });

    test('limits: memory, tables, output, files', async () => {
      const grow = program('(call $proc_exit (memory.grow (i32.const 3)))');
      assert.equal((await run(grow, { limits: { memory: 5 * 65536 } })).exitCode, 2);
      assert.equal((await run(grow, { limits: { memory: 5 * 65536 - 1 } })).exitCode, -1);
      await assert.rejects(run(after('abcdef', SPIN), { limits: { stdout: 4 } }), (error) => {
        assert.ok(error instanceof RangeError);
        assert.equal(error.code, 'ERR_WASI_STDIO_MAXBUFFER');
        assert.equal(String(error.stdout), 'abcd');
        return true;
      });
      const EMFILE = 33;
      const create = (openFiles) =>
        run(creates(), { preopens: { '/': folder }, limits: { openFiles } });
      assert.equal((await create(4)).exitCode, EMFILE);
      assert.equal((await create(5)).exitCode, 0);
    });

    test('the limit holds for a shared memory, imported or not', async () => {
      const grow = `(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
        (call $proc_exit (memory.size))`;
      for (const memory of [
        '(memory (export "memory") 2 100 shared)',
        '(import "env" "memory" (memory 2 100 shared)) (export "memory" (memory 0))',
      ]) {
        const wasm = program(grow, { memory });
        const limited = await run(wasm, { limits: { memory: 5 * 65536 } });
        assert.deepEqual([limited.exitCode, limited.usage.memory], [5, 5 * 65536], memory);
        assert.equal((await run(wasm)).exitCode, 100, memory);
        await assert.rejects(run(wasm, { limits: { memory: 65536 } }), {
          code: 'ERR_WASI_PROGRAM',
          message: /limits\.memory/,
        });
      }
    });

    test('what a killed program has used', async () => {
      await assert.rejects(run(after('.', FILL, BIG), { timeout: 300 }), ({ code, usage }) => {
        assert.equal(code, 'ERR_WASI_TIMEOUT');
        assert.ok(usage.cpu > 0 && usage.wall > 0, JSON.stringify(usage));
        assert.deepEqual([usage.memory, usage.calls, usage.written], [1000 * 65536, 1, 1]);
        return true;
      });
    });

    test('programs that calculate for ever leave others their turn', async () => {
      const controller = new AbortController();
      const { signal } = controller;
      const spin = () => run(program(SPIN), { signal });
      const spinning = Array.from({ length: 1 + Math.max(4, os.availableParallelism()) }, spin);
      for (let i = 0; i < 3; i++) assert.equal((await run(exits(i))).exitCode, i);
      controller.abort();
      await Promise.allSettled(spinning);
    });

    test('a trap tells where', async () => {
      const wasm = program('(call $inner)', {
        items: '(func $inner (call $deepest)) (func $deepest unreachable)',
      });
      const named = nameFunctions(wasm);
      await assert.rejects(run(named), (error) => {
        assert.equal(error.code, 'ERR_WASI_TRAP');
        assert.match(error.message, /^wasm trap: .*unreachable/);
        assert.match(error.message, /deepest[^]*inner[^]*main/);
        return true;
      });
      const deep = program('(call $deep)', { items: '(func $deep (call $deep))' });
      await assert.rejects(run(deep), { code: 'ERR_WASI_TRAP', message: /stack/ });
      const outside = program('(drop (i32.load (i32.const -4)))');
      await assert.rejects(run(outside), { code: 'ERR_WASI_TRAP', message: /out of bounds/ });
    });

    test('what can’t be run says why', async () => {
      const imports = assemble('(module (import "env" "f" (func)) (func (export "_start")))');
      await assert.rejects(run(imports), {
        code: 'ERR_WASI_IMPORT',
        message:
          'the program imports what WASI preview 1 does not have: env.f (function); build it for wasm32-wasip1',
      });
      await assert.rejects(run(path.join(folder, 'none.wasm')), { code: 'ENOENT' });
      for (const bytes of [[], [0, 97, 115, 109], [35, 33]]) {
        await assert.rejects(run(Uint8Array.from(bytes)), { code: 'ERR_WASI_PROGRAM' });
      }
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

/** Descriptors are closed by other threads, and by Node in its own time. */
async function untilClosed(before) {
  while (openDescriptors() > before) await turn();
}

/** The same module with the names of its functions. */
function nameFunctions(wasm) {
  const names = ['main', 'inner', 'deepest'];
  const imports = 0;
  const entries = ['inner', 'deepest', 'main'].map((name, index) => [
    imports + index,
    name.length,
    ...Buffer.from(name),
  ]);
  const map = [names.length, ...entries.flat()];
  const content = [4, ...Buffer.from('name'), 1, map.length, ...map];
  return Buffer.concat([wasm, Buffer.from([0, content.length, ...content])]);
}

test('options are checked, in Node’s words', async () => {
  const run = makeRun('wasmtime');
  const type = (name, expected) => ({
    name: 'TypeError',
    code: 'ERR_INVALID_ARG_TYPE',
    message: new RegExp(`^The "${name}" (property|argument) must be ${expected}. Received `),
  });
  const cases = [
    [{ args: 'x' }, type('options.args', 'an instance of Array')],
    [{ env: 1 }, type('options.env', 'of type object')],
    [{ preopens: [] }, type('options.preopens', 'of type object')],
    [{ limits: null }, type('options.limits', 'of type object')],
    [{ timeout: '5' }, type('options.timeout', 'of type number')],
    [{ signal: {} }, type('options.signal', 'an instance of AbortSignal')],
    [{ stdin: true }, type('options.stdin', 'one of .*')],
    [{ stdout: {} }, type('options.stdout', 'one of .*')],
    [{ stderr: null }, type('options.stderr', 'one of .*')],
    [{ cache: 5 }, type('options.cache', 'one of type boolean or string')],
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
      { limits: { stdout: 1, mem: 5 } },
      {
        code: 'ERR_INVALID_ARG_VALUE',
        message: /^The property 'options.limits.mem' is not known: .* 'memory', .*Received 5$/,
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
