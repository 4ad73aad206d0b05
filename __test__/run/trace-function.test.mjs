// Calls as objects and lines, off the event loop: decoded, chosen, in their order, none lost, and no guest faster than they
// are taken.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Writable } from 'node:stream';
import { after, describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { Runner, compile, handler, load, loadSync, run } from '../../index.js';
import { forEachEngine } from '../support/engine.mjs';
import { runInChild, temporaryFolder } from '../support/host.mjs';
import { creates, exits, program } from '../support/programs.mjs';
import { assemble } from '../support/wat.mjs';

const root = temporaryFolder({ after });
let folders = 0;
/** A folder for one run. */
function folder() {
  const made = path.join(root, String(folders++));
  fs.mkdirSync(made);
  return made;
}

/** A call without its time, which is checked. */
function timeless({ nanoseconds, ...call }) {
  assert.ok(Number.isSafeInteger(nanoseconds) && nanoseconds >= 0, String(nanoseconds));
  return call;
}

const OPENED = {
  name: 'path_open',
  params: {
    ...{ fd: 3, dirflags: [], path: 'made', oflags: ['CREAT'], fs_rights_base: ['FD_WRITE'] },
    ...{ fs_rights_inheriting: [], fdflags: [], opened_fd: 16 },
  },
  result: { opened_fd: 4 },
  errno: null,
};
const WROTE = {
  name: 'fd_write',
  params: { fd: 4, iovs: [{ buf: 4096, buf_len: 4 }], iovs_len: 1, nwritten: 8 },
  result: { nwritten: 4 },
  errno: null,
};
/** Makes this many calls that fail. */
const failing = (count) =>
  program(`(local $n i32) (loop $l (drop (call $fd_close (i32.const 99)))
    (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const ${count}))))`);
const FOR_EVER = program('(loop $l (drop (call $fd_close (i32.const 99))) (br $l))');
const never = () => new Promise(() => {});

forEachEngine(({ engine, run, spawn }) => {
  describe(`in ${engine}`, () => {
    test('a function gets each call, decoded', async () => {
      for (const start of [run, async (...args) => spawn(...args).result]) {
        const calls = [];
        const trace = (call) => void calls.push(timeless(call));
        await start(creates(), { preopens: { '/': folder() }, trace });
        assert.deepEqual(calls, [OPENED, WROTE]);
      }
      const calls = [];
      const trace = (call) => void calls.push(timeless(call));
      await run(creates(), { trace: { errors: true, to: trace } });
      assert.deepEqual(calls, [{ ...OPENED, result: {}, errno: 'EBADF' }]);
      calls.length = 0;
      assert.equal((await run(exits(7), { trace })).exitCode, 7);
      assert.deepEqual(calls, [
        { name: 'proc_exit', params: { rval: 7 }, result: {}, errno: null },
      ]);
    });

    test('a Writable gets lines, and so do a file and its URL, behind what they have', async () => {
      const line = /^path_open\(fd: 3, .*\) = EBADF\nproc_exit\(rval: 8\)\n$/;
      const chunks = [];
      const write = (chunk, _, done) => done(void chunks.push(chunk));
      const trace = new Writable({ write });
      await run(creates(), { trace });
      assert.match(Buffer.concat(chunks).toString(), line);
      assert.ok(!trace.writableEnded);
      chunks.length = 0;
      await run(creates(), { trace: { to: { write: (chunk) => void chunks.push(chunk) } } });
      assert.match(Buffer.concat(chunks).toString(), line);
      const file = path.join(folder(), 'calls');
      await run(exits(1), { trace: { to: file } });
      await run(exits(2), { trace: { to: pathToFileURL(file) } });
      assert.equal(fs.readFileSync(file, 'utf8'), 'proc_exit(rval: 1)\nproc_exit(rval: 2)\n');
    });

    test('a file that can not be opened is an error', async () => {
      const to = path.join(root, 'missing', 'file');
      await assert.rejects(async () => run(exits(0), { trace: { to } }), {
        code: 'UVWASI_ENOENT',
        message: `UVWASI_ENOENT, uvwasi_init: can't open '${to}' for options.trace.to: no such file or directory`,
      });
    });

    test('all calls are there before the result, while the event loop goes on', async () => {
      const count = 50_000;
      let [seen, turns, isOver] = [0, 0, false];
      const turning = (async () => {
        while (!isOver) turns += 1 + (await turn(0));
      })();
      await run(failing(count), { trace: () => void seen++ });
      isOver = true;
      assert.equal(seen, count);
      await turning;
      assert.ok(turns > 20, `${turns} turns`);
    });

    test('a program that is shown to nobody who takes it waits, and can be ended', async () => {
      for (const to of [never, new Writable({ write() {}, highWaterMark: 1 })]) {
        const controller = new AbortController();
        const trace = typeof to === 'function' ? () => (controller.abort(), to()) : to;
        const timeout = typeof to === 'function' ? 0 : 500;
        const running = run(FOR_EVER, { trace, signal: controller.signal, timeout });
        const error = await running.then(assert.fail, (error) => error);
        assert.match(error.code, /^(ABORT_ERR|ERR_WASI_TIMEOUT)$/);
        // A pipe and two buffers of 64 KiB are full of them.
        assert.ok(error.usage.calls < 20_000, String(error.usage.calls));
      }
    });

    test('a program that never ends leaves the event loop its turns', async () => {
      let seen = 0;
      const error = await run(FOR_EVER, { trace: () => void seen++, timeout: 300 }).catch((e) => e);
      assert.equal(error.code, 'ERR_WASI_TIMEOUT');
      assert.ok(seen > 0 && seen <= error.usage.calls);
    });

    test('a function that throws, or rejects, ends the program', async () => {
      const cause = new Error('not so');
      for (const trace of [
        () => {
          throw cause;
        },
        async () => {
          throw cause;
        },
      ]) {
        const error = await run(FOR_EVER, { trace }).catch((error) => error);
        assert.equal(error.code, 'ERR_WASI_STREAM');
        assert.equal(error.message, 'options.trace has failed: not so');
        assert.equal(error.cause, cause);
      }
    });

    test('calls are chosen by names, patterns and failure', async () => {
      const names = async (trace) => {
        const seen = [];
        const to = ({ name, errno }) => void seen.push(`${name} ${errno}`);
        await run(creates(), { trace: { ...trace, to }, preopens: { '/': folder() } });
        return seen;
      };
      assert.deepEqual(await names({}), ['path_open null', 'fd_write null']);
      assert.deepEqual(await names({ calls: ['path_*'] }), ['path_open null']);
      assert.deepEqual(await names({ calls: ['fd_write', '*_exit'] }), ['fd_write null']);
      assert.deepEqual(await names({ errors: true }), []);
    });

    test('the text of a guest is one text, whatever is in it', async () => {
      const bytes = [...Buffer.from('x"}\n{"name":"forged"}\r\u001b[2J\u202e'), 0xff];
      const data = bytes.map((byte) => `\\${byte.toString(16).padStart(2, '0')}`).join('');
      const source = program(
        `(drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 4096) (i32.const ${bytes.length})
          (i32.const 0) (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 16)))`,
        { items: `(data (i32.const 4096) "${data}")` },
      );
      const [calls, lines] = [[], []];
      const preopens = { '/': folder() };
      await run(source, { preopens, trace: (call) => void calls.push(call) });
      await run(source, { preopens, trace: { to: { write: (line) => void lines.push(line) } } });
      assert.deepEqual(
        calls.map(({ name, params }) => [name, params.path]),
        [['path_open', 'x"}\n{"name":"forged"}\r\u001b[2J\u202e\ufffd']],
      );
      const text = Buffer.concat(lines).toString();
      assert.ok(
        text.includes('path: "x\\"}\\n{\\"name\\":\\"forged\\"}\\r\\u{1b}[2J\\u{202e}\\xff"'),
        text,
      );
      assert.equal(text.split('\n').length, 2);
    });

    test('calls are counted by name, on request', async () => {
      const { usage } = await run(creates(), {
        preopens: { '/': folder() },
        usage: { byCall: true },
      });
      assert.equal(usage.calls, 2);
      const counts = Object.entries(usage.byCall).map(([name, { calls, errors }]) => [
        name,
        calls,
        errors,
      ]);
      assert.deepEqual(counts, [
        ['fd_write', 1, 0],
        ['path_open', 1, 0],
      ]);
      assert.ok(Object.values(usage.byCall).every(({ nanoseconds }) => nanoseconds > 0));
      const counted = await run(failing(1000), { usage: { byCall: true } });
      const { calls, errors } = counted.usage.byCall.fd_close;
      assert.deepEqual([calls, errors, counted.usage.calls], [1000, 1000, 1000]);
      const plain = await run(creates());
      assert.ok(!('byCall' in plain.usage));
      const ended = await run(FOR_EVER, { usage: { byCall: true }, timeout: 200 }).catch((e) => e);
      assert.ok(ended.usage.byCall.fd_close.calls > 0);
    });
  });
});

/** Exports a function that closes a descriptor which is not open, so many times. */
const CLOSES = assemble(`(module
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "closes") (param $n i32) (result i32)
    (loop $l (drop (call $close (i32.const 99)))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (call $close (i32.const 98))))`);

const NO_PIPES = process.platform === 'win32' && 'needs named pipes';
test(
  'a named pipe: a program waits for its reader, and can be ended',
  { skip: NO_PIPES },
  async () => {
    const to = path.join(folder(), 'pipe');
    assert.equal(spawnSync('mkfifo', [to]).status, 0);
    await assert.rejects(async () => run(exits(0), { trace: { to }, cache: false }), {
      code: 'UVWASI_ENXIO',
    });
    const reader = fs.openSync(to, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    for (const engine of ['wasmtime', 'v8']) {
      const options = { trace: { to }, engine, cache: false, timeout: 300 };
      const error = await run(FOR_EVER, options).catch((error) => error);
      assert.equal(error.code, 'ERR_WASI_TIMEOUT');
      assert.ok(error.usage.calls < 20_000, String(error.usage.calls));
    }
    fs.closeSync(reader);
  },
);

const HAS_NO_PERMISSIONS = !process.allowedNodeEnvironmentFlags.has('--permission');
test('a file that the process may not write to', { skip: HAS_NO_PERMISSIONS }, async () => {
  const to = path.join(root, 'denied');
  const index = new URL('../../index.js', import.meta.url);
  const { stdout, stderr } = await runInChild(
    `const { run } = await import(${JSON.stringify(index)});
    const bytes = Uint8Array.from([${exits(0)}]);
    await run(bytes, { trace: { to: ${JSON.stringify(to)} }, engine: 'wasmtime' }).catch((error) =>
      console.log(error.code, error.permission, error.resource));`,
    { flags: ['--permission', '--allow-wasi', '--allow-addons', '--allow-fs-read=*'] },
  );
  assert.equal(stdout, `ERR_ACCESS_DENIED FileSystemWrite ${to}\n`, stderr);
  assert.ok(!fs.existsSync(to));
});

describe('elsewhere', () => {
  test('compile().run, and a Runner', async () => {
    const calls = [];
    const trace = ({ name }) => void calls.push(name);
    await (await compile(exits(1), { cache: false })).run({ trace });
    await new Runner({ cache: false, concurrency: 1 }).run(exits(1), { trace });
    assert.deepEqual(calls, ['proc_exit', 'proc_exit']);
  });

  for (const fresh of [false, true]) {
    test(`load()${fresh ? ' with fresh' : ''}: until it is closed, and on while a call is made`, async () => {
      const calls = [];
      const trace = ({ name, errno }) => void calls.push(`${name} ${errno}`);
      const options = { cache: false, trace, usage: { byCall: true }, fresh };
      const instance = await load(CLOSES, options);
      assert.equal(await instance.exports.closes(30_000), 8);
      assert.equal(await instance.exports.closes(1), 8);
      await instance.close();
      assert.equal(calls.length, 30_003);
      const { calls: count, errors } = instance.usage.byCall.fd_close;
      assert.deepEqual([count, errors, instance.usage.calls], [30_003, 30_003, 30_003]);
    });
  }

  test('an instance that is shown to nobody who takes it can be closed', async () => {
    const instance = await load(CLOSES, { cache: false, trace: never });
    const call = instance.exports.closes(10_000_000).catch((error) => error);
    await turn();
    await instance.close();
    assert.equal((await call).code, 'ERR_WASI_KILLED');
    assert.ok(instance.usage.calls < 20_000, String(instance.usage.calls));
  });

  test('loadSync(): between the call and its answer', () => {
    const calls = [];
    const instance = loadSync(CLOSES, {
      ...{ cache: false, usage: { byCall: true } },
      trace: ({ name, params }) => void calls.push(`${name} ${params.fd}`),
    });
    assert.equal(instance.exports.closes(2), 8);
    assert.deepEqual(calls, ['fd_close 99', 'fd_close 99', 'fd_close 98']);
    assert.equal(instance.usage.byCall.fd_close.calls, 3);
    const lines = [];
    const written = loadSync(CLOSES, {
      cache: false,
      trace: { write: (line) => lines.push(String(line)) },
    });
    written.exports.closes(1);
    assert.deepEqual(lines, ['fd_close(fd: 99) = EBADF\n', 'fd_close(fd: 98) = EBADF\n']);
    const file = path.join(folder(), 'calls');
    loadSync(CLOSES, { cache: false, trace: { to: file } }).exports.closes(1);
    assert.equal(fs.readFileSync(file, 'utf8'), lines.join(''));
  });

  test('loadSync(): a function that throws ends the instance; one that calls it gets an error', () => {
    const cause = new Error('not so');
    let seen = 0;
    const instance = loadSync(CLOSES, {
      cache: false,
      trace() {
        seen++;
        throw cause;
      },
    });
    assert.throws(
      () => instance.exports.closes(1000),
      (error) => error.code === 'ERR_WASI_STREAM' && error.cause === cause,
    );
    assert.equal(seen, 1);
    assert.throws(() => instance.exports.closes(1), { code: 'ERR_INVALID_STATE' });
    const reentered = loadSync(CLOSES, {
      cache: false,
      trace: () => assert.throws(() => reentered.exports.closes(1), { code: 'ERR_INVALID_STATE' }),
    });
    assert.equal(reentered.exports.closes(1), 8);
  });

  test('handler(): each request', async () => {
    const guest = new URL('../support/guests/http-handler.wasm', import.meta.url);
    let tell;
    const written = new Promise((resolve) => (tell = resolve));
    const trace = (call) => void (call.name === 'fd_write' && tell(call));
    const handle = await handler(guest, { cache: false, trace });
    await (await handle(new Request('http://site.example/'))).text();
    assert.equal((await written).errno, null); // which may come after the response
  });

  test('a component: calls of sockets as well', async () => {
    const guest = new URL('../support/guests/sockets.wasm', import.meta.url);
    const calls = [];
    const trace = { calls: ['sock_*'], to: (call) => void calls.push(timeless(call)) };
    const options = { cache: false, args: ['localhost', '1'], trace, usage: { byCall: true } };
    const { usage } = await run(guest, options);
    assert.deepEqual(calls, [
      { name: 'sock_look_up', params: { name: 'localhost' }, result: {}, errno: 'EACCES' },
    ]);
    assert.deepEqual(usage.byCall.sock_look_up.errors, 1);
  });

  const INVALID = 'ERR_INVALID_ARG_VALUE';
  for (const [trace, code, message] of [
    [null, 'ERR_INVALID_ARG_TYPE', /"options\.trace" .* Received null/],
    ['file', 'ERR_INVALID_ARG_TYPE', /"options\.trace" .* Received type string \('file'\)/],
    [['fd_read'], 'ERR_INVALID_ARG_TYPE', /"options\.trace" .* Received an instance of Array/],
    [{ call: [] }, INVALID, /'options\.trace\.call' is not known \(did you mean 'calls'\?\)/],
    [
      { calls: 'fd_read' },
      'ERR_INVALID_ARG_TYPE',
      /"options\.trace\.calls" property must be an instance of Array/,
    ],
    [{ calls: [] }, INVALID, /'options\.trace\.calls' must have a name of a system call/],
    [
      { calls: ['*', 1] },
      'ERR_INVALID_ARG_TYPE',
      /"options\.trace\.calls\[1\]" property must be of type string/,
    ],
    [
      { calls: ['fd_raed'] },
      INVALID,
      /'options\.trace\.calls\[0\]' is no system call \(did you mean 'fd_read'\?\)/,
    ],
    [
      { calls: ['nothing'] },
      INVALID,
      /'options\.trace\.calls\[0\]' is no system call\. Received 'nothing'/,
    ],
    [
      { calls: ['path_*', 'dir_*'] },
      INVALID,
      /'options\.trace\.calls\[1\]' matches no system call/,
    ],
    [
      { errors: 1 },
      'ERR_INVALID_ARG_TYPE',
      /"options\.trace\.errors" property must be of type boolean/,
    ],
    [{ to: 2 }, 'ERR_INVALID_ARG_TYPE', /"options\.trace\.to" property must be one of type/],
    [{ to: false }, INVALID, /'options\.trace\.to' must be true/],
    [{ to: '' }, INVALID, /'options\.trace\.to' must be a path/],
    [{ to: new URL('http://x') }, INVALID, /'options\.trace\.to' is no URL of a file/],
  ]) {
    test(`a wrong value is named: ${JSON.stringify(trace)}`, async () => {
      await assert.rejects(async () => run(exits(0), { trace }), { code, message });
      await assert.rejects(async () => load(CLOSES, { trace }), { code, message });
    });
  }

  test('so is one of usage', async () => {
    for (const [usage, code, message] of [
      [true, 'ERR_INVALID_ARG_TYPE', /"options\.usage" property must be of type object/],
      [{ byName: true }, INVALID, /'options\.usage\.byName' is not known/],
      [
        { byCall: 1 },
        'ERR_INVALID_ARG_TYPE',
        /"options\.usage\.byCall" property must be of type boolean/,
      ],
    ])
      await assert.rejects(async () => run(exits(0), { usage }), { code, message });
  });
});
