// The class Runner: a pool of one's own, with defaults for its programs.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Runner } from '../../index.js';
import { forEachEngine } from '../support/engine.mjs';
import { temporaryFolder } from '../support/host.mjs';
import { SPIN, cat, creates, exits, program, reflect } from '../support/programs.mjs';

const GROW = program('(call $proc_exit (memory.grow (i32.const 3)))');

forEachEngine(({ engine }) => {
  describe(`a Runner in ${engine}`, () => {
    const runner = (options) => new Runner({ engine, cache: false, ...options });

    test('runs so many programs at a time, and the others in their order', async () => {
      const pool = runner({ concurrency: 2 });
      const children = ['a', 'b', 'c', 'd'].map(() => pool.spawn(cat()));
      const begun = children.map((child) => once(child, 'spawn'));
      await Promise.all(begun.slice(0, 2));
      assert.deepEqual(pool.stats, { running: 2, queued: 2, completed: 0, failed: 0 });
      children[1].stdin.end();
      await begun[2];
      assert.deepEqual(pool.stats, { running: 2, queued: 1, completed: 1, failed: 0 });
      for (const { stdin } of children) stdin.end();
      const results = await Promise.all(children.map(({ result }) => result));
      const [first, , , last] = results.map(({ usage }) => usage.queued);
      assert.ok(last > first, `${first} ${last}`);
      assert.deepEqual(pool.stats, { running: 0, queued: 0, completed: 4, failed: 0 });
    });

    test('a program that waits can be killed, and holds up nobody', async () => {
      const pool = runner({ concurrency: 1 });
      const spins = pool.spawn(program(SPIN));
      const waits = pool.spawn(exits(1));
      const last = pool.run(exits(3));
      waits.kill();
      await assert.rejects(waits.result, { code: 'ERR_WASI_KILLED' });
      assert.equal(pool.stats.queued, 1);
      spins.kill('SIGKILL');
      await assert.rejects(spins.result, { code: 'ERR_WASI_KILLED', signal: 'SIGKILL' });
      assert.equal((await last).exitCode, 3);
      assert.deepEqual(pool.stats, { running: 0, queued: 0, completed: 1, failed: 2 });
    });

    test('a program whose streams can not be opened leaves its place', async () => {
      const pool = runner({ concurrency: 1 });
      await assert.rejects(pool.run(exits(1), { stdout: 999_999 }), { code: 'UVWASI_EBADF' });
      assert.equal((await pool.run(exits(4))).exitCode, 4);
    });

    test('its defaults are for all, and those of a call come before', async (t) => {
      const folder = temporaryFolder(t);
      const pool = runner({
        limits: { memory: 2 * 65536 },
        env: { A: '1', B: '1' },
        preopens: { '/': folder },
      });
      assert.equal((await pool.run(GROW)).exitCode, -1);
      assert.equal((await pool.run(GROW, { limits: { memory: 10 * 65536 } })).exitCode, 2);
      assert.equal((await pool.run(GROW, { limits: { openFiles: 9 } })).exitCode, -1, 'merged');
      const undefinedOnes = { limits: { memory: undefined }, preopens: undefined };
      assert.equal((await pool.run(GROW, undefinedOnes)).exitCode, -1, 'not lost');
      const { stdout } = await pool.run(reflect(), { env: { B: '2' }, encoding: 'utf8' });
      assert.match(stdout, /A=1\0B=2\0$/);
      assert.equal((await pool.run(creates())).exitCode, 0);
      const program = await pool.compile(GROW);
      assert.equal((await program.run()).exitCode, -1);
      assert.equal((await program.spawn().result).exitCode, -1);
      assert.equal(pool.stats.completed, 8);
    });

    test('counts an exit code with check as completed, and what was aborted before as failed', async () => {
      const pool = runner();
      await assert.rejects(pool.run(exits(3), { check: true }), { code: 'ERR_WASI_EXIT' });
      assert.deepEqual(pool.stats, { running: 0, queued: 0, completed: 1, failed: 0 });
      await assert.rejects(pool.run(exits(0), { signal: AbortSignal.abort() }), {
        code: 'ABORT_ERR',
      });
      await assert.rejects(pool.run(program('unreachable')), { code: 'ERR_WASI_TRAP' });
      assert.deepEqual(pool.stats, { running: 0, queued: 0, completed: 1, failed: 2 });
    });

    test('the bytes of a program that waits are those of the call', async () => {
      const pool = runner({ concurrency: 1 });
      const first = pool.spawn(cat());
      const bytes = Uint8Array.from(exits(5));
      const waits = pool.run(bytes);
      bytes.fill(0);
      first.stdin.end();
      assert.equal((await waits).exitCode, 5);
    });

    test('closed, it ends its programs and takes no more', async () => {
      const pool = runner({ concurrency: 1 });
      const results = [program(SPIN), exits(1)].map((one) => pool.run(one));
      const settled = Promise.allSettled(results);
      await pool.close();
      const reasons = (await settled).map(({ reason }) => [reason.code, reason.isTerminated]);
      assert.deepEqual(reasons, [
        ['ERR_WASI_KILLED', true],
        ['ERR_WASI_KILLED', true],
      ]);
      await assert.rejects(pool.run(exits(1)), { code: 'ERR_INVALID_STATE' });
      assert.throws(() => pool.spawn(exits(1)), { code: 'ERR_INVALID_STATE' });
      await assert.rejects(pool.compile(exits(1)), { code: 'ERR_INVALID_STATE' });
      const signal = AbortSignal.abort();
      await assert.rejects(pool.run(exits(1), { signal }), { code: 'ERR_INVALID_STATE' });
      await pool.close();
      if (Symbol.asyncDispose) await runner()[Symbol.asyncDispose]();
    });
  });
});

