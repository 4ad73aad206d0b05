// The host's own streams and descriptors outlive the guests that have them.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { runCollecting } from '../support/collect.mjs';
import { ERRNO, Guest } from '../support/guest.mjs';
import { runInChild, temporaryFolder } from '../support/host.mjs';

describe("the host's own streams", () => {
  const finish = `
    await new Promise((resolve) => process.stdout.write('stdout lives', resolve));
    await new Promise((resolve) => process.stderr.write('stderr lives', resolve));`;
  const alive = { code: 0, signal: null, stdout: 'stdout lives', stderr: 'stderr lives' };

  test('outlive a guest that closes 0, 1 and 2', async () => {
    const child = await runInChild(`
      const guest = new Guest();
      for (const fd of [0, 1, 2]) {
        if (guest.call('fd_close', fd) !== 0) throw new Error('fd_close');
        if (guest.call('fd_close', fd) !== 8) throw new Error('fd_close again');
      }
      ${finish}`);
    assert.deepEqual(child, alive);
  });

  test('outlive a guest that renumbers files over them', async (t) => {
    const folder = temporaryFolder(t);
    const child = await runInChild(`
      const guest = new Guest({ preopens: { '/': ${JSON.stringify(folder)} } });
      for (const fd of [0, 1, 2]) {
        const file = guest.open(3, 'file' + fd, { oflags: 1 });
        if (guest.call('fd_renumber', file, fd) !== 0) throw new Error('fd_renumber');
        if (guest.write(fd, 'to the file') !== 0) throw new Error('fd_write');
      }
      ${finish}`);
    assert.deepEqual(child, alive);
    for (const fd of [0, 1, 2]) {
      assert.equal(fs.readFileSync(path.join(folder, `file${fd}`), 'utf8'), 'to the file');
    }
  });

  test('outlive guests that are collected', async () => {
    const child = await runInChild(
      `for (let round = 0; round < 5; round++) {
         for (let index = 0; index < 20; index++) new Guest();
         gc();
         await new Promise(setImmediate);
       }
       ${finish}`,
      { flags: ['--expose-gc'] },
    );
    assert.deepEqual(child, alive);
  });

  test('stdin is still there to be read by Node', async () => {
    const child = await runInChild(
      `const guest = new Guest();
       const first = guest.read(0, 6);
       guest.call('fd_close', 0);
       let rest = '';
       for await (const chunk of process.stdin) rest += chunk;
       process.stdout.write(JSON.stringify({ first, rest }));`,
      { input: 'guest then host' },
    );
    assert.deepEqual(JSON.parse(child.stdout), { first: 'guest ', rest: 'then host' });
  });

  test("a guest's O_NONBLOCK is its own", async () => {
    const child = await runInChild(
      `const guest = new Guest();
       for (const fd of [0, 1, 2]) {
         if (guest.call('fd_fdstat_set_flags', fd, 4) !== 0) throw new Error('set_flags');
       }
       const fs = await import('node:fs');
       process.stdout.write(fs.readFileSync(0, 'utf8'));`,
      { input: 'z'.repeat(300000) },
    );
    assert.deepEqual([child.code, child.stdout.length], [0, 300000], child.stderr);
  });

  test('given as stdin, stdout and stderr stay open, whatever becomes of the guest', async (t) => {
    const folder = temporaryFolder(t);
    const file = path.join(folder, 'stream');
    const found = await runCollecting(`
      const found = {};
      for (const end of ['closes', 'renumbers', 'is collected']) {
        const fd = fs.openSync(${JSON.stringify(file)}, 'w+');
        const { ino } = fs.fstatSync(fd);
        const run = () => {
          const guest = new Guest({
            stdin: fd, stdout: fd, stderr: fd, preopens: { '/': ${JSON.stringify(folder)} },
          });
          const ref = new WeakRef(guest.wasi);
          if (guest.write(1, 'guest ') !== 0) throw new Error('fd_write');
          for (const stream of [0, 1, 2]) {
            if (end === 'closes') guest.call('fd_close', stream);
            if (end === 'renumbers') guest.call('fd_renumber', guest.open(3, 'stream'), stream);
          }
          return ref;
        };
        const ref = run();
        await collect(() => ref.deref() === undefined);
        await collect(() => false); // finalizers have run
        fs.writeSync(fd, 'host');
        found[end] = [fs.fstatSync(fd).ino === ino, fs.readFileSync(${JSON.stringify(file)}, 'utf8')];
        fs.closeSync(fd);
      }
      console.log(JSON.stringify(found));`);
    const kept = [true, 'guest host'];
    assert.deepEqual(found, { closes: kept, renumbers: kept, 'is collected': kept });
  });

  test('that the host has closed are an errno to the guest, or what the host opened since', (t) => {
    const folder = temporaryFolder(t);
    const fd = fs.openSync(path.join(folder, 'first'), 'w');
    const guest = new Guest({ stdout: fd, preopens: { '/': folder } });
    assert.equal(guest.write(1, 'first'), 0);
    fs.closeSync(fd);
    const errno = guest.write(1, 'to nobody');
    assert.ok(errno === ERRNO.BADF || errno === 0, `${errno}`);
    assert.ok([0, ERRNO.BADF].includes(guest.call('fd_fdstat_get', 1, 0)));
    assert.ok([0, ERRNO.BADF].includes(guest.call('fd_filestat_get', 1, 0)));
    assert.equal(guest.call('fd_close', 1), 0);
    assert.ok(guest.open(3, 'first') > 0);
  });
});
