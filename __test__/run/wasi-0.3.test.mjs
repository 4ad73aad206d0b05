// Components of WASI 0.3: commands and handlers with asynchronous functions, streams and futures.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import net from 'node:net';
import path from 'node:path';
import { Readable, Writable } from 'node:stream';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Runner, compile, deserialize, handler, load, loadSync } from '../../index.js';
import { assembleComponent } from '../support/components.mjs';
import { makeRun, makeSpawn } from '../support/engine.mjs';
import { HANGS, main, runNode, temporaryFolder } from '../support/host.mjs';
import { settled, untilClosed } from '../support/pipes.mjs';
import {
  command,
  fileError,
  handling,
  lasting,
  lookupError,
  socketError,
  textOf,
} from '../support/wasi-0.3.mjs';

const { engineAddon } = createRequire(import.meta.url)('../../lib/addon.js');
const [run, spawn] = [makeRun('auto'), makeSpawn('auto')];
const bounded = { timeout: HANGS };

const STDIN = 'wasi:cli/stdin';
const STDOUT = 'wasi:cli/stdout';
const CLOCK = 'wasi:clocks/monotonic-clock';

/** Waits for an hour. */
const HOUR = '(call $wait-for (i64.const 3_600_000_000_000))';
const DOT = '(call $say (i32.const 32) (i32.const 1))';
const DATA = '(data (i32.const 32) ".")';

const ECHO = command(
  [STDIN, STDOUT],
  `(call $stdin (i32.const 64))
   (call $pipe (i32.load (i32.const 64)) (call $open-out))
   (call $close-out)`,
);

/** Guests that wait for what never comes, after a dot. */
const WAITING = {
  'for a time': command([STDOUT, CLOCK], `${DOT} ${HOUR} (i32.const 0)`, DATA),
  'for its input': command(
    [STDIN, STDOUT],
    `${DOT} (call $stdin (i32.const 64))
     (call $read-stream (i32.load (i32.const 64)) (i32.const 1024) (i32.const 1024))`,
    DATA,
  ),
  'for both at once': command(
    [STDIN, STDOUT, CLOCK],
    `${DOT} (call $stdin (i32.const 64))
     (drop (call $start-read (i32.load (i32.const 64)) (i32.const 1024) (i32.const 1024)))
     ${HOUR} (i32.const 0)`,
    DATA,
  ),
};

