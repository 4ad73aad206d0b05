// Pipes, devices and /proc's magic links open no way out, and keep nobody waiting.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { describe, test } from 'node:test';
import { BOX, SECRET, calls, makeHost, refuseAll, snapshot } from '../support/escape.mjs';
import { ERRNO, FOLLOW, Guest, O, RIGHT } from '../support/guest.mjs';

describe('what is no file', { skip: process.platform !== 'linux' && 'as Linux has it' }, () => {
  test("/proc's magic links, from links that the host has left", (t) => {
    const host = makeHost(t);
    const outside = host.at('outside');
    process.chdir(host.at('outside')); // where /proc/self/cwd leads
    t.after(() => process.chdir('/'));
    const fd = fs.openSync(outside, 'r');
    t.after(() => fs.closeSync(fd));
    fs.symlinkSync(`/proc/self/fd/${fd}`, host.at('box/proc-fd'));
    refuseAll(t, host, [
      'proc',
      `proc-root${outside}`,
      `proc-relative${outside}`,
      'proc-fd',
      `root/proc/self/root${outside}`,
      'root/proc/self/cwd',
      `root/proc/self/fd/${fd}`,
    ]);
  });

  test("/proc's magic links, where /proc/self is itself a preopen", (t) => {
    const { at } = makeHost(t);
    const outside = at('outside');
    const fd = fs.openSync(outside, 'r');
    t.after(() => fs.closeSync(fd));
    const guest = new Guest({ preopens: { '/proc': '/proc/self' } });
    const on = calls(guest);
    const before = snapshot(outside);
    for (const way of ['cwd', 'root', `fd/${fd}`, `root${outside}`, `task/${process.pid}/root`]) {
      for (const end of ['', '/', '/.', '/secret', `${outside}/secret`]) {
        assert.ok(on.open(`${way}${end}`) > 0, `${way}${end}`);
        assert.ok(on.open(`${way}${end}`, { oflags: O.DIRECTORY, rights: 0n }) > 0, `${way}${end}`);
        assert.ok(on.stat(`${way}${end}`, FOLLOW) > 0, `${way}${end}`);
        assert.ok(on.mkdir(`${way}${end}/made`) > 0, `${way}${end}`);
        assert.ok(on.times(`${way}${end}`, FOLLOW) > 0, `${way}${end}`);
      }
    }
    assert.ok(on.open('exe') > 0);
    assert.ok(on.link('exe', 'stolen', FOLLOW) > 0);
    assert.deepEqual(snapshot(outside), before);
    assert.ok(!Buffer.from(guest.memory.buffer).includes(SECRET));
  });

  test('pipes open, or fail to, whoever is or is not at the other end', (t) => {
    const { guest, at } = makeHost(t);
    const made = spawnSync('mkfifo', [at('box/fifo')]);
    if (made.error || made.status !== 0) return t.skip('no mkfifo');
    const reader = guest.open(BOX, 'fifo', { rights: RIGHT.FD_READ });
    assert.ok(reader > 0);
    const writer = guest.open(BOX, 'fifo', { rights: RIGHT.FD_WRITE });
    assert.ok(writer > 0);
    assert.equal(guest.call('fd_close', reader), 0);
    assert.equal(guest.call('fd_close', writer), 0);
    const nonblock = { rights: RIGHT.FD_WRITE, fdflags: 4 };
    assert.equal(guest.open(BOX, 'fifo', nonblock), -ERRNO.NXIO);
    // Without it the guest waits some seconds for a reader, but does not hold the host up for ever.
    assert.equal(guest.open(BOX, 'fifo', { rights: RIGHT.FD_WRITE }), -ERRNO.NXIO);
    const on = calls(guest);
    for (const oflags of [O.CREAT, O.TRUNC, O.CREAT | O.TRUNC]) {
      on.open('fifo', { ...nonblock, oflags });
    }
    assert.equal(on.open('fifo', { oflags: O.CREAT | O.EXCL }), ERRNO.EXIST);
    assert.equal(on.open('fifo', { oflags: O.DIRECTORY }), ERRNO.NOTDIR);
    assert.equal(on.stat('fifo', FOLLOW), 0);
    assert.equal(on.times('fifo', FOLLOW), 0);
    assert.equal(on.rename('fifo', 'renamed'), 0);
    assert.equal(on.link('renamed', 'fifo', FOLLOW), 0);
    assert.equal(on.unlink('fifo'), 0);
    return undefined;
  });

  test('devices open at once', (t) => {
    const { guest, at } = makeHost(t);
    const made = spawnSync('mknod', [at('box/null'), 'c', '1', '3']);
    if (made.error || made.status !== 0) return t.skip('mknod needs rights');
    spawnSync('mknod', [at('box/tty'), 'c', '5', '0']);
    spawnSync('mknod', [at('box/ptmx'), 'c', '5', '2']);
    const fd = guest.open(BOX, 'null');
    if (fd === -2 || fd === -63) return t.skip('mounted without devices');
    assert.ok(fd > 0, `${fd}`);
    assert.equal(guest.read(fd), '');
    assert.equal(guest.write(fd, 'gone'), 0);
    for (const name of ['tty', 'ptmx']) {
      const opened = guest.open(BOX, name);
      assert.ok(Number.isInteger(opened));
      if (opened > 0) assert.equal(guest.call('fd_close', opened), 0);
    }
    return undefined;
  });
});
