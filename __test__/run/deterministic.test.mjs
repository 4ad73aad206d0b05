// The same run twice: clocks, random bytes, listings, and what WebAssembly leaves open.

import assert from 'node:assert/strict';
import { createCipheriv, createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import {
  Runner,
  WASI,
  compile,
  deserialize,
  handler,
  load,
  loadSync,
  run,
  spawn,
} from '../../index.js';
import { forEachEngine } from '../support/engine.mjs';
import { temporaryFolder } from '../support/host.mjs';
import { command, handling } from '../support/wasi-0.3.mjs';
import { assemble, assembleAny } from '../support/wat.mjs';

const folder = temporaryFolder({ after });

const HOUR = 3_600_000_000_000n;
const MILLISECOND = 1_000_000n;
/** What a clock begins with where nothing else is said. */
const [YEAR_2000, DAY, MICROSECOND] = [
  946_684_800_000n * MILLISECOND,
  86_400_000n * MILLISECOND,
  1000n,
];

/** The random bytes of a seed. @param {string | Uint8Array} seed @param {number} length */
const bytesOf = (seed, length) =>
  createCipheriv('chacha20', createHash('sha256').update(seed).digest(), Buffer.alloc(16)).update(
    Buffer.alloc(length),
  );

/** Looks at each clock, takes random bytes in pieces, sleeps for an hour, looks again; and writes it all. */
const DIARY = assemble(`(module
  (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_res_get" (func $resolution (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\\40\\00\\00\\00\\d8\\00\\00\\00")
  (data (i32.const 1016) "\\01\\00\\00\\00\\00\\00\\00\\00\\00\\a0\\b8\\30\\46\\03\\00\\00")
  (func (export "_start")
    (drop (call $time (i32.const 0) (i64.const 0) (i32.const 64)))
    (drop (call $time (i32.const 1) (i64.const 0) (i32.const 72)))
    (drop (call $time (i32.const 2) (i64.const 0) (i32.const 80)))
    (drop (call $time (i32.const 3) (i64.const 0) (i32.const 88)))
    (drop (call $resolution (i32.const 0) (i32.const 96)))
    (drop (call $resolution (i32.const 1) (i32.const 104)))
    (drop (call $poll (i32.const 1000) (i32.const 1200) (i32.const 1) (i32.const 1300)))
    (drop (call $time (i32.const 0) (i64.const 0) (i32.const 112)))
    (drop (call $time (i32.const 1) (i64.const 0) (i32.const 120)))
    (drop (call $random (i32.const 128) (i32.const 5)))
    (drop (call $random (i32.const 133) (i32.const 62)))
    (drop (call $random (i32.const 195) (i32.const 85)))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))`);

/** What the diary has. @param {Buffer} bytes */
const read = (bytes) => ({
  times: Array.from({ length: 8 }, (_, i) => bytes.readBigUInt64LE(8 * i)),
  random: bytes.subarray(64),
});

/** The times in it. */
const timesOf = (now, monotonic, step) => [
  ...[now, monotonic + step, monotonic + 2n * step, monotonic + 3n * step, 1n, 1n],
  ...[now + 5n * step + HOUR, monotonic + 6n * step + HOUR],
];

forEachEngine(({ engine, run, spawn }) => {
  describe(`clock and random in ${engine}`, () => {
    test('clocks begin as they are told and move by looks and sleeps alone', async () => {
      const date = new Date('2030-01-31T12:00:00.250Z');
      const now = BigInt(date.getTime()) * MILLISECOND;
      for (const [clock, ...expected] of [
        [{}, YEAR_2000, DAY, MICROSECOND],
        [{ now: date, monotonic: 7, step: 0 }, now, 7n * MILLISECOND, 0n],
        [{ now: date.getTime() + 0.5, step: 0.25 }, now + 500_000n, DAY, 250_000n],
        [{ now: 5n, monotonic: 2n, step: 3n }, 5n, 2n, 3n],
      ]) {
        const { stdout } = await run(DIARY, { clock });
        assert.deepEqual(read(stdout).times, timesOf(...expected));
      }
    });

    test('random bytes are those of the seed, in whatever form it is given', async () => {
      for (const [random, seed] of [
        ...[42, 42n, '42', Buffer.from('42')].map((random) => [random, '42']),
        ['žluť', 'žluť'],
        [-0, '0'],
        ['', ''],
        [Uint8Array.of(0, 255), Uint8Array.of(0, 255)],
      ]) {
        const { stdout } = await run(DIARY, { random, clock: {} });
        assert.deepEqual(read(stdout).random, bytesOf(seed, 152));
      }
    });

    test('without them two runs differ', async () => {
      const clock = {};
      const [one, other] = await Promise.all([1, 2].map(() => run(DIARY, { clock })));
      assert.deepEqual(read(one.stdout).times, read(other.stdout).times);
      assert.notDeepEqual(read(one.stdout).random, read(other.stdout).random);
    });

    test('spawn() has them as well', async () => {
      const child = spawn(DIARY, { clock: { now: 1n }, random: 'seed', stdout: 'pipe' });
      const pieces = [];
      for await (const piece of child.stdout) pieces.push(piece);
      assert.deepEqual(read(Buffer.concat(pieces)).times[0], 1n);
      assert.deepEqual(read(Buffer.concat(pieces)).random, bytesOf('seed', 152));
    });
  });
});

test('the class has the same clocks and bytes', () => {
  const wasi = new WASI({ version: 'preview1', stdout: 'pipe', clock: { now: 9 }, random: 1 });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(DIARY), wasi.getImportObject());
  assert.equal(wasi.start(instance), 0);
  const { times, random } = read(wasi.stdout);
  assert.deepEqual(times, timesOf(9n * MILLISECOND, DAY, MICROSECOND));
  assert.deepEqual(random, bytesOf('1', 152));
});

