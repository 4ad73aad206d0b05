// A guest gets nowhere while the host exchanges folders and links.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { BOX, SECRET, calls, snapshot } from '../support/escape.mjs';
import { FOLLOW, Guest, O, RIGHT } from '../support/guest.mjs';
import { startWorker, temporaryFolder } from '../support/host.mjs';

describe('a race', () => {
  const ROUNDS = 50_000;

  test("between the guest and a host that puts links in a folder's and a file's place", async (t) => {
    const root = temporaryFolder(t);
    const at = (...names) => path.join(root, ...names);
    for (const folder of ['box/real', 'box/store', 'outside/empty']) {
      fs.mkdirSync(at(folder), { recursive: true });
    }
    // Inside and outside everything has the same names; sizes and contents tell them apart.
    fs.writeFileSync(at('outside/secret'), SECRET);
    fs.writeFileSync(at('box/real/secret'), 'decoy');
    fs.writeFileSync(at('box/decoy'), 'decoy');
    const guest = new Guest({ preopens: { '/box': at('box') } });
    const before = snapshot(at('outside'));

    // `dir` is a folder, nothing, or a link; `via` and `leaf` are links that lead inside or outside.
    const state = new Int32Array(new SharedArrayBuffer(8));
    const [SWAPS, STOP] = [0, 1];
    const worker = startWorker(
      `const fs = await import('node:fs');
       const { box, outside, state } = workerData;
       const at = (name) => box + '/' + name;
       const link = (target, name) => {
         fs.symlinkSync(target, at('new'));
         fs.renameSync(at('new'), at(name));
       };
       link('../outside', 'way');
       for (let swap = 0; Atomics.load(state, 1) === 0; swap++) {
         const out = swap % 2 ? '../outside' : outside;
         fs.renameSync(at('real'), at('dir'));
         fs.renameSync(at('dir'), at('real'));
         link(out, 'via');
         link('real', 'via');
         fs.renameSync(at('way'), at('dir'));
         fs.renameSync(at('dir'), at('way'));
         link(out + '/secret', 'leaf');
         link('decoy', 'leaf');
         Atomics.add(state, 0, 1);
         Atomics.notify(state, 0);
       }`,
      { box: at('box'), outside: at('outside'), state },
    );
    t.after(() => worker.terminate());
    const exit = new Promise((resolve, reject) => worker.on('exit', resolve).on('error', reject));
    Atomics.wait(state, SWAPS, 0, 30_000);

    const on = calls(guest);
    const escapes = [];
    /** Opens, and uses what was opened. */
    const opened = (name, options, use) => {
      const fd = guest.open(BOX, name, options);
      if (fd < 0) return -fd;
      use(fd);
      return guest.call('fd_close', fd);
    };
    const read = (name) =>
      opened(name, { rights: RIGHT.FD_READ }, (fd) => {
        const text = guest.read(fd, 64);
        if (!['decoy', ''].includes(text)) escapes.push(`${name}: ${text}`);
      });
    const create = (name) => opened(name, { oflags: O.CREAT }, () => {});
    const cut = (name) =>
      opened(name, { oflags: O.TRUNC, rights: RIGHT.FD_WRITE }, (fd) => guest.write(fd, 'decoy'));
    const others = {
      cut: (dir) => cut(`${dir}/secret`),
      'cut leaf': () => cut('leaf'),
      list: (dir) =>
        opened(dir, { oflags: O.DIRECTORY, rights: 0n }, (fd) => {
          guest.call('fd_readdir', fd, 8192, 4096, 0, 32);
          if (guest.bytes(8192, guest.u32(32)).includes('empty')) escapes.push(`listed ${dir}`);
        }),
      stat: (dir) => {
        const errno = on.stat(`${dir}/secret`, FOLLOW);
        if (errno === 0 && guest.u64(64 + 32) === BigInt(SECRET.length)) escapes.push('stat');
        return errno;
      },
      'stat leaf': () => {
        const errno = on.stat('leaf', FOLLOW);
        if (errno === 0 && guest.u64(64 + 32) === BigInt(SECRET.length)) escapes.push('stat leaf');
        return errno;
      },
      times: (dir) => on.times(`${dir}/secret`, 0),
      'times, following': (dir) => on.times(dir, FOLLOW),
      'times of leaf': () => on.times('leaf', FOLLOW),
      mkdir: (dir) => on.mkdir(`${dir}/sub`),
      rmdir: (dir) => on.rmdir(`${dir}/empty`),
      unlink: (dir) => on.unlink(`${dir}/made`),
      rename: (dir) => on.rename(`${dir}/secret`, `${dir}/secret2`),
      'rename back': (dir) => on.rename(`${dir}/secret2`, `${dir}/secret`),
      symlink: (dir) => on.symlink('x', `${dir}/made`),
      link: (dir) => {
        const errno = on.link(`${dir}/secret`, 'store/stolen');
        if (errno === 0) on.unlink('store/stolen');
        return errno;
      },
      'link leaf': () => {
        const errno = on.link('leaf', 'store/stolen', FOLLOW);
        if (errno === 0) {
          read('store/stolen');
          on.unlink('store/stolen');
        }
        return errno;
      },
    };
    const tries = Object.entries(others);

    let attempts = 0;
    const outcomes = {};
    const attempt = (name, run, dir) => {
      attempts += 1;
      const errno = run(dir);
      outcomes[name] ??= {};
      outcomes[name][errno] = (outcomes[name][errno] ?? 0) + 1;
    };
    for (let round = 0; round < ROUNDS; round++) {
      const dir = round % 2 ? 'dir' : 'via';
      attempt('read', read, `${dir}/secret`);
      attempt('create', create, `${dir}/made`);
      attempt('read leaf', read, 'leaf');
      attempt(...tries[(round >> 1) % tries.length], dir);
    }
    const swaps = Atomics.load(state, SWAPS);
    Atomics.store(state, STOP, 1);
    assert.equal(await exit, 0);
    t.diagnostic(`${attempts} attempts during ${swaps} swaps, ${escapes.length} escapes`);
    for (const [name, errnos] of Object.entries(outcomes)) {
      t.diagnostic(`${name}: ${JSON.stringify(errnos).replaceAll('"', '')}`);
    }
    assert.deepEqual(escapes, []);
    assert.deepEqual(snapshot(at('outside')), before);
    assert.ok(!Buffer.from(guest.memory.buffer).includes(SECRET));
  });
});