test('its wrong options are named', () => {
  for (const [options, code, message] of [
    [5, 'ERR_INVALID_ARG_TYPE', /"options" argument/],
    [{ concurrency: 0 }, 'ERR_OUT_OF_RANGE', /options.concurrency/],
    [{ engin: 'v8' }, 'ERR_INVALID_ARG_VALUE', /did you mean 'engine'/],
    [{ args: [] }, 'ERR_INVALID_ARG_VALUE', /options.args/],
    [{ limits: { mem: 5 } }, 'ERR_INVALID_ARG_VALUE', /options.limits.mem/],
    [{ preopens: { '/': 5n } }, 'ERR_INVALID_ARG_TYPE', /options\.preopens\['\/'\]/],
    [{ env: { 'A=': '' } }, 'ERR_INVALID_ARG_VALUE', /options.env/],
    [{ cache: 5 }, 'ERR_INVALID_ARG_TYPE', /options.cache/],
    [{ cache: null }, 'ERR_INVALID_ARG_TYPE', /options.cache/],
    [{ cache: 'a\0' }, 'ERR_INVALID_ARG_VALUE', /options.cache.*null bytes/],
    [{ cache: new URL('http://localhost/') }, 'ERR_INVALID_ARG_VALUE', /options.cache.*URL/],
  ]) {
    assert.throws(() => new Runner(options), { code, message });
  }
});

test('its cache is where it was when it was made', async (t) => {
  const folder = temporaryFolder(t);
  const here = process.cwd();
  t.after(() => process.chdir(here));
  process.chdir(folder);
  const runner = new Runner({ cache: 'code' });
  process.chdir(here);
  await runner.compile(program('(drop (i32.const 4711))'), { cache: undefined });
  assert.notDeepEqual(fs.readdirSync(path.join(folder, 'code')), []);
  await assert.rejects(runner.compile(exits(0), 5), { code: 'ERR_INVALID_ARG_TYPE' });
});

test('methods that are called with another this are refused in Node’s words', async () => {
  const runner = new Runner();
  const compiled = await runner.compile(exits(0), { cache: false });
  const child = runner.spawn(exits(0));
  const refused = (name) => ({
    name: 'TypeError',
    code: 'ERR_INVALID_THIS',
    message: `Value of "this" must be of type ${name}`,
  });
  const rejecting = { Runner: ['run', 'compile', 'close'], Program: ['run', 'serialize'] };
  const throwing = {
    Runner: ['spawn', 'stats'],
    Program: ['spawn', 'kind', 'version', 'imports', 'exports', 'memory'],
    GuestProcess: ['kill', 'result', Symbol.dispose].filter(Boolean),
  };
  const objects = { Runner: runner, Program: compiled, GuestProcess: child };
  const isCalled = ({ get }) => get === undefined;
  for (const [name, object] of Object.entries(objects)) {
    const prototype = Object.getPrototypeOf(object);
    for (const other of [undefined, null, 5, 'text', {}, prototype, () => {}, objects]) {
      for (const key of rejecting[name] ?? []) {
        await assert.rejects(prototype[key].call(other, exits(0)), refused(name));
      }
      for (const key of throwing[name]) {
        const one = Object.getOwnPropertyDescriptor(prototype, key);
        const method = isCalled(one) ? one.value : one.get;
        assert.throws(() => method.call(other, exits(0)), refused(name), String(key));
      }
    }
  }
  const { [Symbol.asyncIterator]: lines } = Object.getPrototypeOf(child);
  await assert.rejects(lines.call({}).next(), refused('GuestProcess'));
  if (Symbol.asyncDispose) {
    for (const name of ['Runner', 'GuestProcess']) {
      const dispose = objects[name][Symbol.asyncDispose];
      await assert.rejects(dispose.call({}), refused(name));
    }
  }
  await child.result;
  class Mine extends Runner {}
  assert.equal((await new Mine({ cache: false }).run(exits(2))).exitCode, 2);
});

test('wrong options of a call are named, whatever the defaults are', async () => {
  const runner = new Runner({ limits: { memory: 65536 } });
  await assert.rejects(runner.run(exits(1), 5), { code: 'ERR_INVALID_ARG_TYPE' });
  await assert.rejects(runner.run(exits(1), { limits: 5 }), {
    code: 'ERR_INVALID_ARG_TYPE',
    message: /options.limits/,
  });
  assert.deepEqual(runner.stats, { running: 0, queued: 0, completed: 0, failed: 0 });
});
