// What ends a program ends it wherever it is: in a write that nobody takes, behind a stopped terminal, in a call over
// gigabytes. Before, each of these took until somebody read, or for ever.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { describe, test } from 'node:test';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { HANGS, startWorker, temporaryFolder } from '../support/host.mjs';
import { makeSpawn } from '../support/engine.mjs';
import { SPIN, program } from '../support/programs.mjs';

const index = fileURLToPath(new URL('../../index.js', import.meta.url));
const cli = fileURLToPath(new URL('../../cli/main.js', import.meta.url));
const IS_WINDOWS = process.platform === 'win32' && 'needs a Unix';
const has = (command, ...args) => {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

/** Long enough for a busy machine, and less than a minute: what ends by itself took for ever. */
const SOON = 60_000;

/** What a system call's parameters are made of. */
const i32 = (...numbers) => numbers.map((number) => `(i32.const ${number})`).join(' ');
const iovec = (address, length) => `(i32.store ${i32(0, address)}) (i32.store ${i32(4, length)})`;
const MEMORY = '(memory (export "memory") 40)';
const opens = (name, rights) => `(call $path_open ${i32(3, 1, 4096, name.length, 0)}
  (i64.const ${rights}) (i64.const 0) ${i32(0, 16)})`;
const named = (name) => `(data (i32.const 4096) "${name}")`;

/** Writes a mebibyte at a time, which no pipe and no socket has room for. */
const WRITES = program(
  `(loop $l ${iovec(65536, 1048576)} (drop (call $fd_write ${i32(1, 0, 1, 8)})) (br $l))`,
  { memory: MEMORY },
);
/** Makes calls that are traced, for ever. */
const CALLS = program(`(loop $l (drop (call $args_sizes_get ${i32(0, 8)})) (br $l))`);
/** Makes calls that wait for nothing and take long, for ever. */
const RANDOM = program(`(loop $l (drop (call $random_get ${i32(65536, 2 ** 28)})) (br $l))`, {
  memory: '(memory (export "memory") 4200)',
});
const READS_FIFO = program(
  `(drop ${opens('fifo', 2)}) ${iovec(65536, 100)}
  (drop (call $fd_read (i32.load (i32.const 16)) ${i32(0, 1, 8)})) (call $proc_exit (i32.load (i32.const 8)))`,
  { memory: MEMORY, items: named('fifo') },
);
const OPENS_FIFO = program(`(call $proc_exit ${opens('fifo', 64)})`, {
  memory: MEMORY,
  items: named('fifo'),
});

/** Runs a program that has to be ended after a moment, in one of the places; writes what came of it to a file. */
const HOST = `
  const fs = require('node:fs');
  const { Worker } = require('node:worker_threads');
  const { index, place, program, out, options, exit } = JSON.parse(process.env.ENDING);
  const bytes = fs.readFileSync(program);
  const tell = (answer) => fs.writeFileSync(out, JSON.stringify(answer));
  const streams = { stdin: 'inherit', stdout: 'inherit', stderr: 'inherit' };
  const moment = 300;
  if (exit !== undefined) setTimeout(() => process.exit(exit), moment);
  if (place === 'worker') {
    const worker = new Worker(\`
      const { parentPort, workerData: { index, bytes, options } } = require('node:worker_threads');
      const { WASI } = require(index);
      const wasi = new WASI({ version: 'preview1', ...options });
      const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), wasi.getImportObject());
      parentPort.postMessage('begins');
      wasi.start(instance);
      parentPort.postMessage('came back');\`, {
      eval: true, workerData: { index, bytes, options },
      stdout: true, stderr: true, // or Node makes this process's own non-blocking
    });
    const heard = [];
    worker.on('message', (message) => {
      if (heard.push(message) > 1 || exit !== undefined) return;
      setTimeout(() => worker.terminate().then((code) => tell({ code, heard })), moment);
    });
  } else {
    const { run } = require(index);
    const timeout = exit === undefined ? moment : undefined;
    run(bytes, { engine: place, cache: false, ...streams, timeout, ...options })
      .then(({ exitCode }) => tell({ exitCode }), ({ code }) => tell({ code }));
  }`;

/** How each place says that it has ended a program. */
const ENDED = {
  wasmtime: { code: 'ERR_WASI_TIMEOUT' },
  v8: { code: 'ERR_WASI_TIMEOUT' },
  worker: { code: 1, heard: ['begins'] },
};

/**
 * Has a host run a program and waits for the host's end.
 *
 * @returns {Promise<{ answer: unknown, code: number | null }>}
 */
async function host(t, place, bytes, { stdio, options, exit, command = [], ...rest } = {}) {
  const folder = temporaryFolder(t);
  fs.chmodSync(folder, 0o777);
  const [wasm, out] = ['program.wasm', 'answer'].map((name) => path.join(folder, name));
  fs.writeFileSync(wasm, new Uint8Array(bytes));
  const ENDING = JSON.stringify({ index, place, program: wasm, out, options, exit });
  const env = { ...process.env, ENDING };
  const [file, ...args] = [...command, process.execPath, '-e', HOST];
  const child = spawn(file, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env,
    ...rest,
    ...(stdio && { stdio }),
  });
  t.after(() => child.kill('SIGKILL'));
  // Not 'close': nobody reads what it has written.
  const [code] = await once(child, 'exit');
  child.stdout?.destroy();
  child.stderr?.destroy();
  return { answer: fs.existsSync(out) ? JSON.parse(fs.readFileSync(out)) : undefined, code };
}

