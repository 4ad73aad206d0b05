// Errors of programs are of one class, say how the program has ended, and where it was asked for.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import path from 'node:path';
import { after as afterAll, describe, test } from 'node:test';
import { inspect } from 'node:util';
import * as named from '../../index.js';
import { Runner, WasiError, compile, deserialize, run as plainRun } from '../../index.js';
import { forEachEngine } from '../support/engine.mjs';
import { temporaryFolder } from '../support/host.mjs';
import { SPIN, WRITE_FOR_EVER, after, cat, exits, program } from '../support/programs.mjs';

const folder = temporaryFolder({ after: afterAll });

/** The fields of an error that is none of these. */
const NONE = {
  timedOut: false,
  isCanceled: false,
  isMaxBuffer: false,
  isTerminated: false,
  exitCode: undefined,
  signal: undefined,
};
const ABORTED = { signal: 'SIGABRT', isTerminated: true };
const KILLED = 'ERR_WASI_KILLED';
const TERMINATED = { signal: 'SIGTERM', isTerminated: true };

/** The error of a promise that rejects. */
async function errorOf(promise) {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error) => ({ error }),
  );
  assert.ok('error' in outcome, 'it is fulfilled');
  return outcome.error;
}

test('the class is exported, and has its name', () => {
  const required = createRequire(import.meta.url)('../../index.js');
  assert.equal(required.WasiError, WasiError);
  assert.ok('WasiError' in named);
  assert.equal(WasiError.prototype.name, 'WasiError');
  assert.ok(WasiError.prototype instanceof Error);
});

test('one that nobody catches shows its fields and no code of this package', () => {
  const index = JSON.stringify(new URL('../../index.js', import.meta.url).href);
  const script = `import { run } from ${index}; await run(Buffer.from('text'));`;
  const { stderr, status } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', script],
    { encoding: 'utf8' },
  );
  assert.equal(status, 1);
  assert.match(stderr, /WasiError: the program is not a WebAssembly module: /);
  assert.match(stderr, /code: 'ERR_WASI_PROGRAM'/);
  assert.doesNotMatch(stderr, /requests\.js|lib.errors\.js|: undefined/);
});

