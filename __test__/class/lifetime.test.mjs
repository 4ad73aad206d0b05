// What stays and what goes: descriptors, memory, threads, the host's own streams.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ERRNO, Guest } from '../support/guest.mjs';
import { runInChild, runInWorker, startWorker, temporaryFolder } from '../support/host.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const countsDescriptors = fs.existsSync('/proc/self/fd');

/** Runs a script in a child that can collect garbage; `collect(done)` does so until `done()`, at most 100 times. */
async function runCollecting(script, options) {
  const { code, signal, stdout, stderr } = await runInChild(
    `const fs = await import('node:fs');
     const open = () => fs.readdirSync('/proc/self/fd').length;
     async function collect(done) {
       for (let round = 0; round < 100 && !done(); round++) {
         await new Promise(setImmediate); // what a WeakRef gave stays for the turn
         gc();
         await new Promise(setImmediate); // finalizers run from the event loop
       }
     }
     ${script}`,
    { flags: ['--expose-gc'], ...options },
  );
  assert.deepEqual([code, signal], [0, null], stderr);
  return JSON.parse(stdout);
}

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

describe('threads', () => {
  const work = `
    for (let round = 0; round < 40; round++) {
      const guest = new Guest({ args: [String(workerData)], preopens: { '/': '/' } });
      if (guest.args[0] !== String(workerData)) throw new Error('args');
      if (guest.call('random_get', 0, 65536) !== 0) throw new Error('random_get');
      if (guest.open(3, 'no-such-file') !== -44) throw new Error('path_open');
    }
    parentPort.postMessage('done');`;

  test('eight at once, each making objects', async () => {
    const numbers = Array.from({ length: 8 }, (_, index) => index);
    const ends = await Promise.all(numbers.map((workerData) => runInWorker(work, { workerData })));
    assert.deepEqual(ends, Array(8).fill({ code: 0, messages: ['done'] }));
  });

  test('one after the other, again and again', async () => {
    for (let round = 0; round < 5; round++) {
      assert.deepEqual(await runInWorker(work, { workerData: round }), {
        code: 0,
        messages: ['done'],
      });
    }
  });

  test(
    'a thread that ended closes what it had open',
    { skip: !countsDescriptors && 'needs /proc' },
    async () => {
      const { before, after } = await runCollecting(`
        const { Worker } = await import('node:worker_threads');
        const run = () => new Promise((resolve, reject) => new Worker(
          'const { WASI } = require(process.argv[2]);' +
          'globalThis.kept = Array.from({ length: 20 }, () =>' +
          '  new WASI({ version: "preview1", preopens: { "/": "/" } }));',
          { eval: true, execArgv: [], argv: [${JSON.stringify(root)}] },
        ).on('exit', resolve).on('error', reject));
        await run();
        const before = open();
        for (let round = 0; round < 5; round++) await run();
        await collect(() => open() <= before);
        console.log(JSON.stringify({ before, after: open() }));`);
      assert.equal(after, before);
    },
  );

  test('terminated while idle', async () => {
    for (let round = 0; round < 10; round++) {
      const worker = startWorker(`
        globalThis.kept = Array.from({ length: 10 }, () => new Guest({ preopens: { '/': '/' } }));
        parentPort.on('message', () => {});
        parentPort.postMessage('idle');`);
      await new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject));
      assert.equal(await worker.terminate(), 1);
    }
  });

  test('terminated while its guest calls without end', async () => {
    for (let round = 0; round < 5; round++) {
      const worker = startWorker(`
        const guest = new Guest({}, { bind: false });
        const module = wat(\`(module
          (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
          (memory (export "memory") 1)
          (func (export "_start")
            (loop $forever (drop (call $random (i32.const 0) (i32.const 8))) (br $forever))))\`);
        const instance = new WebAssembly.Instance(module, guest.wasi.getImportObject());
        parentPort.postMessage('busy');
        guest.wasi.start(instance);`);
      await new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject));
      assert.equal(await worker.terminate(), 1);
    }
  });

  test('terminated at any moment of making objects', async () => {
    for (let round = 0; round < 8; round++) {
      const worker = startWorker(`
        parentPort.postMessage('begins');
        for (;;) {
          const guest = new Guest({ preopens: { '/': '/' } }, { start: '(call $proc_exit (i32.const 1))' });
          if (guest.result !== 1) throw new Error('start');
        }`);
      await new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject));
      assert.equal(await worker.terminate(), 1);
    }
  });
});

describe('a stack that is almost full', () => {
  /** Recurses to the end of the stack, and makes calls at each depth on the way. */
  const recurse = `
    const guest = new Guest({ preopens: { '/': '/tmp' } }, { bind: false });
    const ns = '"wasi_snapshot_preview1"';
    const module = wat(\`(module
      (import \${ns} "path_filestat_get" (func $stat (param i32 i32 i32 i32 i32) (result i32)))
      (import \${ns} "path_readlink" (func $readlink (param i32 i32 i32 i32 i32 i32) (result i32)))
      (import \${ns} "path_link" (func $link (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
      (import \${ns} "fd_readdir" (func $readdir (param i32 i32 i32 i64 i32) (result i32)))
      (import \${ns} "random_get" (func $random (param i32 i32) (result i32)))
      (memory (export "memory") 1)
      (data (i32.const 0) "a/../b/../c/../d/x")
      (func $f (export "_start")
        (drop (call $stat (i32.const 3) (i32.const 1) (i32.const 0) (i32.const 18) (i32.const 64)))
        (drop (call $readlink (i32.const 3) (i32.const 0) (i32.const 1) (i32.const 4096) (i32.const 4096) (i32.const 128)))
        (drop (call $link (i32.const 3) (i32.const 1) (i32.const 0) (i32.const 18) (i32.const 3) (i32.const 0) (i32.const 18)))
        (drop (call $readdir (i32.const 3) (i32.const 4096) (i32.const 256) (i64.const 0) (i32.const 128)))
        (drop (call $random (i32.const 4096) (i32.const 9)))
        (call $f)))\`);
    const instance = new WebAssembly.Instance(module, guest.wasi.getImportObject());
    let thrown;
    try { guest.wasi.start(instance); } catch (error) { thrown = error.name; }`;

  test('is a RangeError in the main thread, and the process lives', async () => {
    const child = await runInChild(`${recurse} process.stdout.write(thrown);`);
    assert.deepEqual(child, { code: 0, signal: null, stdout: 'RangeError', stderr: '' });
  });

  test('is a RangeError in a worker with a small stack, and the thread lives', async () => {
    const ends = await runInWorker(`${recurse} parentPort.postMessage(thrown);`, {
      resourceLimits: { stackSizeMb: 1 },
    });
    assert.deepEqual(ends, { code: 0, messages: ['RangeError'] });
  });
});

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