const limits = { timeout: SOON, skip: IS_WINDOWS };

for (const place of ['wasmtime', 'v8', 'worker']) {
  describe(`in ${place === 'worker' ? 'the class in a worker' : place}`, () => {
    const ends = async (t, bytes, rest) => {
      const { answer, code } = await host(t, place, bytes, rest);
      assert.deepEqual(answer, ENDED[place]);
      assert.equal(code, 0);
    };

    test('a write to a socket that nobody reads', limits, (t) => ends(t, WRITES));

    test('a process exits meanwhile', limits, async (t) => {
      for (const bytes of [WRITES, RANDOM]) {
        assert.equal((await host(t, place, bytes, { exit: 7 })).code, 7);
      }
    });

    test('a write to a pipe of another user', limits, async (t) => {
      if (process.getuid() !== 0) return t.skip('needs root');
      const nobody = { uid: 65534, gid: 65534 };
      const read = `require('node:fs').accessSync(${JSON.stringify(index)})`;
      const { status } = spawnSync(process.execPath, ['-e', read], { stdio: 'ignore', ...nobody });
      if (status !== 0) return t.skip('the package is not for others to read');
      // The kernel can't be told not to wait for it, and nobody else may open it anew.
      const fifo = path.join(temporaryFolder(t), 'fifo');
      execFileSync('mkfifo', ['-m', '600', fifo]);
      const both = fs.openSync(fifo, 'r+');
      t.after(() => fs.closeSync(both));
      await ends(t, WRITES, { stdio: ['ignore', both, 'inherit'], ...nobody });
    });

    for (const stopped of [false, true]) {
      test(`a write to a terminal that ${stopped ? 'is stopped' : 'nobody reads'}`, limits, (t) => {
        if (!has('python3', '-c', 'import pty, termios')) return t.skip('needs Python');
        const script = `
import os, pty, sys, termios
master, slave = pty.openpty()
${stopped ? 'termios.tcflow(slave, termios.TCOOFF)' : ''}
if os.fork() == 0:
    os.dup2(slave, 1)
    os.execvp(sys.argv[1], sys.argv[1:])
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))`;
        return ends(t, WRITES, { command: ['python3', '-c', script] });
      });
    }

    test('a trace that nobody reads', limits, (t) =>
      ends(t, CALLS, { options: { trace: true }, stdio: ['ignore', 'ignore', 'pipe'] }),
    );

    test('a named pipe that nobody opens at its other end', limits, async (t) => {
      const folder = temporaryFolder(t);
      execFileSync('mkfifo', [path.join(folder, 'fifo')]);
      for (const bytes of [READS_FIFO, OPENS_FIFO]) {
        await ends(t, bytes, { options: { preopens: { '/': folder } } });
      }
    });

    test('a loop, as before', limits, (t) => ends(t, program(SPIN)));
  });
}

describe('on the command line', () => {
  for (const engine of ['wasmtime', 'v8']) {
    /** @param {string[]} flags @param {(child: import('node:child_process').ChildProcess) => void} [when] */
    const start = async (t, flags, when) => {
      const folder = temporaryFolder(t);
      const wasm = path.join(folder, 'writes.wasm');
      fs.writeFileSync(wasm, new Uint8Array(WRITES));
      const child = spawn(process.execPath, [cli, '--engine', engine, ...flags, wasm], {
        stdio: ['ignore', 'pipe', 'ignore'],
        env: { ...process.env, WASI_RS_CACHE: path.join(folder, 'cache') },
      });
      t.after(() => child.kill('SIGKILL'));
      when?.(child);
      const [code, signal] = await once(child, 'exit');
      child.stdout.destroy();
      return { code, signal };
    };

    test(`--timeout ends a write that nobody takes, in ${engine}`, limits, async (t) => {
      assert.deepEqual(await start(t, ['--timeout', '300ms']), { code: 124, signal: null });
    });

    test(`so does SIGINT, in ${engine}`, limits, async (t) => {
      const interrupt = (child) => child.stdout.once('readable', () => child.kill('SIGINT'));
      assert.deepEqual(await start(t, ['--timeout', '1h'], interrupt), {
        code: null,
        signal: 'SIGINT',
      });
    });
  }
});