forEachEngine(({ engine, run, spawn }) => {
  describe(`WasiError of ${engine}`, () => {
    const aborted = new AbortController();
    const abort = () => aborted.abort(new Error('why'));
    const throwing = () => {
      throw new Error('mine');
    };
    const ENDS = {
      'a trap': [after('.', 'unreachable'), {}, 'ERR_WASI_TRAP', ABORTED],
      'a timeout': [
        after('.', SPIN),
        { timeout: 300 },
        'ERR_WASI_TIMEOUT',
        { timedOut: true, ...TERMINATED },
      ],
      'too much output': [
        program(WRITE_FOR_EVER),
        { maxBuffer: 10 },
        'ERR_WASI_STDIO_MAXBUFFER',
        { isMaxBuffer: true, ...ABORTED },
      ],
      'an abort': [
        after('.', SPIN),
        { stdout: abort, signal: aborted.signal },
        'ABORT_ERR',
        { isCanceled: true, ...TERMINATED },
      ],
      'a signal that was given before': [
        cat(),
        { signal: AbortSignal.abort() },
        'ABORT_ERR',
        { isCanceled: true, ...TERMINATED },
      ],
      'a function that fails': [
        after('.', SPIN),
        { stdout: throwing },
        'ERR_WASI_STREAM',
        TERMINATED,
      ],
      'an exit code': [exits(3), { check: true }, 'ERR_WASI_EXIT', { exitCode: 3 }],
      'no program': [Buffer.from('text'), {}, 'ERR_WASI_PROGRAM', {}],
      'no file': [path.join(folder, 'none'), {}, 'ENOENT', {}],
      'no directory': [cat(), { preopens: { '/': '/none' } }, 'UVWASI_ENOENT', {}],
      'no descriptor': [cat(), { stdin: 9999 }, 'UVWASI_EBADF', {}],
    };
    for (const [what, [wasm, options, code, fields]] of Object.entries(ENDS)) {
      test(`${what}`, async () => {
        const error = await errorOf(run(wasm, options));
        assert.ok(error instanceof WasiError, inspect(error));
        const found = Object.fromEntries(Object.keys(NONE).map((name) => [name, error[name]]));
        assert.deepEqual({ code: error.code, ...found }, { code, ...NONE, ...fields });
        assert.equal(error.name, code === 'ABORT_ERR' ? 'AbortError' : 'WasiError');
        assert.ok(error.stack.startsWith(`${error.name}: ${error.message}\n`), error.stack);
        assert.ok(!Object.keys(error).some((key) => ['stack', 'cause', 'name'].includes(key)));
        const { stdout, stderr } = error;
        assert.deepEqual([stdout, stderr].map(Buffer.isBuffer), [!('stdout' in options), true]);
      });
    }

    test('captured output is as the options want it, also of what never began', async () => {
      const aborted = AbortSignal.abort();
      const runner = new Runner({ engine, cache: false, concurrency: 1 });
      const closing = [after('.', SPIN), cat()].map((wasm) => errorOf(runner.run(wasm)));
      await runner.close();
      for (const { code, stdout, stderr } of await Promise.all(closing)) {
        assert.deepEqual([code, ...[stdout, stderr].map(Buffer.isBuffer)], [KILLED, true, true]);
      }
      for (const [wasm, rest] of [
        [cat(), { signal: aborted }],
        [cat(), { preopens: { '/': '/none' } }],
        [cat(), { stdin: 9999 }],
        [path.join(folder, 'none'), {}],
        [Buffer.from('text'), {}],
        [program('unreachable'), {}],
      ]) {
        for (const [options, nothing] of [
          [{}, Buffer.alloc(0)],
          [{ encoding: 'utf8' }, ''],
          [{ lines: true }, []],
        ]) {
          const { stdout, stderr } = await errorOf(run(wasm, { ...rest, ...options }));
          assert.deepEqual([stdout, stderr], [nothing, nothing]);
          const ignored = await errorOf(run(wasm, { ...rest, ...options, stderr: 'ignore' }));
          assert.deepEqual([ignored.stdout, ignored.stderr], [nothing, null]);
        }
      }
      for (const options of [{ signal: aborted }, { preopens: { '/': '/none' } }]) {
        const { stdout, stderr } = await errorOf(spawn(cat(), options).result);
        assert.deepEqual([stdout, stderr], [null, null], 'these are streams');
      }
    });

    test('what is ended before it has begun has a signal, what can not begin has none', async () => {
      const killed = spawn(cat());
      killed.kill('SIGINT');
      const signals = [
        [errorOf(killed.result), 'SIGINT'],
        [errorOf(run(cat(), { signal: AbortSignal.abort() })), 'SIGTERM'],
        [errorOf(run(path.join(folder, 'none'))), undefined],
        [errorOf(run(cat(), { preopens: { '/': '/none' } })), undefined],
      ];
      for (const [failed, expected] of signals) {
        const { signal, isTerminated } = await failed;
        assert.deepEqual([signal, isTerminated], [expected, expected !== undefined]);
      }
    });

    test('fuel', { skip: engine === 'v8' }, async () => {
      const error = await errorOf(run(program(SPIN), { limits: { fuel: 100 } }));
      assert.deepEqual([error.code, error.signal], ['ERR_WASI_FUEL', 'SIGABRT']);
      assert.ok(error instanceof WasiError && error.usage.fuel > 0);
    });

    test('output and usage are with it', async () => {
      const checked = await errorOf(
        run(after('so far', '(call $proc_exit (i32.const 5))'), { check: true }),
      );
      assert.deepEqual([checked.exitCode, String(checked.stdout)], [5, 'so far']);
      assert.equal(checked.usage.written, 6);
      const trapped = await errorOf(run(after('so far', 'unreachable'), { stderr: 'ignore' }));
      assert.deepEqual([String(trapped.stdout), trapped.stderr], ['so far', null]);
      assert.equal(trapped.usage.written, 6);
    });

    test('check is for run() and spawn(), and 0 is no error', async () => {
      assert.equal((await run(exits(0), { check: true })).exitCode, 0);
      for (const code of [1, -1, 256]) {
        const expected = { code: 'ERR_WASI_EXIT', exitCode: code };
        await assert.rejects(run(exits(code), { check: true }), expected);
        await assert.rejects(spawn(exits(code), { check: true }).result, expected);
        assert.equal((await run(exits(code), { check: false })).exitCode, code);
        assert.equal((await run(exits(code))).exitCode, code, 'without check it is fulfilled');
      }
      await assert.rejects(run(exits(0), { check: 1 }), {
        code: 'ERR_INVALID_ARG_TYPE',
        message: /"options.check" property must be of type boolean/,
      });
    });

    test('a file that can’t be read is told as Node tells it', async () => {
      for (const [file, code] of [
        [path.join(folder, 'none.wasm'), 'ENOENT'],
        [folder, 'EISDIR'],
      ]) {
        const theirs = await errorOf(fs.promises.readFile(file));
        const error = await errorOf(run(file));
        assert.equal(error.code, code);
        assert.equal(error.errno, -constants.errno[code]);
        const { errno, syscall } = theirs;
        assert.deepEqual([error.errno, error.syscall, error.path], [errno, syscall, file]);
        const child = await errorOf(spawn(file).result);
        assert.deepEqual([child.errno, child.path], [errno, file]);
      }
    });

    test('the stack has the line of the call', async () => {
      const trap = program('unreachable');
      const file = path.basename(import.meta.filename);
      async function callerOfRun() {
        await plainRun(trap, { engine, cache: false });
      }
      const error = await errorOf(callerOfRun());
      const frames = error.stack.slice(`WasiError: ${error.message}\n`.length).split('\n');
      assert.match(frames[0], new RegExp(`^ +at callerOfRun .*${file}:\\d+:\\d+\\)$`));
      assert.ok(!frames.some((frame) => /wasi-rs.lib|\/lib\//.test(frame)), error.stack);
      function callerOfSpawn() {
        return spawn(trap);
      }
      const spawned = await errorOf(callerOfSpawn().result);
      assert.match(spawned.stack, new RegExp(`at callerOfSpawn .*${file}:`));
    });
  });
});

test('the stack has the line of the call, whoever was called', async () => {
  const trap = program('unreachable');
  const compiled = await compile(trap, { cache: false });
  const calls = {
    'compile()': () => compile('/none.wasm'),
    'deserialize()': () => deserialize(Buffer.from('x')),
    'Program.run()': () => compiled.run(),
    'Program.spawn()': () => compiled.spawn().result,
  };
  for (const [name, call] of Object.entries(calls)) {
    async function caller() {
      await call();
    }
    const { stack } = await errorOf(caller());
    assert.match(stack, /\n +at .*wasi-error\.test\.mjs:\d+:\d+\)?\n/, name);
    assert.ok(!/[\\/]lib[\\/]/.test(stack), stack);
  }
});

test('Error.stackTraceLimit and Error.prepareStackTrace hold', async (t) => {
  const { stackTraceLimit, prepareStackTrace } = Error;
  t.after(() => Object.assign(Error, { stackTraceLimit, prepareStackTrace }));
  const trap = program('unreachable');
  const lines = async () => {
    const { stack, message } = await errorOf(plainRun(trap, { engine: 'wasmtime', cache: false }));
    return stack
      .slice(`WasiError: ${message}`.length)
      .split('\n')
      .filter((line) => line !== '');
  };
  Error.stackTraceLimit = 1;
  assert.equal((await lines()).length, 1);
  Error.stackTraceLimit = 0;
  assert.equal((await lines()).length, 0);
  Error.stackTraceLimit = 10;
  Error.prepareStackTrace = (_, sites) => sites;
  const error = await errorOf(plainRun(trap, { engine: 'wasmtime', cache: false }));
  assert.equal(error.code, 'ERR_WASI_TRAP', 'a stack that is no text is left out');
});