describe('a command of WASI 0.3', bounded, () => {
  test('ends with 0 if it succeeds, and with 1 if it does not', async () => {
    assert.equal((await run(command([], '(i32.const 0)'))).exitCode, 0);
    assert.equal((await run(command([], '(i32.const 1)'))).exitCode, 1);
  });

  test('ends with the code that it exits with', async () => {
    const exits = '(call $exit (i32.const 42)) (i32.const 0)';
    assert.equal((await run(command(['wasi:cli/exit'], exits))).exitCode, 42);
  });

  test('gets its arguments and environment', async () => {
    const program = command(
      ['wasi:cli/environment', STDOUT],
      `(call $arguments (i32.const 64))
       (call $say-list (i32.load (i32.const 64)) (i32.load (i32.const 68)))
       (call $environment (i32.const 64))
       (call $say-list (i32.load (i32.const 64))
         (i32.shl (i32.load (i32.const 68)) (i32.const 1)))
       (call $close-out)`,
    );
    const options = { argv0: 'guest', args: ['one', 'ä €'], env: { NAME: 'value', EMPTY: '' } };
    const { stdout, exitCode } = await run(program, options);
    assert.equal(String(stdout), 'guest\none\nä €\nNAME\nvalue\nEMPTY\n\n');
    assert.equal(exitCode, 0);
  });

  test('reads stdin and writes stdout by streams', async () => {
    const { stdout, exitCode } = await run(ECHO, { input: 'echo' });
    assert.deepEqual([String(stdout), exitCode], ['echo', 0]);
    assert.equal((await run(ECHO, { input: '' })).stdout.length, 0);
  });

  test('reads input that comes in pieces, and is more than a stream holds', async () => {
    const pieces = Array.from({ length: 50 }, (_, i) => Buffer.alloc(1 + i * 300, 97 + (i % 26)));
    const { stdout } = await run(ECHO, { stdin: Readable.from(pieces) });
    assert.equal(Buffer.compare(stdout, Buffer.concat(pieces)), 0);
  });

  test('is fed and read while it runs', async () => {
    const child = spawn(ECHO);
    child.stdout.setEncoding('utf8');
    const output = child.stdout[Symbol.asyncIterator]();
    for (const piece of ['one', 'two', 'three']) {
      child.stdin.write(piece);
      assert.equal((await output.next()).value, piece);
    }
    child.stdin.end();
    assert.equal((await child.result).exitCode, 0);
  });

  test('is told of a reader that is gone', async () => {
    const child = spawn(ECHO);
    child.stdout.destroy();
    child.stdin.end('x'.repeat(1_000_000));
    child.stdin.on('error', () => {});
    assert.equal((await child.result).exitCode, 1);
  });

  test('traps with its reason', async () => {
    await assert.rejects(run(command([], 'unreachable')), {
      code: 'ERR_WASI_TRAP',
      message: /unreachable/,
    });
  });

  test('gets its input though it never waits, if it yields', async () => {
    const code = `(func (export "run") (result i32) (local $set i32) (local $input i32)
      (local.set $set (call $new-set))
      (call $stdin (i32.const 64))
      (local.set $input (i32.load (i32.const 64)))
      (drop (call $start-read (local.get $input) (i32.const 1024) (i32.const 1)))
      (call $join (local.get $input) (local.get $set))
      (call $say (i32.const 32) (i32.const 1))
      (loop $more
        (drop (call $yield))
        (br_if $more (i32.eqz (call $poll-set (local.get $set) (i32.const 8)))))
      (i32.const 0)) ${DATA}`;
    const builtins = {
      yield: ['thread.yield', '(result i32)'],
      'poll-set': ['waitable-set.poll (memory $memory)', '(param i32 i32) (result i32)'],
    };
    const exports = `(func $run async (result (result)) (canon lift (core func $main "run")))
      (instance $run (export "run" (func $run))) (export "wasi:cli/run@0.3.0" (instance $run))`;
    const uses = [STDIN, STDOUT];
    const child = spawn(assembleComponent(textOf({ uses, code, exports, builtins })));
    assert.equal(String((await child.stdout[Symbol.asyncIterator]().next()).value), '.');
    child.stdin.end('x');
    assert.equal((await child.result).exitCode, 0);
  });

  test('goes on when it has returned, and its code is that', async () => {
    for (const code of [0, 1]) {
      const program = lasting(
        [STDOUT, CLOCK],
        `(call $return (i32.const ${code}))
         (call $wait-for (i64.const 1_000_000)) ${DOT} (drop (call $close-out))`,
        DATA,
      );
      const { exitCode, stdout } = await run(program);
      assert.deepEqual([exitCode, String(stdout)], [code, '.']);
    }
    const traps = run(lasting([], '(call $return (i32.const 0)) unreachable'));
    await assert.rejects(traps, { code: 'ERR_WASI_TRAP', message: /unreachable/ });
    await assert.rejects(run(lasting([], '')), {
      code: 'ERR_WASI_TRAP',
      message: /failed to produce a result/,
    });
  });

  test('hands its input on to its output', async () => {
    const program = command(
      [STDIN, STDOUT],
      `(call $stdin (i32.const 64))
       (global.set $out-end (call $stdout (i32.load (i32.const 64))))
       (drop (call $settle (global.get $out-end)
         (call $start-out-end (global.get $out-end) (i32.const 16))))
       (i32.load8_u (i32.const 16))`,
    );
    const input = '0123456789'.repeat(50_000);
    const { exitCode, stdout } = await run(program, { input });
    assert.deepEqual([exitCode, String(stdout) === input], [0, true]);
  });

  test('gets the rest of its input by another stream', async () => {
    const program = command(
      [STDIN, STDOUT],
      `(call $stdin (i32.const 64))
       (drop (call $read-stream (i32.load (i32.const 64)) (i32.const 1024) (i32.const 4)))
       (call $drop-readable (i32.load (i32.const 64)))
       (call $stdin (i32.const 64))
       (call $pipe (i32.load (i32.const 64)) (call $open-out))
       (call $close-out)`,
    );
    assert.equal(String((await run(program, { input: '0123456789' })).stdout), '456789');
  });

  test('writes stdout by several streams, in its order', async () => {
    const write = (stream, at) =>
      `(drop (call $write-all (call $high (local.get ${stream})) (i32.const ${at}) (i32.const 1)))`;
    const program = command(
      [STDOUT],
      `(local $a i64) (local $b i64)
       (local.set $a (call $new-stream)) (local.set $b (call $new-stream))
       (drop (call $stdout (call $low (local.get $a))))
       (drop (call $stdout (call $low (local.get $b))))
       ${write('$a', 1024)} ${write('$b', 1025)} ${write('$a', 1026)} (i32.const 0)`,
      '(data (i32.const 1024) "abc")',
    );
    assert.equal(String((await run(program)).stdout), 'abc');
  });

  test('ends with what it has written when it exits in the midst', async () => {
    const program = command(
      [STDOUT, 'wasi:cli/exit'],
      '(call $say (i32.const 1024) (i32.const 100000)) (call $exit (i32.const 3)) unreachable',
    );
    const { exitCode, stdout } = await run(program);
    assert.deepEqual([exitCode, stdout.length], [3, 100_000]);
  });

  test('is ended by streams of the embedder that fail, and by maxBuffer', async () => {
    const failing = (Stream, method) =>
      new Stream({
        [method]() {
          this.destroy(new Error('mine'));
        },
      });
    await assert.rejects(run(ECHO, { stdin: failing(Readable, 'read') }), {
      code: 'ERR_WASI_STREAM',
      message: 'options.stdin has failed: mine',
    });
    const stdout = failing(Writable, 'write');
    await assert.rejects(run(ECHO, { input: 'x', stdout }), {
      code: 'ERR_WASI_STREAM',
      message: 'options.stdout has failed: mine',
    });
    await assert.rejects(run(ECHO, { input: 'more', maxBuffer: 3 }), {
      code: 'ERR_WASI_STDIO_MAXBUFFER',
      isMaxBuffer: true,
    });
  });

  test('runs from machine code that is kept, and many at a time', async (t) => {
    const bytes = await (await compile(ECHO, { cache: false })).serialize();
    const program = await deserialize(bytes);
    assert.equal(program.version, '0.3');
    const pool = new Runner({ concurrency: 2 });
    t.after(() => pool.close());
    const inputs = Array.from({ length: 20 }, (_, i) => `input ${i}`);
    const results = await Promise.all(inputs.map((input) => pool.run(program, { input })));
    assert.deepEqual(
      results.map(({ stdout }) => String(stdout)),
      inputs,
    );
  });

  test('is refused by V8', async () => {
    await assert.rejects(run(ECHO, { engine: 'v8' }), {
      code: 'ERR_WASI_PROGRAM',
      message: 'the program is a component, which V8 does not run; wasmtime does',
    });
  });

  test('that waits for nothing that could come is a deadlock', async () => {
    const waits = '(call $wait-set (call $new-set) (i32.const 8))';
    await assert.rejects(run(command([], waits)), { code: 'ERR_WASI_TRAP', message: /deadlock/ });
    const reads = `(local $pair i64)
      (local.set $pair (call $new-stream))
      (call $read-stream (call $low (local.get $pair)) (i32.const 1024) (i32.const 1))`;
    await assert.rejects(run(command([], reads)), { code: 'ERR_WASI_TRAP', message: /deadlock/ });
  });
});