/**
 * A file system that is deaf to the second name it is asked for.
 *
 * @returns {Promise<{ folder: string, asked: () => Promise<unknown>, end: () => Promise<void> } | undefined>} where it is;
 *   when somebody waits for it; and, to let them go on, its end. Nothing where it can't be had.
 */
async function deafFileSystem(t) {
  const folder = temporaryFolder(t);
  const script = fileURLToPath(new URL('../support/deaf.py', import.meta.url));
  const server = spawn('python3', [script, folder], { stdio: ['ignore', 'pipe', 'ignore'] });
  const end = async () => {
    if (server.pid === undefined || server.exitCode !== null || server.signalCode !== null) return;
    server.kill('SIGKILL');
    await once(server, 'exit');
    spawnSync('umount', ['-l', folder]);
  };
  t.after(end);
  const lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
  const failed = once(server, 'error').then(() => ({ done: true }));
  const { done } = await Promise.race([lines.next(), failed]);
  return done ? undefined : { folder, end, asked: () => lines.next() };
}

describe('a call that the kernel is at', { skip: process.platform !== 'linux' && 'FUSE' }, () => {
  const NEEDS = 'needs Python, and the right to mount';
  const ASKS = program(
    `(drop ${opens('fifo', 2)}) (i32.store ${i32(4096, 0x66616564)}) (call $proc_exit ${opens('deaf', 2)})`,
    { memory: MEMORY, items: named('fifo') },
  );

  for (const engine of ['wasmtime', 'v8']) {
    test(`kill() settles the run, in ${engine}`, limits, async (t) => {
      const deaf = await deafFileSystem(t);
      if (!deaf) return t.skip(NEEDS);
      const error = new Error('enough');
      const child = makeSpawn(engine)(ASKS, { preopens: { '/': deaf.folder } });
      await deaf.asked();
      child.kill('SIGKILL', error);
      await assert.rejects(child.result, ({ cause, usage }) => {
        assert.deepEqual([cause, usage.calls], [error, 2]);
        return true;
      });
      await deaf.end(); // a process can't end while a worker is in the kernel
    });

    for (const [what, flags, expected] of [
      ['--timeout', ['--timeout', '4s'], { code: 124, signal: null }],
      ['SIGINT', [], { code: null, signal: 'SIGINT' }],
      ['SIGINT to what has a timeout', ['--timeout', '1h'], { code: null, signal: 'SIGINT' }],
    ]) {
      test(`${what} ends the command line, in ${engine}`, limits, async (t) => {
        const deaf = await deafFileSystem(t);
        if (!deaf) return t.skip(NEEDS);
        const wasm = path.join(temporaryFolder(t), 'asks.wasm');
        fs.writeFileSync(wasm, new Uint8Array(ASKS));
        const preopen = ['--dir', `${deaf.folder}::/`];
        const args = [cli, '--engine', engine, '--no-cache', ...preopen, ...flags, wasm];
        const child = spawn(process.execPath, args, { stdio: 'ignore' });
        t.after(() => child.kill('SIGKILL'));
        const ended = once(child, 'exit');
        if (expected.signal) {
          await deaf.asked();
          child.kill(expected.signal);
        }
        const [code, signal] = await ended;
        await deaf.end(); // or to remove its folder would take for ever
        assert.deepEqual({ code, signal }, expected);
      });
    }
  }
});

test('a call over gigabytes ends between two pieces', { timeout: HANGS }, async () => {
  // The memory is shared: what the call did not come to, it has not touched.
  const script = `
    const wasi = new WASI({ version: 'preview1' });
    wasi.initialize({ exports: { memory: workerData.memory } });
    const { random_get } = wasi.wasiImport;
    parentPort.postMessage('begins');
    random_get(0, workerData.length);
    (() => parentPort.postMessage('came back'))();`;
  const PAGES = 30_000;
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true });
  const length = PAGES * 65536;
  const tail = () => new Uint8Array(memory.buffer, length - 65536).some((byte) => byte !== 0);
  const worker = startWorker(script, { memory, length });
  const heard = [];
  worker.on('message', (message) => heard.push(message));
  const head = new Uint8Array(memory.buffer, 0, 64);
  while (head.every((byte) => byte === 0)) await setTimeout(1);
  assert.equal(await worker.terminate(), 1);
  assert.deepEqual([heard, tail()], [['begins'], false]);
});

