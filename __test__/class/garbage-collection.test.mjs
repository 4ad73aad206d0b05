// Objects that nobody holds go, with their descriptors and memory; what is held lives.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { countsDescriptors, runCollecting } from '../support/collect.mjs';
import { temporaryFolder } from '../support/host.mjs';

describe('objects that nobody holds', () => {
  test(
    '2000 with preopens leave no descriptor behind',
    { skip: !countsDescriptors && 'needs /proc' },
    async () => {
      const { before, most, after } = await runCollecting(`
        new Guest({ preopens: { '/': '/', '/tmp': '/tmp' } });
        await collect(() => false);
        const before = open();
        let most = 0;
        for (let made = 0; made < 2000; made += 50) {
          for (let index = 0; index < 50; index++) {
            new WASI({ version: 'preview1', preopens: { '/': '/', '/tmp': '/tmp' } });
          }
          most = Math.max(most, open());
          await collect(() => open() <= before);
        }
        console.log(JSON.stringify({ before, most, after: open() }));`);
      assert.ok(most >= before + 100, 'the preopens were open');
      assert.equal(after, before);
    },
  );

  test(
    'guests that ran, opened files and were left leave no descriptor behind',
    { skip: !countsDescriptors && 'needs /proc' },
    async (t) => {
      const folder = temporaryFolder(t);
      fs.writeFileSync(path.join(folder, 'file'), 'text');
      const { before, most, after } = await runCollecting(`
        const run = () => {
          const guest = new Guest({ preopens: { '/': ${JSON.stringify(folder)} } });
          for (let index = 0; index < 5; index++) {
            if (guest.open(3, 'file') < 0) throw new Error('open');
          }
        };
        run();
        await collect(() => false);
        const before = open();
        let most = 0;
        for (let round = 0; round < 10; round++) {
          for (let index = 0; index < 20; index++) run();
          most = Math.max(most, open());
          await collect(() => open() <= before);
        }
        console.log(JSON.stringify({ before, most, after: open() }));`);
      assert.ok(most >= before + 6);
      assert.equal(after, before);
    },
  );

  test('memory is bounded', async () => {
    const { first, last } = await runCollecting(`
      const args = ['x'.repeat(10000)];
      const env = { LONG: 'y'.repeat(10000) };
      const make = async (count) => {
        for (let made = 0; made < count; made += 50) {
          for (let index = 0; index < 50; index++) {
            new WASI({ version: 'preview1', args, env, preopens: { '/': '/' } });
          }
          await collect(() => gcRounds++ % 3 === 2);
        }
        return process.memoryUsage().rss;
      };
      let gcRounds = 0;
      const first = await make(2000);
      const last = await make(4000);
      console.log(JSON.stringify({ first, last }));`);
    // 4000 objects have at least 80 MB of strings.
    assert.ok(last - first < 40e6, `${first} bytes after 2000 objects, ${last} after 6000`);
  });

  test('bindings to other memories do not pile up', async () => {
    const { first, last } = await runCollecting(`
      const wasi = new WASI({ version: 'preview1' });
      const setMemory = Object.getOwnPropertySymbols(wasi).find(
        ({ description }) => description === 'kSetMemory');
      const bind = async (count) => {
        for (let index = 0; index < count; index++) {
          wasi[setMemory](new WebAssembly.Memory({ initial: 16 }));
          new Uint8Array(wasi.wasiImport.random_get(0, 16));
          if (index % 20 === 0) await collect(() => rounds++ % 3 === 2);
        }
        return process.memoryUsage().rss;
      };
      let rounds = 0;
      const first = await bind(500);
      const last = await bind(1500);
      console.log(JSON.stringify({ first, last }));`);
    assert.ok(last - first < 40e6, `${first} bytes after 500, ${last} after 2000`);
  });
});

