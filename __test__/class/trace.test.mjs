// Each system call of the class as an object, between the call and its answer; as a line of a Writable, and of a file.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { Writable } from 'node:stream';
import { after, describe, test } from 'node:test';
import { WASI } from '../../index.js';
import { ERRNO, Guest } from '../support/guest.mjs';
import { runInChild, runInWorker, runNode, temporaryFolder } from '../support/host.mjs';
import { wat } from '../support/wat.mjs';

const root = temporaryFolder({ after });

const CLOSES = (body) => `(module
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "grow") (drop (memory.grow (i32.const 1))))
  (func $inner (export "inner") (drop (call $close (i32.const 97))))
  (func (export "_start") ${body}))`;

/** Runs a program; the result is that of `start()`. */
function start(source, options, made = () => {}) {
  const wasi = new WASI({ version: 'preview1', ...options });
  const instance = new WebAssembly.Instance(wat(source), wasi.getImportObject());
  made(instance);
  return wasi.start(instance);
}

describe('a function', () => {
  test('gets each call after it was made, before the guest goes on', () => {
    const calls = [];
    const trace = (call) => void calls.push(call);
    const guest = new Guest({ preopens: { '/': root }, trace });
    assert.equal(guest.call('fd_close', 99), ERRNO.BADF);
    const [{ nanoseconds, ...call }] = calls.splice(0);
    assert.ok(Number.isSafeInteger(nanoseconds));
    assert.deepEqual(call, { name: 'fd_close', params: { fd: 99 }, result: {}, errno: 'EBADF' });
    const fd = guest.open(3, 'made', { oflags: 1 });
    const { name, params, result, errno } = calls.splice(0).at(-1);
    assert.deepEqual([name, params.path, params.oflags], ['path_open', 'made', ['CREAT']]);
    assert.deepEqual([result, errno], [{ opened_fd: fd }, null]);
    guest.write(fd, 'text');
    const [wrote] = calls.splice(0);
    assert.deepEqual([wrote.params.iovs_len, wrote.result], [1, { nwritten: 4 }]);
  });

  test('gets what is chosen', () => {
    const names = [];
    const to = ({ name, errno }) => void names.push(`${name} ${errno}`);
    const guest = new Guest({ trace: { calls: ['fd_*', 'sched_yield'], errors: true, to } });
    guest.call('fd_close', 99);
    guest.call('sched_yield');
    guest.call('path_unlink_file', 99, 0, 0);
    guest.call('fd_close', 0);
    assert.deepEqual(names, ['fd_close EBADF']);
  });

  test('ends the guest by what it throws, which start() throws', () => {
    for (const thrown of [new Error('not so'), undefined, 7]) {
      let seen = 0;
      const trace = () => {
        seen++;
        throw thrown;
      };
      const started = () => start(CLOSES('(loop $l (call $inner) (br $l))'), { trace });
      assert.throws(started, (error) => error === thrown || assert.fail(String(error)));
      assert.equal(seen, 1);
    }
  });

  test('may call the guest, and have its memory grow', () => {
    const fds = [];
    let exports;
    const trace = ({ params }) => {
      fds.push(params.fd);
      exports.grow();
      if (params.fd === 99) exports.inner();
    };
    const body = '(call $result (call $close (i32.const 99)))';
    const source = CLOSES(body).replace(
      '(memory',
      '(func $result (param i32) (if (i32.ne (local.get 0) (i32.const 8)) (then unreachable))) (memory',
    );
    assert.equal(
      start(source, { trace }, (instance) => ({ exports } = instance)),
      0,
    );
    assert.deepEqual(fds, [99, 97]);
    assert.equal(exports.memory.buffer.byteLength, 3 * 65536);
  });

  test('that calls the guest without end is a RangeError of the stack', () => {
    let exports;
    const trace = () => exports.inner();
    assert.throws(
      () => start(CLOSES('(call $inner)'), { trace }, (instance) => ({ exports } = instance)),
      RangeError,
    );
  });

  test('gets the call that ends the guest', () => {
    const names = [];
    const source = `(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 1) (func (export "_start") (call $exit (i32.const 3))))`;
    assert.equal(start(source, { trace: ({ name, errno }) => names.push([name, errno]) }), 3);
    assert.deepEqual(names, [['proc_exit', null]]);
  });

  test('stands beside functions for streams, and comes after them', () => {
    const order = [];
    const guest = new Guest({
      stdout: (chunk) => void order.push(String(chunk)),
      trace: ({ name }) => void order.push(name),
    });
    guest.write(1, 'text');
    assert.deepEqual(order, ['text', 'fd_write']);
  });

  test('gets plain data, whatever a script has made of JSON', async () => {
    const { code, messages } = await runInWorker(`
      const { parentPort } = await import('node:worker_threads');
      JSON.parse = () => 'mine';
      const guest = new Guest({ trace: (call) => parentPort.postMessage(JSON.stringify(call)) });
      guest.call('fd_seek', 9, -(2n ** 63n), 0, 0);`);
    assert.equal(code, 0);
    const { params, errno } = JSON.parse(messages[0]);
    assert.deepEqual([params.offset, params.whence, errno], [-(2 ** 63), 'SET', 'EBADF']);
  });
});