describe('a call that waits for nothing waits nowhere', { skip: IS_WINDOWS }, () => {
  /** Reads so many bytes of a descriptor, and exits with the errno. */
  const reads = (fd, length) =>
    program(`${iovec(4096, length)} (call $proc_exit (call $fd_read ${i32(fd, 0, 1, 8)}))`);
  /** Polls stdin; exits with the flags of the event, and 16 times the bytes that can be read. */
  const POLLS =
    program(`(i32.store8 ${i32(1032, 1)}) (drop (call $poll_oneoff ${i32(1024, 2048, 1, 2560)}))
    (call $proc_exit (i32.add (i32.load16_u (i32.const 2072))
      (i32.mul (i32.const 16) (i32.load (i32.const 2064)))))`);

  /** Runs it in the three places of one host, whose streams are the program's. */
  const everywhere = async (t, bytes, stdin = 'pipe') => {
    const folder = temporaryFolder(t);
    const out = path.join(folder, 'answer');
    const script = `
      const { WASI, run } = require(${JSON.stringify(index)});
      const bytes = Buffer.from(${JSON.stringify(Buffer.from(new Uint8Array(bytes)).toString('base64'))}, 'base64');
      (async () => {
        const answers = [];
        for (const engine of ['wasmtime', 'v8']) {
          answers.push((await run(bytes, { engine, cache: false, stdin: 'inherit', stdout: 'inherit' })).exitCode);
        }
        const wasi = new WASI({ version: 'preview1' });
        const module = new WebAssembly.Module(bytes);
        answers.push(wasi.start(new WebAssembly.Instance(module, wasi.getImportObject())));
        require('node:fs').writeFileSync(${JSON.stringify(out)}, JSON.stringify(answers));
      })();`;
    const child = spawn(process.execPath, ['-e', script], { stdio: [stdin, 'pipe', 'inherit'] });
    t.after(() => child.kill('SIGKILL'));
    await once(child, 'exit');
    child.stdin?.destroy();
    return JSON.parse(fs.readFileSync(out));
  };

  test('a read of nothing from a silent stdin', limits, async (t) => {
    assert.deepEqual(await everywhere(t, reads(0, 0)), [0, 0, 0]);
  });

  test('a stdin that has ended is a hang-up, and what it holds is counted', limits, async (t) => {
    // A socket, as every child of child_process has it; but for writing only this end is closed.
    for (const [input, answer] of [
      ['', 1],
      ['abc', 49],
    ]) {
      const address = path.join(temporaryFolder(t), 'socket');
      const server = net
        .createServer({ allowHalfOpen: true, pauseOnConnect: true })
        .listen(address);
      t.after(() => server.close());
      await once(server, 'listening');
      const here = net.connect({ path: address, allowHalfOpen: true });
      t.after(() => here.destroy());
      const [stdin] = await once(server, 'connection');
      t.after(() => stdin.destroy());
      here.end(input);
      await once(here, 'finish');
      assert.deepEqual(await everywhere(t, POLLS, stdin), [answer, answer, answer]);
    }
  });

  test(
    'a named pipe is read when its writer has come, and opened for writing when its reader has',
    limits,
    async (t) => {
      const { run, WASI } = (await import('../../index.js')).default;
      for (const [bytes, expected, other] of [
        [READS_FIFO, 3, `sleep 0.3; echo hi > "$0"`],
        [OPENS_FIFO, 0, `sleep 0.3; : < "$0"`],
      ]) {
        for (const engine of ['wasmtime', 'v8', 'class']) {
          const folder = temporaryFolder(t); // the class closes what it has open when it is collected
          const fifo = path.join(folder, 'fifo');
          execFileSync('mkfifo', [fifo]);
          const preopens = { '/': folder };
          const child = spawn('sh', ['-c', other, fifo], { stdio: 'ignore' });
          t.after(() => child.kill());
          const wasi = new WASI({ version: 'preview1', preopens });
          const start = () =>
            wasi.start(
              new WebAssembly.Instance(new WebAssembly.Module(bytes), wasi.getImportObject()),
            );
          const code =
            engine === 'class'
              ? start()
              : (await run(bytes, { engine, cache: false, preopens })).exitCode;
          assert.equal(code, expected, engine);
          if (child.exitCode === null) await once(child, 'exit');
        }
      }
    },
  );
});
