// Clocks that functions tell: called when the guest looks, and never else.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ERRNO, Guest } from '../support/guest.mjs';

/** The time of a clock. @param {Guest} guest @param {number} clock */
function timeOf(guest, clock) {
  assert.equal(guest.call('clock_time_get', clock, 0n, 64), ERRNO.SUCCESS);
  return new DataView(guest.memory.buffer).getBigUint64(64, true);
}

/** Sleeps by the monotonic clock. @param {Guest} guest @param {bigint} nanoseconds */
function sleep(guest, nanoseconds) {
  const view = new DataView(guest.memory.buffer);
  new Uint8Array(guest.memory.buffer, 128, 48).fill(0);
  view.setUint32(128 + 16, 1, true);
  view.setBigUint64(128 + 24, nanoseconds, true);
  assert.equal(guest.call('poll_oneoff', 128, 256, 1, 320), ERRNO.SUCCESS);
  assert.equal(view.getUint32(320, true), 1);
}

test('a function tells the time of each look', () => {
  let looks = 0;
  const guest = new Guest({
    clock: { now: () => new Date(1000 * ++looks), monotonic: 1n, step: 2n },
  });
  assert.equal(guest.call('sched_yield'), ERRNO.SUCCESS);
  assert.equal(guest.call('clock_res_get', 0, 64), ERRNO.SUCCESS);
  assert.equal(looks, 0);
  assert.equal(timeOf(guest, 0), 1_000_000_000n);
  assert.equal(timeOf(guest, 0), 2_000_000_000n);
  assert.deepEqual([timeOf(guest, 1), looks], [5n, 3]);
});

test('time that is slept comes on top, and takes none', () => {
  const hour = 3_600_000_000_000n;
  const guest = new Guest({ clock: { now: () => 5n, monotonic: () => 0.5, step: 0 } });
  sleep(guest, hour);
  sleep(guest, 1n);
  assert.deepEqual([timeOf(guest, 0), timeOf(guest, 1)], [hour + 6n, hour + 500_001n]);
});

test('a function may make the memory grow', () => {
  const guest = new Guest({
    clock: {
      now() {
        guest.exports.grow(1);
        return 7n;
      },
    },
  });
  const at = guest.memory.buffer.byteLength;
  assert.equal(guest.call('clock_time_get', 0, 0n, at), ERRNO.SUCCESS);
  assert.equal(new DataView(guest.memory.buffer).getBigUint64(at, true), 7n);
});

test('an error of a function, or a time that is none, ends the call', () => {
  const failing = new Guest({
    clock: {
      now() {
        throw new Error('no clock');
      },
    },
  });
  assert.throws(() => timeOf(failing, 0), { message: 'no clock' });
  for (const wrong of ['now', undefined, -1, Infinity, 2n ** 64n, new Date()]) {
    const guest = new Guest({ clock: { monotonic: () => wrong } });
    assert.throws(() => timeOf(guest, 0), {
      name: 'TypeError',
      code: 'ERR_INVALID_RETURN_VALUE',
      message: /a time of the years 1970 to 2262 .* "options\.clock\.monotonic" function/,
    });
  }
});

test('functions live as long as the guest', () => {
  const guest = new Guest({ clock: { now: () => 3n } });
  globalThis.gc?.();
  assert.equal(timeOf(guest, 0), 3n);
});