describe('components', () => {
  const SLEEPER = assembleAny(`(component
    (import "wasi:io/poll@0.2.0" (instance $poll
      (export "pollable" (type $pollable (sub resource)))
      (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
    (alias export $poll "pollable" (type $pollable))
    (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
      (alias outer 1 $pollable (type $outer))
      (export "pollable" (type $own (eq $outer)))
      (export "now" (func (result u64)))
      (export "resolution" (func (result u64)))
      (export "subscribe-duration" (func (param "when" u64) (result (own $own))))))
    (import "wasi:random/random@0.2.0" (instance $random (export "get-random-u64" (func (result u64)))))
    (import "wasi:random/insecure@0.2.0" (instance $insecure
      (export "get-insecure-random-u64" (func (result u64)))))
    (core func $block (canon lower (func $poll "[method]pollable.block")))
    (core func $now (canon lower (func $clock "now")))
    (core func $resolution (canon lower (func $clock "resolution")))
    (core func $subscribe (canon lower (func $clock "subscribe-duration")))
    (core func $u64 (canon lower (func $random "get-random-u64")))
    (core func $insecure-u64 (canon lower (func $insecure "get-insecure-random-u64")))
    (core module $main
      (import "host" "block" (func $block (param i32)))
      (import "host" "now" (func $now (result i64)))
      (import "host" "subscribe" (func $subscribe (param i64) (result i32)))
      (func (export "sleep") (param i64) (result i64)
        (call $block (call $subscribe (local.get 0))) (call $now)))
    (core instance $main (instantiate $main (with "host" (instance
      (export "block" (func $block)) (export "now" (func $now)) (export "subscribe" (func $subscribe))))))
    (core module $others
      (import "host" "u64" (func $u64 (result i64)))
      (import "host" "insecure" (func $insecure (result i64)))
      (import "host" "resolution" (func $resolution (result i64)))
      (func (export "u64") (result i64) (call $u64))
      (func (export "insecure") (result i64) (call $insecure))
      (func (export "resolution") (result i64) (call $resolution)))
    (core instance $others (instantiate $others (with "host" (instance
      (export "u64" (func $u64)) (export "insecure" (func $insecure-u64))
      (export "resolution" (func $resolution))))))
    (func (export "sleep") (param "for" u64) (result u64) (canon lift (core func $main "sleep")))
    (func (export "u64") (result u64) (canon lift (core func $others "u64")))
    (func (export "insecure") (result u64) (canon lift (core func $others "insecure")))
    (func (export "resolution") (result u64) (canon lift (core func $others "resolution"))))`);

  const options = { cache: false, random: 'seed', clock: { monotonic: 0n, step: 1n } };
  const bytes = bytesOf('seed', 16);
  const EXPECTED = [HOUR, 1n, bytes.readBigUInt64BE(0), bytes.readBigUInt64BE(8)];

  test('sleep without waiting, and have the bytes of the seed', async () => {
    for (const more of [{}, { deterministic: true }]) {
      const instance = await load(SLEEPER, { ...options, ...more });
      const { sleep, resolution, u64, insecure } = instance.exports;
      assert.deepEqual(
        [await sleep(HOUR), await resolution(), await u64(), await insecure()],
        EXPECTED,
      );
      await instance.close();
      const here = loadSync(SLEEPER, { ...options, ...more });
      const { exports } = here;
      assert.deepEqual(
        [exports.sleep(HOUR), exports.resolution(), exports.u64(), exports.insecure()],
        EXPECTED,
      );
      here.close();
    }
  });

  test('of WASI 0.3 do as well', async () => {
    const program = command(
      ['wasi:cli/stdout', 'wasi:clocks/monotonic-clock', 'wasi:random/random'],
      `(call $wait-for (i64.const ${HOUR}))
       (call $random (i64.const 8) (i32.const 64))
       (call $say (i32.load (i32.const 64)) (i32.const 8)) (call $close-out)`,
    );
    for (const clock of [{}, { step: 0 }]) {
      const { stdout } = await run(program, { cache: false, clock, random: 3 });
      assert.deepEqual(stdout, bytesOf('3', 8));
    }
  });
});

