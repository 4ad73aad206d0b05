// What one call with gigantic parameters makes the host allocate is bounded.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { runInChild } from '../support/host.mjs';

describe('what a guest can cost the host', () => {
  // The guest's memory is only reserved: it costs the process nothing until it is touched.
  for (const [name, calls] of Object.entries({
    'poll_oneoff with millions of subscriptions': `
      const count = Math.floor(size / 48);
      guest.bytes(48 * (count - 1) + 8, 1)[0] = 99; // the last is of no known type
      errnos.push(guest.call('poll_oneoff', 0, 0, count, 0));`,
    'fd_read and fd_write with millions of iovecs': `
      const count = Math.floor(size / 8) - 1;
      guest.iovecs(size - 16, [size - 1, 2]); // the last reaches outside
      for (const name of ['fd_read', 'fd_write']) {
        errnos.push(guest.call(name, name === 'fd_read' ? 0 : 1, 0, count + 1, 0));
      }`,
    'paths of many megabytes': `
      for (const name of ['path_create_directory', 'path_unlink_file', 'path_remove_directory']) {
        errnos.push(guest.call(name, 3, 0, size));
      }
      errnos.push(guest.call('path_symlink', 0, size, 3, 0, size));
      errnos.push(guest.call('path_rename', 3, 0, size, 3, 0, size));`,
  })) {
    test(name, async () => {
      const { code, signal, stdout, stderr } = await runInChild(`
        const guest = new Guest({ preopens: { '/': '/' } }, { memory: '1 65536' });
        guest.memory.grow(4095);
        const size = guest.memory.buffer.byteLength;
        guest.call('sched_yield');
        const errnos = [];
        const before = process.resourceUsage().maxRSS;
        ${calls}
        const grown = (process.resourceUsage().maxRSS - before) * 1024;
        console.log(JSON.stringify({ grown, errnos }));`);
      assert.deepEqual([code, signal], [0, null], stderr);
      const { grown, errnos } = JSON.parse(stdout);
      assert.ok(errnos.every((errno) => errno > 0));
      assert.ok(grown < 32e6, `the process has grown by ${grown} bytes`);
    });
  }
});