describe('waits of WASI 0.3', bounded, () => {
  /** Waits for these times at once, and exits with the number of them that came. */
  const waits = (count, time) =>
    command(
      [CLOCK, 'wasi:cli/exit'],
      `(local $n i32) (local $set i32)
       (local.set $set (call $new-set))
       (loop $more
         (call $join
           (i32.shr_u (call $start-wait (i64.const ${time})) (i32.const 4)) (local.get $set))
         (local.set $n (i32.add (local.get $n) (i32.const 1)))
         (br_if $more (i32.ne (local.get $n) (i32.const ${count}))))
       (local.set $n (i32.const 0))
       (loop $more
         (drop (call $wait-set (local.get $set) (i32.const 8)))
         (local.set $n (i32.add (local.get $n) (i32.const 1)))
         (br_if $more (i32.ne (local.get $n) (i32.const ${count}))))
       (call $exit (local.get $n)) (i32.const 0)`,
    );

  test('go on at once', async () => {
    assert.equal((await run(waits(200, 1_000_000))).exitCode, 200);
  });

  test('are bounded in number', async () => {
    await assert.rejects(run(waits(1 << 16, 3_600_000_000_000)), {
      code: 'ERR_WASI_TRAP',
      message: '65536 things are waited for at once: 65535 is the most',
    });
  });

  test('may be cancelled', async () => {
    const [STREAM_CANCELLED, CANCELLED_BEFORE_RETURNED] = [2, 4];
    const read = command(
      [STDIN, 'wasi:cli/exit'],
      `(call $stdin (i32.const 64))
       (drop (call $start-read (i32.load (i32.const 64)) (i32.const 1024) (i32.const 1)))
       (call $exit (call $cancel-read (i32.load (i32.const 64)))) unreachable`,
    );
    const stdin = new Readable({ read() {} });
    assert.equal((await run(read, { stdin })).exitCode, STREAM_CANCELLED);
    const wait = command(
      [CLOCK, 'wasi:cli/exit'],
      `(call $exit (call $cancel-task (i32.shr_u
         (call $start-wait (i64.const 3_600_000_000_000)) (i32.const 4)))) unreachable`,
    );
    assert.equal((await run(wait)).exitCode, CANCELLED_BEFORE_RETURNED);
  });

  test('for input and for a time end with the first that comes', async () => {
    const program = command(
      [STDIN, CLOCK, 'wasi:cli/exit'],
      `(local $set i32) (local $input i32)
       (local.set $set (call $new-set))
       (call $stdin (i32.const 64))
       (local.set $input (i32.load (i32.const 64)))
       (drop (call $start-read (local.get $input) (i32.const 1024) (i32.const 1)))
       (call $join (local.get $input) (local.get $set))
       (call $join
         (i32.shr_u (call $start-wait (i64.const 1_000_000)) (i32.const 4)) (local.get $set))
       (call $exit (call $wait-set (local.get $set) (i32.const 8))) (i32.const 0)`,
    );
    const SUBTASK = 1;
    const { exitCode } = await run(program, { stdin: new Readable({ read() {} }) });
    assert.equal(exitCode, SUBTASK);
  });
});

describe('a command of WASI 0.3 that waits', bounded, () => {
  for (const [what, program] of Object.entries(WAITING)) {
    test(`${what} is ended by timeout, signal and kill`, async () => {
      const open = await settled('wasmtime');
      const timed = spawn(program, { timeout: 50 });
      await assert.rejects(timed.result, { code: 'ERR_WASI_TIMEOUT', timedOut: true });
      const controller = new AbortController();
      const stdout = (chunk) => void controller.abort(new Error(`after ${chunk}`));
      const silent = new Readable({ read() {} });
      const aborted = run(program, { signal: controller.signal, stdin: silent, stdout });
      await assert.rejects(aborted, { code: 'ABORT_ERR', isCanceled: true });
      const child = spawn(program);
      assert.equal(String((await child.stdout[Symbol.asyncIterator]().next()).value), '.');
      assert.equal(child.kill(), true);
      await assert.rejects(child.result, { code: 'ERR_WASI_KILLED', isTerminated: true });
      await untilClosed(open);
      assert.equal(String((await run(ECHO, { input: 'on' })).stdout), 'on', 'others run');
    });
  }
});

const FILES = ['wasi:filesystem/types', 'wasi:filesystem/preopens', 'wasi:cli/exit', STDOUT];
const [CREATE, DIRECTORY, TRUNCATE] = [1, 2, 8];
const [READ, WRITE] = [1, 2];
/** Error codes are exit codes of guests, from here on. */
const CODES = 100;
/** Exits with the code of an error, if this is one. */
const CHECK = `(func $check (param i32)
  (if (i32.load8_u (local.get 0))
    (then (call $exit (i32.add (i32.const ${CODES}) (i32.load8_u offset=4 (local.get 0)))))))`;

/** A guest that does this with files: `$file` opens its path in the first preopen. */
const filing = (name, how, flags, body) => {
  const length = Buffer.byteLength(name);
  return command(
    FILES,
    body,
    `(data (i32.const 1024) "${name}")
     ${CHECK}
     (func $root (result i32)
       (call $preopens (i32.const 64))
       (i32.load (i32.load (i32.const 64))))
     (func $open (param $root i32) (result i32)
       (call $open-at (local.get $root) (i32.const 1) (i32.const 1024) (i32.const ${length})
         (i32.const ${how}) (i32.const ${flags}) (i32.const 64))
       (call $check (i32.const 64))
       (i32.load (i32.const 68)))
     (func $file (result i32) (call $open (call $root)))
     (func $end (param $future i32)
       (drop (call $settle (local.get $future)
         (call $start-file-end (local.get $future) (i32.const 80))))
       (call $check (i32.const 80)))`,
  );
};

/** Writes a file to stdout, from its third byte on. */
const reads = (name) =>
  filing(
    name,
    0,
    READ,
    `(call $read-file (call $file) (i64.const 2) (i32.const 64))
     (call $pipe (i32.load (i32.const 64)) (call $open-out))
     (call $end (i32.load (i32.const 68)))
     (call $close-out)`,
  );

/** Writes its own name to a file, from its fourth byte on. */
const writes = (name, how = CREATE | TRUNCATE, flags = WRITE) =>
  filing(
    name,
    how,
    flags,
    `(local $pair i64) (local $end i32)
     (local.set $pair (call $new-stream))
     (local.set $end
       (call $write-file (call $file) (call $low (local.get $pair)) (i64.const 3)))
     (drop (call $write-all (call $high (local.get $pair)) (i32.const 1024) (i32.const ${name.length})))
     (call $drop-writable (call $high (local.get $pair)))
     (call $end (local.get $end))
     (i32.const 0)`,
  );

