// limits.memory bounds all that a guest makes the host allocate, within an allowance: read from the resident set of a process
// that runs a hostile guest and nothing else.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { forEachEngine } from '../support/engine.mjs';
import { index, main, temporaryFolder } from '../support/host.mjs';
import { assembleAny } from '../support/wat.mjs';

const MIB = 2 ** 20;

/** As docs/limits.md states it. */
const ALLOWANCE = { wasmtime: 32 * MIB, v8: 128 * MIB };

const onLinux = { skip: process.platform !== 'linux' };
const hasObjects = WebAssembly.validate(
  Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x5e, 0x78, 1]),
);

const START = '(func (export "_start")';
const UNTIL_REFUSED = (grow) => `${START} (loop (br_if 0 (i32.ne (i32.const -1) ${grow}))))`;
const WAIT = (address) => `(memory.atomic.wait32 ${address} (i32.const 0) (i64.const 0))`;

/** Guests that take what they can; those of each engine. */
const GREEDY = {
  'a table that grows by little': `(table 1 funcref)
    ${UNTIL_REFUSED('(table.grow 0 (ref.null func) (i32.const 1000))')}`,
  'a table that grows by much': `(table 1 funcref) ${START}
    (drop (table.grow 0 (ref.null func) (i32.const 9999999)))
    (drop (table.grow 0 (ref.null func) (i32.const 5000000))))`,
  'many tables': `${'(table 1 funcref)'.repeat(50)} ${START} ${Array.from(
    { length: 50 },
    (_, table) => `(drop (table.grow ${table} (ref.null func) (i32.const 900000)))`,
  ).join('\n')})`,
  'several memories': `(memory 1) (memory 1) ${START}
    (loop (br_if 0 (i32.ne (i32.const -1) (memory.grow 0 (i32.const 1)))))
    (loop (br_if 0 (i32.ne (i32.const -1) (memory.grow 1 (i32.const 1)))))
    (memory.fill 0 (i32.const 0) (i32.const 1) (i32.mul (i32.const 65536) (memory.size 0)))
    (memory.fill 1 (i32.const 0) (i32.const 1) (i32.mul (i32.const 65536) (memory.size 1))))`,
  'a shared memory': `(memory 1 65536 shared) ${START}
    (loop (br_if 0 (i32.ne (i32.const -1) (memory.grow (i32.const 1)))))
    (memory.fill (i32.const 0) (i32.const 1) (i32.mul (i32.const 65536) (memory.size))))`,
  'a memory with addresses of 64 bits': `(memory i64 1) ${START}
    (loop (br_if 0 (i64.ne (i64.const -1) (memory.grow (i64.const 1)))))
    (memory.fill (i64.const 0) (i32.const 1) (i64.mul (i64.const 65536) (memory.size))))`,
  'queues of waits': `(memory 64 64 shared) ${START} (local i32)
    (loop (drop ${WAIT('(local.get 0)')})
      (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 4))) (i32.const 1048576)))))`,
};