test('a handler begins anew with each request', async () => {
  const program = handling(
    `(call $random (i64.const 8) (i32.const 64))
     (call $reply (i32.add (i32.const 200)
       (i32.and (i32.load8_u (i32.load (i32.const 64))) (i32.const 63))) (i32.const 0) (i32.const 0))
     (call $finish)`,
    ['wasi:random/random'],
  );
  const handle = await handler(program, { cache: false, random: 'seed', clock: {} });
  const status = async () => (await handle(new Request('http://site.example/'))).status;
  const expected = 200 + (bytesOf('seed', 1)[0] & 63);
  assert.deepEqual([await status(), await status()], [expected, expected]);
  await handle.close();
});

describe('deterministic', () => {
  const LISTS = assemble(`(module
    (import "wasi_snapshot_preview1" "fd_readdir" (func $list (param i32 i32 i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_filestat_get" (func $stat (param i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\\40\\00\\00\\00") (data (i32.const 16) "a")
    (func (export "_start")
      (drop (call $stat (i32.const 3) (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 64)))
      (drop (call $list (i32.const 3) (i32.const 128) (i32.const 32768) (i64.const 0) (i32.const 4)))
      (i32.store (i32.const 4) (i32.add (i32.load (i32.const 4)) (i32.const 64)))
      (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))`);

  /** The names of a listing, and the times of the file \`a\`, of what it writes. @param {Buffer} bytes */
  const listed = (bytes) => {
    const times = [40, 48, 56].map((at) => bytes.readBigUInt64LE(at));
    const names = [];
    for (let at = 64; at < bytes.length; at += 24 + Buffer.byteLength(names.at(-1))) {
      names.push(bytes.toString('utf8', at + 24, at + 24 + bytes.readUInt32LE(at + 16)));
    }
    return { times, names };
  };

  test('fixes all that clock and random do', async () => {
    const { stdout } = await run(DIARY, { deterministic: true, cache: false });
    const { times, random } = read(stdout);
    assert.deepEqual(times, timesOf(YEAR_2000, DAY, MICROSECOND));
    assert.deepEqual(random, bytesOf('0', 152));
    const own = { deterministic: true, cache: false, clock: { now: 5n }, random: 'own' };
    const other = read((await run(DIARY, own)).stdout);
    assert.deepEqual(other.times, timesOf(5n, DAY, MICROSECOND));
    assert.deepEqual(other.random, bytesOf('own', 152));
  });

  test('lists directories in the order of names, and hides when files were changed', async () => {
    const box = fs.mkdtempSync(path.join(folder, 'box-'));
    const names = ['é', 'z', 'a', 'Z', '-', '10', '9', 'ab', 'a b'];
    for (const name of names) fs.writeFileSync(path.join(box, name), '');
    const old = new Date('1995-05-05T00:00:00Z');
    fs.utimesSync(path.join(box, 'a'), new Date(), old);
    const options = { cache: false, preopens: { '/': box } };
    const { stdout } = await run(LISTS, { ...options, deterministic: true });
    const sorted = ['-', '.', '..', '10', '9', 'Z', 'a', 'a b', 'ab', 'z', 'é'];
    assert.deepEqual(listed(stdout).names, sorted);
    assert.deepEqual(listed(stdout).times, [
      YEAR_2000,
      BigInt(old.getTime()) * MILLISECOND,
      YEAR_2000,
    ]);
    const usual = listed((await run(LISTS, { ...options, clock: {} })).stdout);
    assert.deepEqual(usual.names.sort(), sorted.sort());
    assert.ok(usual.times[0] > (YEAR_2000 * 26n) / 25n);
  });

  test('fixes the bits of a NaN, whatever the cache has', async () => {
    const NAN = assemble(`(module
      (memory (export "memory") 1)
      (data (i32.const 0) "\\45\\23\\a1\\7f")
      (func (export "bits") (result i32)
        (i32.reinterpret_f32 (f32.add (f32.load (i32.const 0)) (f32.const 1)))))`);
    const cache = fs.mkdtempSync(path.join(folder, 'cache-'));
    const bits = async (deterministic) => {
      const instance = await load(NAN, { cache, deterministic });
      const found = await instance.exports.bits();
      await instance.close();
      assert.equal(loadSync(NAN, { cache, deterministic }).exports.bits(), found);
      return found;
    };
    const all = [];
    for (const deterministic of [false, true, false, true]) all.push(await bits(deterministic));
    assert.deepEqual(all, [0x7fe12345, 0x7fc00000, 0x7fe12345, 0x7fc00000]);
  });

  test('counts the same fuel', async () => {
    const limits = { fuel: 100_000 };
    const options = { deterministic: true, cache: false, limits };
    const fuel = async () => (await run(DIARY, options)).usage.fuel;
    const [one, other] = [await fuel(), await fuel()];
    assert.ok(one > 0 && one < limits.fuel);
    assert.equal(one, other);
  });

  test('is a default of a Runner', async () => {
    const runner = new Runner({ deterministic: true, cache: false, random: 'runner' });
    const { stdout } = await runner.run(DIARY);
    assert.deepEqual(read(stdout).random, bytesOf('runner', 152));
    assert.deepEqual(
      read((await runner.run(DIARY, { random: 2 })).stdout).random,
      bytesOf('2', 152),
    );
    await runner.close();
  });

  test('runs in wasmtime: a compiled program too, though not bytes of machine code', async () => {
    const program = await compile(DIARY, { cache: false });
    const outcomes = await Promise.all([1, 2].map(() => program.run({ deterministic: true })));
    assert.deepEqual(outcomes[0].stdout, outcomes[1].stdout);
    const code = await deserialize(await program.serialize());
    await assert.rejects(code.run({ deterministic: true }), {
      code: 'ERR_WASI_PROGRAM',
      message: /options\.deterministic needs the module itself/,
    });
    assert.equal((await code.run({ clock: {} })).exitCode, 0);
  });
});