/** The names in a folder, a line each. */
const lists = (name) =>
  filing(
    name,
    DIRECTORY,
    READ,
    `(local $entries i32)
     (call $read-directory (call $file) (i32.const 64))
     (local.set $entries (i32.load (i32.const 64)))
     (block $end
       (loop $more
         (br_if $end (i32.eqz (i32.shr_u (call $settle (local.get $entries)
           (call $start-entry (local.get $entries) (i32.const 128) (i32.const 1))) (i32.const 4))))
         (call $say-list (i32.const 144) (i32.const 1))
         (br $more)))
     (call $end (i32.load (i32.const 68)))
     (call $close-out)`,
  );

/** A folder with a file and a folder in it. */
function prepared(t) {
  const folder = temporaryFolder(t);
  const inner = path.join(folder, 'inner');
  fs.mkdirSync(path.join(inner, 'sub'), { recursive: true });
  fs.writeFileSync(path.join(inner, 'file'), '0123456789');
  fs.writeFileSync(path.join(folder, 'secret'), 'secret');
  return { inner, preopens: { '/': inner } };
}

describe('files of WASI 0.3', bounded, () => {
  test('are read by a stream, from an offset to their end', async (t) => {
    const { inner, preopens } = prepared(t);
    const { stdout, exitCode } = await run(reads('file'), { preopens });
    assert.deepEqual([String(stdout), exitCode], ['23456789', 0]);
    const large = Buffer.from(Array.from({ length: 200_000 }, (_, i) => i * 7));
    fs.writeFileSync(path.join(inner, 'large'), large);
    const copied = await run(reads('large'), { preopens });
    assert.equal(Buffer.compare(copied.stdout, large.subarray(2)), 0);
  });

  test('are written by a stream, from an offset on', async (t) => {
    const { inner, preopens } = prepared(t);
    assert.equal((await run(writes('made'), { preopens })).exitCode, 0);
    assert.equal(fs.readFileSync(path.join(inner, 'made'), 'latin1'), '\0\0\0made');
    assert.equal((await run(writes('file', 0), { preopens })).exitCode, 0);
    assert.equal(fs.readFileSync(path.join(inner, 'file'), 'latin1'), '012file789');
  });

  test('are handed on to another stream', async (t) => {
    const { inner, preopens } = prepared(t);
    const program = filing(
      'file',
      0,
      READ,
      `(call $read-file (call $file) (i64.const 0) (i32.const 64))
       (global.set $out-end (call $stdout (i32.load (i32.const 64))))
       (drop (call $settle (global.get $out-end)
         (call $start-out-end (global.get $out-end) (i32.const 16))))
       (call $end (i32.load (i32.const 68)))
       (i32.load8_u (i32.const 16))`,
    );
    const content = '0123456789'.repeat(50_000);
    fs.writeFileSync(path.join(inner, 'file'), content);
    const { exitCode, stdout, usage } = await run(program, { preopens });
    assert.deepEqual([exitCode, String(stdout) === content], [0, true]);
    assert.deepEqual([usage.read, usage.written], [content.length, content.length]);
  });

  test('are listed by a stream', async (t) => {
    const { inner, preopens } = prepared(t);
    for (const many of ['', ...Array.from({ length: 300 }, (_, i) => i)]) {
      fs.writeFileSync(path.join(inner, 'sub', `ä${many}`), '');
    }
    for (const [name, folder] of [
      ['.', inner],
      ['sub', path.join(inner, 'sub')],
    ]) {
      const { stdout, exitCode } = await run(lists(name), { preopens });
      const names = String(stdout).split('\n').filter(Boolean);
      assert.deepEqual(names.sort(), fs.readdirSync(folder).sort());
      assert.equal(exitCode, 0);
    }
  });

  test('that are not there, or are folders, have the codes of their errors', async (t) => {
    const { preopens } = prepared(t);
    const codeOf = async (program) => (await run(program, { preopens })).exitCode;
    assert.equal(await codeOf(reads('none')), CODES + fileError('no-entry'));
    assert.equal(await codeOf(reads('file/x')), CODES + fileError('not-directory'));
    assert.equal(await codeOf(lists('file')), CODES + fileError('not-directory'));
    assert.equal(await codeOf(reads('sub')), CODES + fileError('is-directory'));
  });

  test('outside of the preopens can not be had', async (t) => {
    const { inner, preopens } = prepared(t);
    fs.symlinkSync('../secret', path.join(inner, 'link'));
    for (const name of [
      '..',
      '../secret',
      'sub/../../secret',
      '/file',
      path.join(inner, 'file'),
      'link',
    ]) {
      const { stdout, exitCode } = await run(reads(name), { preopens });
      assert.deepEqual([exitCode, String(stdout)], [CODES + fileError('not-permitted'), ''], name);
    }
    const { exitCode } = await run(writes('../made'), { preopens });
    assert.equal(exitCode, CODES + fileError('not-permitted'));
    assert.equal(fs.existsSync(path.join(inner, '../made')), false);
    assert.equal((await run(reads('sub/../file'), { preopens })).exitCode, 0);
  });

  test('of a read-only preopen are not written', async (t) => {
    const { inner } = prepared(t);
    const preopens = { '/': { path: inner, readOnly: true } };
    for (const program of [writes('made'), writes('file', 0), writes('file', TRUNCATE, READ)]) {
      const { exitCode } = await run(program, { preopens });
      assert.equal(exitCode, CODES + fileError('read-only'));
    }
    assert.deepEqual(fs.readdirSync(inner).sort(), ['file', 'sub']);
    assert.equal(fs.readFileSync(path.join(inner, 'file'), 'utf8'), '0123456789');
    assert.equal(String((await run(reads('file'), { preopens })).stdout), '23456789');
  });

  test('are counted by usage', async (t) => {
    const { preopens } = prepared(t);
    const { usage } = await run(reads('file'), { preopens });
    assert.deepEqual([usage.read, usage.written], [8, 8]);
    const writing = await run(writes('made'), { preopens });
    assert.deepEqual([writing.usage.read, writing.usage.written], [0, 4]);
  });

  test('are seen in a trace', async (t) => {
    const { inner } = prepared(t);
    const program = path.join(inner, '..', 'reads.wasm');
    fs.writeFileSync(program, reads('file'));
    const args = [main, 'run', '--trace', '--dir', `${inner}::/`, program];
    const { code, stdout, stderr } = await runNode(args);
    assert.deepEqual([code, stdout], [0, '23456789'], stderr);
    assert.match(stderr, /^path_open\(fd: 3, .*path: "file", .*\) = 0, opened_fd 4$/m);
    assert.match(stderr, /^fd_pread\(fd: 4, .*, offset: 2, .*\) = 0, nread 8$/m);
    assert.match(stderr, /^fd_write\(fd: 1, .*\) = 0, nwritten 8$/m);
  });
});