/** Guests with garbage-collected objects, which wasmtime leaves to V8. */
const OBJECTS = {
  'small structs': `(type $n (struct (field (ref null $n)) (field i64)))
    ${START} (local (ref null $n)) (loop (local.set 0 (struct.new $n (local.get 0) (i64.const 1))) (br 0)))`,
  'large structs': `(type $s (struct ${'(field i64)'.repeat(8000)}))
    (type $n (struct (field (ref null $n)) (field (ref $s)))) ${START} (local (ref null $n))
    (loop (local.set 0 (struct.new $n (local.get 0) (struct.new_default $s))) (br 0)))`,
  'one array of 1 GiB': `(type $a (array (mut i8))) (global $g (mut (ref null $a)) (ref.null $a))
    ${START} (global.set $g (array.new_default $a (i32.const 1000000000))))`,
  'an array of 1 GiB as the first value of a variable': `(type $a (array (mut i8)))
    (global (ref $a) (array.new_default $a (i32.const 1000000000))) ${START})`,
  ...Object.fromEntries(
    [1000, 100_000, 1_000_000, 14_000_000].map((size) => [
      `arrays of ${size} bytes`,
      `(type $a (array (mut i8))) (type $n (struct (field (ref null $n)) (field (ref $a))))
      ${START} (local (ref null $n))
      (loop (local.set 0 (struct.new $n (local.get 0) (array.new $a (i32.const 1) (i32.const ${size})))) (br 0)))`,
    ]),
  ),
  'objects up to the limit, then a table': `(type $n (struct (field (ref null $n)) (field i64)))
    (table $t 1 funcref) ${START} (local (ref null $n)) (local i32)
    (loop (local.set 0 (struct.new $n (local.get 0) (i64.const 1)))
      (br_if 0 (i32.and (local.tee 1 (i32.add (local.get 1) (i32.const 1))) (i32.const 1023)))
      (drop (table.grow $t (ref.null func) (i32.const 100))) (br 0)))`,
};

const IMPORT = (name, type) =>
  `(import "wasi_snapshot_preview1" "${name}" (func $${name} (param ${type}) (result i32)))`;
const TIMES = (count, body) => `(local $n i32) (loop ${body}
  (br_if 0 (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const ${count}))))`;
const IOVEC = (length) =>
  `(i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const ${length}))`;

/** Guests whose calls make the host hold something, with how many bytes of memory they need, and options. */
const CALLS = {
  'output that is captured': {
    text: `${IMPORT('fd_write', 'i32 i32 i32 i32')} (memory (export "memory") 16) ${START} ${TIMES(
      1000,
      `${IOVEC(1_000_000)} (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
       (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))`,
    )})`,
    memory: 16 * 65536,
    maxBuffer: 4 * MIB,
    held: 2 * 2 * 4 * MIB, // each stream up to twice
    code: 'ERR_WASI_STDIO_MAXBUFFER',
  },
  random_get: {
    text: `${IMPORT('random_get', 'i32 i32')} (memory (export "memory") 512) ${START} ${TIMES(
      4,
      '(drop (call $random_get (i32.const 0) (i32.const 33554432)))',
    )})`,
    memory: 32 * MIB,
  },
  'as many subscriptions as there may be': {
    text: `${IMPORT('poll_oneoff', 'i32 i32 i32 i32')} (memory (export "memory") 96) ${START} ${TIMES(
      20,
      '(drop (call $poll_oneoff (i32.const 16) (i32.const 3145744) (i32.const 65536) (i32.const 0)))',
    )})`,
    memory: 6 * MIB,
  },
  'lines of a trace': {
    text: `${IMPORT('fd_write', 'i32 i32 i32 i32')} ${IMPORT('path_open', 'i32 i32 i32 i32 i32 i64 i64 i32 i32')}
      (memory (export "memory") 32) ${START} ${TIMES(
        200,
        `(drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 100000) (i32.const 8)))
         (drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 2000000) (i32.const 0)
           (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 8)))`,
      )})`,
    memory: 2 * MIB,
    options: { trace: true },
  },
};

const REFERENCE = (name) => `(table.set 0 (i32.const 0) (ref.func ${name}))`;
const BLOCK = '(block (br_if 0 (i32.const 0)))';