describe('refused is', () => {
  const value = (message) => ({ name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE', message });
  const type = (message) => ({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE', message });
  const range = (message) => ({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE', message });
  const pair = { name: 'TypeError', code: 'ERR_INCOMPATIBLE_OPTION_PAIR' };
  const all = { deterministic: true };
  const module = new WebAssembly.Module(DIARY);

  for (const [what, options, error, source = DIARY] of [
    [
      'V8',
      { ...all, engine: 'v8' },
      value(/options\.deterministic' needs the engine 'wasmtime': V8/),
    ],
    [
      'a module',
      all,
      value(/options\.deterministic' can't be had for a WebAssembly\.Module/),
      module,
    ],
    ['fetch', { ...all, fetch: () => {} }, pair],
    ['a network', { ...all, sockets: [] }, pair],
    [
      'no boolean',
      { deterministic: 1 },
      type(/"options\.deterministic" property must be of type boolean/),
    ],
    [
      'a future in which files are changed',
      { ...all, clock: { now: Date.now() + 1e9 }, preopens: {} },
      value(/options\.clock\.now' is in the future/),
    ],
    [
      'a clock that is none',
      { clock: 5 },
      type(/"options\.clock" property must be of type object/),
    ],
    [
      'a misspelt clock',
      { clock: { stp: 5 } },
      value(/options\.clock\.stp' is not known \(did you mean 'step'/),
    ],
    [
      'a function',
      { clock: { now: Date.now } },
      value(/can't be a function where the program runs on another thread/),
    ],
    [
      'a text',
      { clock: { now: '2030' } },
      type(/must be one of type number, bigint, or function or an instance of Date/),
    ],
    [
      'a date as a step',
      { clock: { step: new Date() } },
      type(/must be one of type number or bigint/),
    ],
    [
      'a time before 1970',
      { clock: { now: -1 } },
      range(/of the years 1970 to 2262\. Received -1/),
    ],
    ['no time', { clock: { now: new Date(NaN) } }, range(/of the years 1970 to 2262/)],
    ['a time too late', { clock: { monotonic: 2n ** 63n } }, range(/Received 9[_\d]+/)],
    ['a step back', { clock: { step: -1n } }, range(/Received -1/)],
    [
      'a fraction as a seed',
      { random: 0.5 },
      range(/"options\.random" is out of range\. It must be a safe integer/),
    ],
    [
      'a seed that is none',
      { random: {} },
      type(/"options\.random" property must be one of type number, bigint, or string/),
    ],
  ]) {
    test(what, async () => {
      await assert.rejects(run(source, { cache: false, ...options }), error);
      assert.throws(() => spawn(source, { cache: false, ...options }), error);
    });
  }

  test('all of it in handler(), which has clock and random', async () => {
    await assert.rejects(
      handler(DIARY, { deterministic: true }),
      value(/can't be had in handler\(\)/),
    );
    await assert.rejects(handler(DIARY, { clock: { now: -1 } }), range(/1970/));
  });

  test('all of it in the class, which has clock and random', () => {
    const make = (options) => () => new WASI({ version: 'preview1', ...options });
    assert.throws(make(all), value(/needs the engine 'wasmtime': use run\(\)/));
    assert.throws(make({ deterministic: 'yes' }), type(/of type boolean/));
    assert.ok(make({ deterministic: false, clock: {}, random: 5n })());
    assert.throws(make({ random: 0.5 }), range(/safe integer/));
    assert.throws(make({ clock: { now: 'x' } }), type(/"options\.clock\.now" property/));
    assert.throws(make({ clock: { steps: 1 } }), value(/did you mean 'step'/));
  });
});