describe('limits of WASI 0.3', bounded, () => {
  const ENDLESS = {
    computes: command([], '(loop $more (br $more)) unreachable'),
    waits: command([CLOCK], '(loop $more (call $wait-for (i64.const 0)) (br $more)) unreachable'),
  };

  test('limits.memory and limits.openFiles hold', async (t) => {
    const grows = command(
      ['wasi:cli/exit'],
      `(loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
       (call $exit (memory.size)) (i32.const 0)`,
    );
    const limits = { memory: 16 << 16 };
    assert.equal((await run(grows, { limits })).exitCode, 16);
    const { preopens } = prepared(t);
    // The standard streams and the preopen are four.
    const opens = filing(
      'file',
      0,
      READ,
      `(local $root i32) (local.set $root (call $root))
       (drop (call $open (local.get $root))) (call $say (i32.const 1024) (i32.const 1))
       (drop (call $open (local.get $root))) (call $say (i32.const 1024) (i32.const 1))
       (drop (call $open (local.get $root))) (call $say (i32.const 1024) (i32.const 1))
       (call $close-out)`,
    );
    const outcome = async (openFiles) => {
      const { exitCode, stdout } = await run(opens, { preopens, limits: { openFiles } });
      return [exitCode, String(stdout)];
    };
    assert.deepEqual(await outcome(7), [0, 'fff']);
    assert.deepEqual(await outcome(6), [CODES + fileError('insufficient-memory'), 'ff']);
  });

  test('tasks that only yield are ended', async () => {
    const yields = assembleComponent(
      textOf({
        code: `(func (export "run") (result i32) (i32.const 1))
          (func (export "callback") (param i32 i32 i32) (result i32) (i32.const 1))`,
        exports: `(func $run async (result (result))
            (canon lift (core func $main "run") async (callback (core func $main "callback"))))
          (instance $run (export "run" (func $run)))
          (export "wasi:cli/run@0.3.0" (instance $run))`,
      }),
    );
    await assert.rejects(run(yields, { timeout: 50 }), { code: 'ERR_WASI_TIMEOUT' });
    await assert.rejects(run(yields, { limits: { fuel: 10_000 } }), { code: 'ERR_WASI_FUEL' });
    const child = spawn(yields);
    await once(child, 'spawn');
    child.kill();
    await assert.rejects(child.result, { code: 'ERR_WASI_KILLED' });
  });

  test('limits.fuel ends an endless loop', async () => {
    for (const [name, program] of Object.entries(ENDLESS)) {
      const ended = run(program, { limits: { fuel: 10_000 } });
      await assert.rejects(ended, { code: 'ERR_WASI_FUEL' }, name);
    }
  });

  test('a timeout ends an endless loop', async () => {
    for (const program of Object.values(ENDLESS)) {
      await assert.rejects(run(program, { timeout: 50 }), { code: 'ERR_WASI_TIMEOUT' });
    }
  });

  test('streams and sets without end are a trap', async () => {
    for (const [uses, body] of [
      [[], '(drop (call $new-stream))'],
      [[], '(drop (call $new-set))'],
      [[STDIN], '(call $stdin (i32.const 64))'],
    ]) {
      const program = command(uses, `(loop $more ${body} (br $more)) unreachable`);
      await assert.rejects(run(program), {
        code: 'ERR_WASI_TRAP',
        message: /handle limit exceeded/,
      });
    }
  });

  test('limits.memory bounds the handles, one for each KiB', async () => {
    const sets = (count) =>
      command(
        [],
        `(local $n i32)
         (loop $more
           (drop (call $new-set))
           (local.set $n (i32.add (local.get $n) (i32.const 1)))
           (br_if $more (i32.lt_u (local.get $n) (i32.const ${count}))))
         (i32.const 0)`,
      );
    const trap = { code: 'ERR_WASI_TRAP', message: /handle limit exceeded/ };
    for (const [memory, most] of [
      [1 << 19, 1024],
      [4 << 20, 4096],
      [1 << 30, 100_000],
    ]) {
      const few = most - 24; // it has some of its own
      assert.equal((await run(sets(few), { limits: { memory } })).exitCode, 0);
      await assert.rejects(run(sets(most + 1), { limits: { memory } }), trap);
    }
  });
});