describe('lines', () => {
  const LINE = 'fd_close(fd: 99) = EBADF\n';

  test('of a Writable, and of an object with write()', () => {
    const lines = [];
    const write = (chunk, _, done) => done(void lines.push(String(chunk)));
    new Guest({ trace: new Writable({ write }) }).call('fd_close', 99);
    new Guest({ trace: { to: { write: (line) => lines.push(String(line)) } } }).call(
      'fd_close',
      99,
    );
    assert.deepEqual(lines, [LINE, LINE]);
  });

  test('of a file, behind what it has', () => {
    const file = path.join(root, 'calls');
    new Guest({ trace: { to: file } }).call('fd_close', 99);
    new Guest({ trace: { to: new URL(`file://${file}`) } }).call('fd_close', 99);
    assert.equal(fs.readFileSync(file, 'utf8'), LINE + LINE);
    assert.throws(() => new Guest({ trace: { to: path.join(root, 'no', 'file') } }), {
      code: 'UVWASI_ENOENT',
      message: /can't open '.*' for options\.trace\.to: no such file/,
    });
  });

  const HAS_NO_PERMISSIONS = !process.allowedNodeEnvironmentFlags.has('--permission');
  test('of a file that the process may write to', { skip: HAS_NO_PERMISSIONS }, async () => {
    const file = path.join(root, 'denied');
    const script = `new WASI({ version: 'preview1', trace: { to: ${JSON.stringify(file)} } })`;
    const flags = ['--permission', '--allow-wasi', '--allow-addons', '--allow-fs-read=*'];
    const { stderr, code } = await runInChild(script, { flags });
    assert.equal(code, 1);
    assert.match(stderr, /FileSystemWrite/);
    assert.ok(!fs.existsSync(file));
  });
});

describe('WASI_RS_TRACE', () => {
  const edition = (name) => `
    const { WASI: Class } = await import(${JSON.stringify(new URL(`../../${name}.js`, import.meta.url))});
    const wasi = new Class({ version: 'preview1' });
    wasi.finalizeBindings({ exports: {} }, { memory: new WebAssembly.Memory({ initial: 1 }) });
    wasi.wasiImport.fd_close(99);`;
  const script = (value, text) => `process.env.WASI_RS_TRACE = ${JSON.stringify(value)}; ${text}`;
  const run = (value, text) => runNode(['--input-type=module', '-e', script(value, text)]);

  test('is the option where that is not given, in every edition', async () => {
    for (const name of ['index', 'compat', 'legacy']) {
      const file = path.join(root, `calls-${name}`);
      for (const value of ['1', 'true', '0', 'false', '', file]) {
        const { stderr, code } = await run(value, edition(name));
        assert.equal(code, 0, stderr);
        const isStderr = ['1', 'true'].includes(value);
        assert.equal(stderr.includes('fd_close(fd: 99) = EBADF\n'), isStderr, `${name} ${value}`);
      }
      assert.equal(fs.readFileSync(file, 'utf8'), 'fd_close(fd: 99) = EBADF\n');
    }
  });

  test('is nothing where the option says something', async () => {
    const text = edition('index').replace("'preview1'", "'preview1', trace: false");
    assert.equal((await run('1', text)).stderr, '');
  });

  test('that names a file which can not be opened is an error', async () => {
    const { stderr, code } = await run(path.join(root, 'no', 'file'), edition('index'));
    assert.equal(code, 1);
    assert.match(stderr, /UVWASI_ENOENT.*can't open '.*' for WASI_RS_TRACE/);
  });
});

test('wrong values are named', () => {
  for (const [trace, code, message] of [
    [null, 'ERR_INVALID_ARG_TYPE', /"options\.trace" .* Received null/],
    [
      { calls: ['fd_raed'] },
      'ERR_INVALID_ARG_VALUE',
      /calls\[0\]' is no system call \(did you mean/,
    ],
    [{ calls: ['x*'] }, 'ERR_INVALID_ARG_VALUE', /calls\[0\]' matches no system call/],
    [{ error: true }, 'ERR_INVALID_ARG_VALUE', /'options\.trace\.error' is not known/],
    [{ to: 2 }, 'ERR_INVALID_ARG_TYPE', /"options\.trace\.to" property must be one of type/],
  ])
    assert.throws(() => new WASI({ version: 'preview1', trace }), { code, message });
});