describe('what is held lives', () => {
  test('functions of wasiImport, when the object and the instance are gone', async (t) => {
    const folder = temporaryFolder(t);
    fs.writeFileSync(path.join(folder, 'file'), 'still here');
    const found = await runCollecting(`
      const make = () => {
        const guest = new Guest({ args: ['held'], preopens: { '/': ${JSON.stringify(folder)} } });
        const fd = guest.open(3, 'file');
        guest.iovecs(0, [64, 100]);
        const { fd_read, args_sizes_get, proc_exit } = guest.wasi.wasiImport;
        const gone = [guest, guest.wasi, guest.wasi.wasiImport, guest.instance].map(
          (object) => new WeakRef(object));
        return { fd, fd_read, args_sizes_get, proc_exit, memory: guest.memory, gone };
      };
      const { fd, fd_read, args_sizes_get, proc_exit, memory, gone } = make();
      await collect(() => gone.every((ref) => ref.deref() === undefined));
      const left = gone.map((ref) => typeof ref.deref());
      const errno = fd_read(fd, 0, 1, 32);
      const text = Buffer.from(memory.buffer, 64, 10).toString();
      let thrown;
      try { proc_exit(3); } catch (error) { thrown = String(error); }
      console.log(JSON.stringify({ left, errno, text, sizes: args_sizes_get(40, 44), thrown }));`);
    assert.deepEqual(found, {
      left: Array(4).fill('undefined'),
      errno: 0,
      text: 'still here',
      sizes: 0,
      thrown: 'Symbol(kExitCode)',
    });
  });

  test('one function alone, called from WebAssembly whose instance is all that is left', async () => {
    const found = await runCollecting(`
      const make = () => {
        const guest = new Guest({ args: ['a', 'b', 'c'] });
        const gone = [guest, guest.wasi].map((object) => new WeakRef(object));
        return { call: guest.exports.args_sizes_get, memory: guest.memory, gone };
      };
      const { call, memory, gone } = make();
      await collect(() => gone.every((ref) => ref.deref() === undefined));
      const errno = call(0, 4);
      const [count] = new Uint32Array(memory.buffer);
      console.log(JSON.stringify({ left: gone.map((ref) => typeof ref.deref()), errno, count }));`);
    assert.deepEqual(found, { left: ['undefined', 'undefined'], errno: 0, count: 3 });
  });

  test('a memory that nothing else holds, while a function is called from JavaScript', async () => {
    const found = await runCollecting(`
      const wasi = new WASI({ version: 'preview1' });
      wasi.initialize({ exports: { memory: new WebAssembly.Memory({ initial: 4 }) } });
      wasi[Object.getOwnPropertySymbols(wasi).find(
        ({ description }) => description === 'kInstance')] = undefined;
      const errnos = new Set();
      await collect(() => {
        try {
          errnos.add(wasi.wasiImport.random_get(3 * 65536, 65536));
        } catch (error) {
          errnos.add(error.code);
        }
        return false;
      });
      console.log(JSON.stringify([...errnos]));`);
    // It is alive, or known to be gone; never a stale address.
    assert.ok(
      [[0], [0, 'ERR_WASI_NOT_STARTED']].some((one) => one.join() === found.join()),
      found,
    );
  });

  test('objects survive a collection between construction and start', async () => {
    const codes = await runCollecting(`
      const codes = new Set();
      for (let round = 0; round < 20; round++) {
        const guest = new Guest({ args: ['x'.repeat(round)] },
          { start: '(call $proc_exit (i32.const 5))', bind: false });
        let times = 0;
        await collect(() => times++ === 2);
        codes.add(guest.wasi.start(guest.instance));
        if (guest.args[0].length !== round) throw new Error('args');
      }
      console.log(JSON.stringify([...codes]));`);
    assert.deepEqual(codes, [5]);
  });

  test('numbers of guests that went are given anew, and old functions do not reach new guests', async () => {
    const found = await runCollecting(`
      let wrong = 0;
      let held = [];
      for (let round = 0; round < 40; round++) {
        const guests = Array.from({ length: 20 }, (_, index) => {
          const name = round + '.' + index;
          return { guest: new Guest({ args: [name] }), name };
        });
        for (const { guest, name } of [...held, ...guests]) if (guest.args[0] !== name) wrong += 1;
        held = guests.filter((_, index) => index % 7 === round % 7);
        let times = 0;
        await collect(() => times++ === 2);
      }
      console.log(JSON.stringify({ wrong }));`);
    assert.deepEqual(found, { wrong: 0 });
  });
});