describe('the version of a command', bounded, () => {
  const [NEW, OLD] = [3, 2].map((minor) => {
    const [type, code] = minor === 3 ? ['async', 'run'] : ['', 'old'];
    return `(func $run-${minor} ${type} (result (result)) (canon lift (core func $main "${code}")))
      (instance $of-${minor} (export "run" (func $run-${minor})))
      (export "wasi:cli/run@0.${minor}.0" (instance $of-${minor}))`;
  });
  const code = `(func (export "run") (result i32) (i32.const 0))
    (func (export "old") (result i32) (i32.const 1))`;
  const named = (version) => command([], '(i32.const 0)', '', `wasi:cli/run@${version}`);

  test('is 0.3 for one that can be run as 0.2 and as 0.3', async () => {
    for (const exports of [NEW + OLD, OLD + NEW]) {
      const program = assembleComponent(textOf({ code, exports }));
      assert.equal((await run(program)).exitCode, 0);
      assert.equal((await compile(program)).version, '0.3');
    }
    const old = assembleComponent(textOf({ code, exports: OLD }));
    assert.equal((await run(old)).exitCode, 1);
  });

  test('is told by compile()', async () => {
    const { version, kind, missing } = await compile(ECHO);
    assert.deepEqual([version, kind, missing], ['0.3', 'command', []]);
  });

  test('may have other digits at its end, and is refused if it is another', async () => {
    assert.equal((await run(named('0.3.1'))).exitCode, 0);
    for (const version of ['0.4.0', '1.0.0']) {
      await assert.rejects(run(named(version)), {
        code: 'ERR_WASI_PROGRAM',
        message: new RegExp(
          `^the program is a command for WASI ${version}; .* WASI 0\\.2 or 0\\.3$`,
        ),
      });
      assert.equal((await compile(named(version))).version, version.slice(0, -2));
    }
  });

  test('is 0.3 for a component with tasks, whatever it imports', async () => {
    const main = '(core module $m (func (export "f"))) (core instance $main (instantiate $m))';
    const lifted = '(canon lift (core func $main "f"))';
    for (const [text, version] of [
      [`${main} (func (export "f") ${lifted})`, '0.2'],
      [`${main} (func (export "f") async ${lifted})`, '0.3'],
      ['(type (stream u8))', '0.3'],
      ['(import "a" (instance (type (future)) (export "f" (func (result 0)))))', '0.3'],
      ['(core func (canon waitable-set.new))', '0.3'],
    ]) {
      const bytes = assembleComponent(`(component ${text})`);
      const program = await compile(bytes, { cache: false });
      assert.deepEqual(
        [program.version, engineAddon().describe(bytes).version],
        [version, version],
        text,
      );
      assert.equal((await deserialize(await program.serialize())).version, version);
    }
  });

  test('of what it imports is told where that is not there', async () => {
    const importing = (version) => {
      const exports = `(func $run async (result (result)) (canon lift (core func $main "run")))
        (instance $run (export "run" (func $run))) (export "wasi:cli/run@0.3.0" (instance $run))`;
      const text = textOf({ uses: [STDIN], code, exports });
      return assembleComponent(text.replace('stdin@0.3.0', `stdin@${version}`));
    };
    assert.equal((await run(importing('0.3.1'))).exitCode, 0);
    for (const version of ['0.3.0-rc-2025-09-16', '0.4.0']) {
      const missing = `wasi:cli/stdin@${version}.read-via-stream (function)`;
      assert.deepEqual((await compile(importing(version))).missing, [missing]);
      await assert.rejects(run(importing(version)), (error) => {
        assert.equal(error.code, 'ERR_WASI_IMPORT');
        return error.message.includes(missing);
      });
    }
  });
});

describe('sockets of WASI 0.3', bounded, () => {
  /** Connects to a port of 127.0.0.1, and sends back what it receives. */
  const echoes = (port) =>
    command(
      ['wasi:sockets/types', 'wasi:cli/exit'],
      `(local $socket i32) (local $pair i64) (local $sent i32)
       (call $tcp-create (i32.const 0) (i32.const 64))
       (call $check (i32.const 64))
       (local.set $socket (i32.load (i32.const 68)))
       (call $tcp-connect (local.get $socket) (i32.const 0) (i32.const ${port})
         (i32.const 127) (i32.const 0) (i32.const 0) (i32.const 1)
         ${'(i32.const 0) '.repeat(6)} (i32.const 64))
       (call $check (i32.const 64))
       (call $receive (local.get $socket) (i32.const 64))
       (local.set $pair (call $new-stream))
       (local.set $sent (call $send (local.get $socket) (call $low (local.get $pair))))
       (call $pipe (i32.load (i32.const 64)) (call $high (local.get $pair)))
       (call $drop-writable (call $high (local.get $pair)))
       (drop (call $settle (local.get $sent)
         (call $start-tcp-end (local.get $sent) (i32.const 80))))
       (i32.load8_u (i32.const 80))`,
      CHECK,
    );

  /** A server that sends a text, and what it gets for it. */
  async function serve(t, text) {
    const server = net.createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
    t.after(() => server.close());
    await once(server, 'listening');
    const got = once(server, 'connection').then(async ([socket]) => {
      socket.end(text);
      return String(Buffer.concat(await socket.toArray()));
    });
    return { port: server.address().port, got };
  }

  test('connect, send and receive by streams', async (t) => {
    const text = 'echo'.repeat(50_000);
    const { port, got } = await serve(t, text);
    const sockets = [{ connect: `127.0.0.1:${port}` }];
    assert.equal((await run(echoes(port), { sockets })).exitCode, 0);
    assert.equal((await got) === text, true);
  });

  test('are denied unless the option permits them', async (t) => {
    const { port } = await serve(t, '');
    const denied = CODES + socketError('access-denied');
    assert.equal((await run(echoes(port))).exitCode, denied);
    const sockets = [{ connect: `127.0.0.2:${port}` }];
    assert.equal((await run(echoes(port), { sockets })).exitCode, denied);
    const resolves = command(
      ['wasi:sockets/ip-name-lookup', 'wasi:cli/exit'],
      `(call $resolve (i32.const 1024) (i32.const 9) (i32.const 64))
       (call $check (i32.const 64))
       (i32.const 0)`,
      `${CHECK} (data (i32.const 1024) "localhost")`,
    );
    assert.equal((await run(resolves)).exitCode, CODES + lookupError('access-denied'));
  });
});

describe('load() of a component of WASI 0.3', bounded, () => {
  test('calls asynchronous functions', async () => {
    const text = textOf({
      code: '(func (export "one") (result i32) (i32.const 1))',
      exports: `(func $later async (result u32) (canon lift (core func $main "one")))
        (func $now (result u32) (canon lift (core func $main "one")))
        (export "later" (func $later)) (export "now" (func $now))`,
    });
    for (const open of [load, loadSync]) {
      const instance = await open(assembleComponent(text), { cache: false });
      const { exports } = instance;
      assert.equal(await exports.now(), 1);
      assert.equal(await exports.later(), 1);
      await instance.close();
    }
  });

  test('gives it asynchronous functions, which are waited for', async () => {
    const text = `(component
      (import "ask" (func $ask async (param "what" u32) (result u32)))
      (core func $low (canon lower (func $ask)))
      (core module $m (import "" "ask" (func $ask (param i32) (result i32)))
        (func (export "run") (param i32) (result i32) (call $ask (local.get 0))))
      (core instance $i (instantiate $m (with "" (instance (export "ask" (func $low))))))
      (func (export "run") async (param "what" u32) (result u32) (canon lift (core func $i "run"))))`;
    const ask = async (what) => what + 1;
    const instance = await load(assembleComponent(text), { cache: false, imports: { ask } });
    assert.deepEqual(await Promise.all([1, 2, 3].map((n) => instance.exports.run(n))), [2, 3, 4]);
    await instance.close();
  });

  test('calls functions that return at once', async () => {
    // It imports an asynchronous function, which it does not call.
    const text = textOf({
      uses: [CLOCK],
      code: '(func (export "one") (result i32) (i32.const 1))',
      exports: `(func $now (result u32) (canon lift (core func $main "one")))
        (export "now" (func $now))`,
    });
    for (const open of [load, loadSync]) {
      const instance = await open(assembleComponent(text), { cache: false });
      assert.equal(await instance.exports.now(), 1);
      await instance.close();
    }
  });
});

