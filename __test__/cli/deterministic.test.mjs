// --deterministic, --clock and --random.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { VALUES } from '../../cli/values.js';
import { commandLine } from '../support/cli.mjs';
import { CHOICES } from '../support/engine.mjs';

const { folder, cli, refusal } = commandLine({ after });

/** Writes the time and eight random bytes. */
fs.writeFileSync(
  path.join(folder, 'tell.wat'),
  `(module
    (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\\40\\00\\00\\00\\20\\00\\00\\00")
    (func $hex (param $from i32) (param $to i32) (local $i i32) (local $digit i32)
      (loop $next
        (local.set $digit (i32.and (i32.const 15) (i32.shr_u
          (i32.load8_u (i32.add (local.get $from) (i32.shr_u (local.get $i) (i32.const 1))))
          (i32.shl (i32.and (i32.xor (local.get $i) (i32.const 1)) (i32.const 1)) (i32.const 2)))))
        (i32.store8 (i32.add (local.get $to) (local.get $i))
          (i32.add (local.get $digit) (select (i32.const 87) (i32.const 48)
            (i32.gt_u (local.get $digit) (i32.const 9)))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $next (i32.lt_u (local.get $i) (i32.const 16)))))
    (func (export "_start")
      (drop (call $time (i32.const 0) (i64.const 0) (i32.const 16)))
      (drop (call $time (i32.const 0) (i64.const 0) (i32.const 16)))
      (drop (call $random (i32.const 24) (i32.const 8)))
      (call $hex (i32.const 16) (i32.const 64))
      (call $hex (i32.const 24) (i32.const 80))
      (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))`,
);

/** What it writes. @param {string[]} flags */
async function tell(...flags) {
  const { code, stdout, stderr } = await cli([...flags, 'tell.wat']);
  assert.deepEqual([code, stderr], [0, '']);
  return {
    time: Buffer.from(stdout.slice(0, 16), 'hex').readBigUInt64LE(),
    random: stdout.slice(16),
  };
}

const SEED_42 = '790e18703ba02343'; // of the stream of ChaCha20 under the SHA-256 of "42"

for (const engine of CHOICES) {
  test(`${engine}: --clock and --random`, async () => {
    const time = '2030-01-31T12:00:00Z';
    const expected = BigInt(Date.parse(time)) * 1_000_000n;
    const flags = ['--engine', engine, '--random', '42'];
    for (const [clock, step] of [
      [time, 1000n],
      [`${time},7ns`, 7n],
      [`${time},0`, 0n],
      [`@${Date.parse(time) / 1000},2ms`, 2_000_000n],
    ]) {
      const told = await tell(...flags, '--clock', clock);
      assert.deepEqual(told, { time: expected + step, random: SEED_42 });
    }
  });
}

describe('--deterministic', () => {
  test('fixes both, and both can be chosen', async () => {
    const usual = await tell('--deterministic');
    assert.equal(usual.time, 946_684_800_000_001_000n);
    assert.deepEqual(await tell('--deterministic'), usual);
    assert.deepEqual(await tell('--deterministic', '--random=0'), usual);
    const other = await tell('--deterministic', '--random=42', '--clock=@1,0');
    assert.deepEqual(other, { time: 1_000_000_000n, random: SEED_42 });
    assert.notEqual((await tell()).random, (await tell()).random);
  });

  test('is refused where two runs may differ', async () => {
    const told = (...flags) => refusal('--deterministic', ...flags, 'tell.wat');
    assert.match(await told('--engine=v8'), /^--deterministic needs the engine wasmtime: V8 does/);
    assert.match(await told('--fetch=*'), /^--fetch can't be had with --deterministic$/);
    assert.match(await told('--connect=*:*'), /^--connect can't be had with --deterministic$/);
    assert.match(await told('--listen=*:80'), /^--listen can't be had with --deterministic$/);
    assert.match(
      await told('--dir=.', '--clock=2200-01-01'),
      /^--clock is in the future, where --deterministic can't hide when files in --dir are changed$/,
    );
  });
});

test('values of --clock', () => {
  assert.deepEqual(VALUES.clock('1970-01-01T00:00:00.001Z'), { now: 1_000_000n });
  assert.deepEqual(VALUES.clock('@5,3s'), { now: 5_000_000_000n, step: 3_000_000_000n });
  for (const wrong of [
    '',
    'soon',
    '1969-12-31',
    '@-1',
    '2030-01-31T12:00',
    '2030',
    '@1,',
    '@1,5',
    '@1,-1ns',
    '@1,1ns,1',
    '@1,1m',
    '@999999999999',
  ]) {
    assert.throws(
      () => VALUES.clock(wrong),
      /^Error: (it is a time from 1970 to 2262|a step is 0)/,
      wrong,
    );
  }
});
