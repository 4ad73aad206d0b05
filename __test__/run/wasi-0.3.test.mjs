// Components of WASI 0.3: commands and handlers with asynchronous functions, streams and futures.

import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { makeRun, makeSpawn } from '../support/engine.mjs';
import { HANGS } from '../support/host.mjs';
import { settled, untilClosed } from '../support/pipes.mjs';
import { command } from '../support/wasi-0.3.mjs';

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

  test('that waits for nothing that could come is a deadlock', async () => {
    const waits = '(call $wait-set (call $new-set) (i32.const 8))';
    await assert.rejects(run(command([], waits)), { code: 'ERR_WASI_TRAP', message: /deadlock/ });
    const reads = `(local $pair i64)
      (local.set $pair (call $new-stream))
      (call $read-stream (call $low (local.get $pair)) (i32.const 1024) (i32.const 1))`;
    await assert.rejects(run(command([], reads)), { code: 'ERR_WASI_TRAP', message: /deadlock/ });
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