/** Functions that are as large as V8 is given them, and larger. */
const FUNCTIONS = {
  'references to one function': (count) => `(table 1 funcref) (func $f) (elem declare func $f)
    ${START} ${REFERENCE('$f').repeat(50_000 * count)})`,
  'references to many functions': (count) => {
    const numbers = Array.from({ length: 100 }, (_, i) => i);
    const each = Array.from({ length: 330 * count }, (_, i) => i);
    const name = (i, k) => `$f${i * 100 + k}`;
    const functions = each.flatMap((i) => numbers.map((k) => `(func ${name(i, k)})`));
    const users = each.map(
      (i) => `(func $u${i} ${numbers.map((k) => REFERENCE(name(i, k))).join('')})`,
    );
    const names = each.flatMap((i) => numbers.map((k) => name(i, k)));
    return `(table 1 funcref) ${functions.join('')} ${users.join('')} (elem declare func ${names.join(' ')})
      ${START} ${each.map((i) => `(call $u${i})`).join('')})`;
  },
  'many calls': (count) => `(func $f) ${START} ${'(call $f)'.repeat(110_000 * count)})`,
  'many exports': (count) =>
    `(func $f) ${Array.from({ length: 10_000 * count }, (_, i) => `(export "${i}" (func $f))`).join(
      '',
    )} ${START})`,
  'many variables at many branches': (count) =>
    `${START} (local ${'i32 '.repeat(39_000)}) ${BLOCK.repeat(100 * count)})`,
  'many values at many branches': (count) =>
    `${START} ${'i32.const 0 '.repeat(2000)} ${BLOCK.repeat(1900 * count)} ${'drop '.repeat(2000)})`,
};

const CHILD = `
const fs = require('node:fs');
const { run } = require(${JSON.stringify(index)});
const peak = () => Number(/VmHWM:\\s+(\\d+)/.exec(fs.readFileSync('/proc/self/status', 'latin1'))[1]) * 1024;
const [file, engine, limits, options] = process.argv.slice(1);
const before = peak();
run(file, { engine, limits: JSON.parse(limits), cache: false, timeout: 60_000, ...JSON.parse(options) })
  .then(({ exitCode }) => ({ exitCode }), ({ code, message }) => ({ code, message }))
  .then((outcome) => console.log(JSON.stringify({ ...outcome, taken: peak() - before })));`;

/** How such a guest ends in a process of its own, and how much that grows. */
function runApart(t, text, engine, limits, options = {}, flags = []) {
  const file = path.join(temporaryFolder(t), 'guest.wasm');
  fs.writeFileSync(file, assembleAny(`(module ${text})`));
  const args = [
    ...flags,
    '-e',
    CHILD,
    file,
    engine,
    JSON.stringify(limits),
    JSON.stringify(options),
  ];
  const maxBuffer = 64 * MIB;
  const child = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    timeout: 120_000,
    maxBuffer,
  });
  assert.deepEqual([child.status, child.signal], [0, null], child.stderr.slice(0, 2000));
  return JSON.parse(child.stdout);
}

const ENDS = [undefined, 'ERR_WASI_TRAP', 'ERR_WASI_PROGRAM'];