describe('a handler of WASI 0.3', bounded, () => {
  /** Answers with a body: what this writes to `$to`. */
  const answering = (body, uses) =>
    handling(
      `(local $pair i64) (local $to i32) (local $from i32)
       (local.set $pair (call $new-stream))
       (local.set $to (call $high (local.get $pair)))
       (local.set $from (call $body (local.get $request)))
       (call $reply (i32.const 200) (i32.const 1) (call $low (local.get $pair)))
       ${body}
       (call $drop-writable (local.get $to))
       (call $finish)`,
      uses,
      DATA,
    );
  const WRITE_DOT = '(drop (call $write-all (local.get $to) (i32.const 32) (i32.const 1)))';
  const MIRROR = answering('(call $pipe (local.get $from) (local.get $to))');
  const EMPTY = handling(
    '(call $reply (i32.const 201) (i32.const 0) (i32.const 0)) (call $finish)',
  );

  /** A handler until the test is over, and the errors that it tells. */
  async function open(t, program, options) {
    const errors = [];
    const onError = (error) => void errors.push(error);
    const handle = await handler(program, { cache: false, onError, ...options });
    t.after(() => handle.close());
    const get = (init) => handle(new Request('http://site.example/path', init));
    return { handle, get, errors };
  }

  const descriptors = () => fs.readdirSync('/proc/self/fd').length;

  test('answers with a status and no body', async (t) => {
    const { get, errors } = await open(t, EMPTY);
    const response = await get();
    assert.deepEqual([response.status, await response.text(), errors], [201, '', []]);
  });

  test('answers with a body by a stream, and reads that of the request', async (t) => {
    const { get, errors } = await open(t, MIRROR);
    for (const body of ['', 'body', 'päckchen '.repeat(100_000)]) {
      const response = await get({ method: 'POST', body });
      assert.equal(response.status, 200);
      assert.equal((await response.text()) === body, true);
    }
    assert.equal(await (await get()).text(), '');
    assert.deepEqual(errors, []);
  });

  test('hands the body of a request on, and its error', async (t) => {
    const program = handling(
      `(call $reply (i32.const 200) (i32.const 1) (call $body (local.get $request)))
       (call $finish)`,
    );
    const { get, errors } = await open(t, program);
    const text = '0123456789'.repeat(50_000);
    assert.equal((await (await get({ method: 'POST', body: text })).text()) === text, true);
    let send;
    const body = new ReadableStream({ start: (controller) => void (send = controller) });
    const response = await get({ method: 'POST', body, duplex: 'half' });
    const reader = response.body.getReader();
    send.enqueue(Buffer.from('x'));
    assert.equal(String(Buffer.from((await reader.read()).value)), 'x');
    assert.deepEqual(errors, []);
    send.error(new Error('mine'));
    const message = "the body of the request can't be read: mine";
    await assert.rejects(reader.read(), { code: 'ERR_WASI_HTTP', message });
    assert.deepEqual(
      errors.map((error) => error.message),
      [message],
    );
  });

  test('answers while the request is still on its way', async (t) => {
    const { get, errors } = await open(t, MIRROR);
    let send;
    const body = new ReadableStream({ start: (controller) => void (send = controller) });
    const { body: answer } = await get({ method: 'POST', body, duplex: 'half' });
    const reader = answer.getReader();
    for (const piece of ['one', 'two', 'three']) {
      send.enqueue(Buffer.from(piece));
      assert.equal(String(Buffer.from((await reader.read()).value)), piece);
    }
    send.close();
    assert.deepEqual([(await reader.read()).done, errors], [true, []]);
  });

  test('sees the path, and answers with headers and trailers', async (t) => {
    const program = handling(
      `(local $pair i64) (local $to i32)
       (local.set $pair (call $new-stream))
       (local.set $to (call $high (local.get $pair)))
       (call $path (local.get $request) (i32.const 128))
       (if (i32.eqz (i32.load8_u (i32.const 128))) (then unreachable))
       (global.set $headers (call $one-field (i32.const 1024) (i32.const 6) (i32.const 5)))
       (call $reply (i32.const 200) (i32.const 1) (call $low (local.get $pair)))
       (drop (call $write-all (local.get $to) (i32.load (i32.const 132)) (i32.load (i32.const 136))))
       (call $drop-writable (local.get $to))
       (call $finish-with (call $one-field (i32.const 1040) (i32.const 5) (i32.const 5)))`,
      [],
      '(data (i32.const 1024) "x-headfirst") (data (i32.const 1040) "x-endwhole")',
    );
    const { handle, errors } = await open(t, program);
    const server = http.createServer(handle).listen(0, '127.0.0.1');
    t.after(() => server.close());
    await once(server, 'listening');
    const url = `http://127.0.0.1:${server.address().port}/a/path?q=ä`;
    const [response] = await once(http.get(url, { agent: false }), 'response');
    const body = Buffer.concat(await response.toArray());
    assert.equal(String(body), encodeURI('/a/path?q=ä'));
    assert.equal(response.headers['x-head'], 'first');
    assert.deepEqual(response.trailers, { 'x-end': 'whole' });
    assert.deepEqual(errors, []);
  });

  test('streams a body without end, and ends when its reader is gone', async (t) => {
    const endless = answering(
      `(loop $more (br_if $more (i32.eqz
         (call $write-all (local.get $to) (i32.const 1024) (i32.const 65536)))))`,
    );
    const { get, errors } = await open(t, endless);
    const empty = await open(t, EMPTY);
    await (await empty.get()).text();
    await turn();
    const usual = descriptors();
    const { body } = await get();
    const reader = body.getReader();
    for (let length = 0; length < 5_000_000; await turn()) {
      length += (await reader.read()).value.length;
    }
    await reader.cancel();
    while (descriptors() > usual) await turn();
    assert.deepEqual(errors, []);
  });

  test('has a new instance for each request', async (t) => {
    const counts = handling(
      `(i32.store (i32.const 40) (i32.add (i32.load (i32.const 40)) (i32.const 200)))
       (call $reply (i32.load (i32.const 40)) (i32.const 0) (i32.const 0)) (call $finish)`,
    );
    const { get } = await open(t, counts, { concurrency: 2 });
    const all = await Promise.all(Array.from({ length: 10 }, () => get()));
    assert.deepEqual(new Set(all.map(({ status }) => status)), new Set([200]));
  });

  test('is a listener of node:http', async (t) => {
    const { handle, errors } = await open(t, MIRROR);
    const server = http.createServer(handle).listen(0, '127.0.0.1');
    t.after(() => server.close());
    await once(server, 'listening');
    const body = 'x'.repeat(300_000);
    const response = await fetch(`http://127.0.0.1:${server.address().port}/`, {
      method: 'POST',
      body,
      headers: { connection: 'close' },
    });
    assert.equal((await response.text()) === body, true);
    assert.deepEqual(errors, []);
  });

  test('that fails before it answers is a 500', async (t) => {
    const failures = {
      unreachable: ['ERR_WASI_TRAP', /unreachable/],
      '(nop)': ['ERR_WASI_TRAP', /failed to produce a result/],
      '(drop (call $wait-set (call $new-set) (i32.const 8)))': ['ERR_WASI_TRAP', /deadlock/],
      '(call $refuse (i32.const 2))': ['ERR_WASI_HTTP', /destination-not-found/],
      [HOUR]: ['ERR_WASI_TIMEOUT', /after 300 ms/],
    };
    for (const [body, [code, message]] of Object.entries(failures)) {
      const { get, errors } = await open(t, handling(body, [CLOCK]), { timeout: 300 });
      const response = await get();
      assert.deepEqual([response.status, await response.text()], [500, ''], body);
      assert.deepEqual([errors.length, errors[0].code], [1, code], body);
      assert.match(errors[0].message, message);
    }
  });

  test('that fails while it answers ends the body with the error', async (t) => {
    const program = answering(
      `${WRITE_DOT}
       (drop (call $read-stream (local.get $from) (i32.const 1024) (i32.const 1)))
       unreachable`,
    );
    const { get, errors } = await open(t, program);
    let send;
    const body = new ReadableStream({ start: (controller) => void (send = controller) });
    const response = await get({ method: 'POST', body, duplex: 'half' });
    assert.equal(response.status, 200);
    const reader = response.body.getReader();
    assert.equal(String(Buffer.from((await reader.read()).value)), '.');
    send.enqueue(Buffer.from('x'));
    await assert.rejects(reader.read(), { code: 'ERR_WASI_TRAP' });
    assert.deepEqual([errors.length, errors[0].code], [1, 'ERR_WASI_TRAP']);
  });

  test('ends when its client is gone, before it answers and while it does', async (t) => {
    const silent = await open(t, handling(`${DOT} ${HOUR}`, [STDOUT, CLOCK], DATA), {
      stdout: () => void controller.abort(),
    });
    const talking = await open(t, answering(`${WRITE_DOT} ${HOUR}`, [CLOCK]));
    const empty = await open(t, EMPTY);
    await (await empty.get()).text();
    await turn();
    const usual = descriptors();
    const controller = new AbortController();
    await assert.rejects(silent.get({ signal: controller.signal }), { name: 'AbortError' });
    const { body } = await talking.get();
    const reader = body.getReader();
    assert.equal(String(Buffer.from((await reader.read()).value)), '.');
    await reader.cancel();
    while (descriptors() > usual) await turn();
    assert.deepEqual([silent.errors, talking.errors], [[], []]);
  });

  test('leaves no descriptors', async (t) => {
    const one = await open(t, MIRROR);
    const other = await open(t, handling('unreachable'));
    const ask = async () => {
      await (await one.get({ method: 'POST', body: 'body' })).text();
      await (await other.get()).text();
    };
    await ask();
    await turn();
    const usual = descriptors();
    for (let i = 0; i < 30; i++) await ask();
    while (descriptors() > usual) await turn();
    assert.equal(other.errors.length, 31);
  });

  test('makes requests by options.fetch, which are denied without it', async (t) => {
    // Sends the request on, and answers with the response, or the error.
    const proxy = handling(
      `(call $send-request (local.get $request) (i32.const 64))
       (if (i32.load8_u (i32.const 64))
         (then (call $refuse (i32.load8_u (i32.const 72))))
         (else (call $answer (i32.const 0) (i32.load (i32.const 72)) (i32.const 0) (i64.const 0)
           (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))))`,
      ['wasi:http/client'],
    );
    const fetch = async (request) => {
      const headers = { 'x-asked': `${request.method} ${request.url}` };
      return new Response(`got ${await request.text()}`, { status: 203, headers });
    };
    const allowed = await open(t, proxy, { fetch });
    const response = await allowed.get({ method: 'POST', body: 'body' });
    assert.equal(response.status, 203);
    assert.equal(response.headers.get('x-asked'), 'POST http://site.example/path');
    assert.equal(await response.text(), 'got body');
    assert.deepEqual(allowed.errors, []);
    const denied = await open(t, proxy);
    assert.equal((await denied.get()).status, 500);
    assert.match(denied.errors[0].message, /HTTP-request-denied/);
  });

  test('is no command, and a command is no handler', async () => {
    await assert.rejects(run(EMPTY), {
      code: 'ERR_WASI_PROGRAM',
      message: /^the program is a handler of HTTP and no command/,
    });
    await assert.rejects(handler(ECHO, { cache: false }), {
      code: 'ERR_WASI_PROGRAM',
      message: /^the program is no handler of HTTP/,
    });
  });
});