describe('limits.memory, by the resident set', onLinux, () => {
  for (const [what, text] of Object.entries(GREEDY)) {
    for (const engine of what === 'queues of waits' ? ['wasmtime'] : ['wasmtime', 'v8']) {
      for (const memory of [65536, 8 * MIB]) {
        test(`${what}, in ${engine}, under ${memory} bytes`, (t) => {
          const outcome = runApart(t, text, engine, { memory });
          assert.ok(ENDS.includes(outcome.code), JSON.stringify(outcome));
          assert.ok(outcome.taken < memory + ALLOWANCE[engine], JSON.stringify(outcome));
        });
      }
    }
  }

  for (const [what, { text, memory, limits, held = 0, code, options }] of Object.entries(CALLS)) {
    forEachEngine(({ engine }) => {
      test(`${what}, in ${engine}`, (t) => {
        const outcome = runApart(t, text, engine, { memory, ...limits }, options);
        assert.equal(outcome.code, code, JSON.stringify(outcome));
        assert.ok(outcome.taken < memory + held + ALLOWANCE[engine], JSON.stringify(outcome));
      });
    });
  }

  for (const [what, text] of Object.entries(FUNCTIONS)) {
    test(`functions, in V8: ${what}`, (t) => {
      const memory = 131072; // and a table of one element
      const outcome = runApart(t, text(1), 'v8', { memory });
      assert.equal(outcome.exitCode, 0, outcome.message);
      assert.ok(outcome.taken < memory + ALLOWANCE.v8, JSON.stringify(outcome));
      const refused = runApart(t, text(2), 'v8', { memory });
      assert.equal(refused.code, 'ERR_WASI_PROGRAM', JSON.stringify(refused));
      assert.match(refused.message, /too hard to compile|more than the 131072 of limits.memory/);
      assert.ok(refused.taken < memory + ALLOWANCE.v8, JSON.stringify(refused));
    });
  }

  for (const [what, text] of Object.entries(OBJECTS)) {
    test(`${what}, by auto`, { skip: !hasObjects }, (t) => {
      for (const memory of [65536, 32 * MIB]) {
        const { code, message, taken } = runApart(t, text, 'auto', { memory });
        assert.ok(['ERR_WASI_TRAP', 'ERR_WASI_PROGRAM'].includes(code), `${code} ${message}`);
        assert.match(message, /memory|large|bytes|gc types/);
        assert.ok(taken < memory + ALLOWANCE.v8, `${taken} bytes under ${memory}`);
      }
    });
  }

  test('garbage does not count', { skip: !hasObjects }, (t) => {
    const text = `(type $a (array (mut i8))) ${START} (local $i i32)
      (loop (drop (array.new $a (i32.const 1) (i32.const 2000000)))
        (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 200)))))`;
    assert.equal(runApart(t, text, 'auto', { memory: 32 * MIB }).exitCode, 0);
  });

  test('without a limit a full heap of V8 ends the program alone', { skip: !hasObjects }, (t) => {
    for (const [size, what] of [
      [100, 'small'],
      [17_000, 'middling'],
      [7_000_000, 'large'],
    ]) {
      const text = `(type $a (array (mut i64)))
        (type $n (struct (field (ref null $n)) (field (ref $a))))
        ${START} (local (ref null $n)) (loop (local.set 0
          (struct.new $n (local.get 0) (array.new $a (i64.const 1) (i32.const ${size})))) (br 0)))`;
      for (const flag of ['--max-old-space-size=100', '--max-old-space-size=300']) {
        const outcome = runApart(t, text, 'v8', {}, {}, [flag]);
        assert.equal(outcome.code, 'ERR_WASI_TRAP', `${what}: ${JSON.stringify(outcome)}`);
        assert.match(outcome.message, /out of V8's memory|new array is too large/);
      }
    }
  });

  test(
    'flags of V8 that set a larger heap are refused with a limit',
    { skip: !hasObjects },
    (t) => {
      const text = `(type $a (array (mut i64))) ${START} (drop (array.new $a (i64.const 1) (i32.const 1))))`;
      for (const flag of ['--max-old-space-size=512', '--max-semi-space-size=64']) {
        const run = (engine, limits) => runApart(t, text, engine, limits, {}, [flag]);
        const { code, message } = run('v8', { memory: 100e6 });
        assert.equal(code, 'ERR_INVALID_ARG_VALUE', message);
        assert.match(message, /"options.limits.memory" .* --max-old-space-size .* NODE_OPTIONS/);
        assert.equal(run('v8', {}).exitCode, 0);
        assert.equal(runApart(t, text, 'v8', { memory: 100e6 }).exitCode, 0);
      }
    },
  );

  test('without a limit tables are finite', (t) => {
    const text = `${'(table 1 funcref)'.repeat(40)} ${START} ${Array.from(
      { length: 40 },
      (_, table) => `(drop (table.grow ${table} (ref.null func) (i32.const 9000000)))`,
    ).join('\n')})`;
    for (const engine of ['wasmtime', 'v8']) {
      const outcome = runApart(t, text, engine, {});
      assert.equal(outcome.exitCode, 0);
      assert.ok(outcome.taken < 10e6 * 64 + ALLOWANCE[engine], `${engine}: ${outcome.taken}`);
    }
  });

  test('the command line', (t) => {
    const file = path.join(temporaryFolder(t), 'guest.wasm');
    fs.writeFileSync(file, assembleAny(`(module ${GREEDY['a table that grows by little']})`));
    for (const engine of ['wasmtime', 'v8']) {
      const args = [main, '--max-memory', '64K', '--engine', engine, file];
      const peak =
        '"$@" & while kill -0 $! 2>/dev/null; do grep VmHWM /proc/$!/status; sleep 0.02; done';
      const command = ['-c', peak, 'sh', process.execPath, ...args];
      const child = spawnSync('sh', command, { encoding: 'utf8', timeout: 60_000 });
      const peaks = [...child.stdout.matchAll(/VmHWM:\s+(\d+)/g)].map(([, kb]) => kb * 1024);
      assert.ok(peaks.length > 0, child.stderr);
      assert.ok(Math.max(...peaks) < 80 * MIB + ALLOWANCE[engine], `${engine}: ${peaks}`);
    }
  });
});

describe('an instruction that waits', onLinux, () => {
  const threads = () => fs.readdirSync('/proc/self/task').length;
  const WAITS = `(memory (export "memory") 1 1 shared) ${START} (drop
    (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))))`;

  forEachEngine(({ engine }) => {
    test(`for ever leaves no thread behind when it is timed out, in ${engine}`, async () => {
      const { run } = await import('../../index.js');
      const bytes = assembleAny(`(module ${WAITS})`);
      const end = () => run(bytes, { engine, timeout: 100, cache: false });
      const four = async () => {
        const ends = await Promise.allSettled(Array.from({ length: 4 }, end));
        for (const { reason } of ends) assert.equal(reason?.code, 'ERR_WASI_TIMEOUT');
      };
      // As many threads as that stay for a while, until the next.
      await four();
      const before = threads();
      for (let round = 0; round < 5; round++) await four();
      let now = threads();
      for (let round = 0; now > before && round < 300; round++) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        now = threads();
      }
      assert.ok(now <= before, `${before} threads, then ${now}`);
    });

    test(`answers what it does, in ${engine}`, async () => {
      const { run } = await import('../../index.js');
      const exit = '(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))';
      const of = (value) => `(module ${exit} (memory (export "memory") 1 1 shared)
        ${START} (call $exit ${value})))`;
      const table = [
        ['(memory.atomic.wait32 (i32.const 0) (i32.const 7) (i64.const -1))', 1],
        ['(memory.atomic.wait64 (i32.const 0) (i64.const 7) (i64.const -1))', 1],
        ['(memory.atomic.wait32 offset=8 (i32.const 0) (i32.const 0) (i64.const 1000))', 2],
        ['(memory.atomic.wait64 (i32.const 65528) (i64.const 0) (i64.const 2000000))', 2],
        ['(memory.atomic.notify (i32.const 0) (i32.const 9))', 0],
      ];
      for (const [value, expected] of table) {
        const { exitCode, usage } = await run(assembleAny(of(value)), { engine, cache: false });
        assert.deepEqual([exitCode, usage.calls], [expected, 1], value);
      }
      for (const [value, message] of [
        ['(memory.atomic.wait32 (i32.const 2) (i32.const 0) (i64.const 0))', /unaligned/],
        ['(memory.atomic.wait64 (i32.const 4) (i64.const 0) (i64.const 0))', /unaligned/],
        ['(memory.atomic.wait32 (i32.const 65536) (i32.const 0) (i64.const 0))', /out of bounds/],
      ]) {
        const rejects = run(assembleAny(of(value)), { engine, cache: false });
        await assert.rejects(rejects, { code: 'ERR_WASI_TRAP', message });
      }
    });
  });
});
