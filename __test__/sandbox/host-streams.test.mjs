// The host's own standard streams: a guest reads stdin and writes stdout and stderr, and has nothing else of them,
// whatever a shell has made them of. In the class, in both engines and on the command line.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, beforeEach, describe, test } from 'node:test';
import { forEachEngine } from '../support/engine.mjs';
import { Guest } from '../support/guest.mjs';
import { HANGS, main, temporaryFolder } from '../support/host.mjs';
import { assemble } from '../support/wat.mjs';

const folder = temporaryFolder({ after });
const log = path.join(folder, 'log');
const BEFORE = 'what was there before\n';
const url = (name) => JSON.stringify(new URL(name, import.meta.url).href);

beforeEach(() => {
  fs.writeFileSync(log, BEFORE);
  fs.utimesSync(log, 1000, 1000);
});

/** Runs Node with these descriptors as its own; what it sends over a channel, if it does. */
async function runWith(stdio, args) {
  const child = spawn(process.execPath, args, { stdio: [...stdio, 'ipc'], timeout: HANGS });
  const messages = [];
  child.on('message', (message) => messages.push(message));
  const code = await new Promise((resolve) => child.on('close', resolve));
  return { code, message: messages[0] };
}

/** Every call that could do more than what a stream is for, as a guest answers to them. */
const TRIES = `
  const tries = (guest) => {
    const answers = {};
    const vector = guest.iovecs(0, [64, 4]);
    for (const fd of [0, 1, 2]) {
      const call = (name, ...rest) => guest.call(name, fd, ...rest);
      answers[fd] = {
        seek: call('fd_seek', 0, 0, 32), end: call('fd_seek', 0, 2, 32), tell: call('fd_tell', 32),
        pread: call('fd_pread', ...vector, 0, 32), pwrite: call('fd_pwrite', ...vector, 0, 32),
        advise: call('fd_advise', 0, 0, 0), allocate: call('fd_allocate', 0, 9999),
        size: call('fd_filestat_set_size', 0), times: call('fd_filestat_set_times', 0, 0, 15 & 5),
        sync: call('fd_sync'), datasync: call('fd_datasync'), list: call('fd_readdir', 512, 64, 0, 32),
        append: call('fd_fdstat_set_flags', 1), none: call('fd_fdstat_set_flags', 0),
        nonblock: call('fd_fdstat_set_flags', 4), back: call('fd_fdstat_set_flags', 0),
        rights: call('fd_fdstat_set_rights', (1n << 28n) - 1n, 0),
        wrong: fd === 0 ? call('fd_write', ...vector, 32) : call('fd_read', ...vector, 32),
        filestat: call('fd_filestat_get', 512), fdstat: call('fd_fdstat_get', 512),
      };
      answers[fd].type = guest.bytes(512, 1)[0];
      answers[fd].can = String(guest.u64(520));
    }
    return answers;
  };
`;

const SPIPE = 70;
const LIKE_A_PIPE = {
  ...{ seek: SPIPE, end: SPIPE, tell: SPIPE, pread: SPIPE, pwrite: SPIPE },
  ...{ advise: SPIPE, allocate: SPIPE, size: 28, times: 58, sync: 28, datasync: 28, list: 76 },
  ...{ append: 0, none: 0, nonblock: 0, back: 0, rights: 76, wrong: 8, filestat: 0, fdstat: 0 },
};

for (const edition of ['index', 'compat', 'legacy']) {
  for (const appending of [true, false]) {
    test(`${edition}: a log that was opened to ${appending ? 'append' : 'write'}`, async () => {
      const fd = fs.openSync(log, appending ? 'a+' : 'r+');
      if (!appending) fs.readSync(fd, Buffer.alloc(BEFORE.length));
      const stdin = fs.openSync(log, 'r+');
      const script = `
        import fs from 'node:fs';
        import module from ${url(`../../${edition}.js`)};
        import { Guest } from ${url('../support/guest.mjs')};
        ${TRIES}
        const guest = new Guest({ version: 'preview1' }, { Class: module.WASI });
        const before = fs.readFileSync('/proc/self/fdinfo/1', 'utf8');
        const answers = tries(guest);
        const { mtimeMs, size } = fs.fstatSync(1);
        const same = before === fs.readFileSync('/proc/self/fdinfo/1', 'utf8');
        const text = guest.put(64, 'written');
        const written = guest.call('fd_write', 1, ...guest.iovecs(0, text), 32);
        process.send({ answers, mtimeMs, size, same, written, read: guest.read(0) });
        process.disconnect();
      `;
      const args = ['--input-type=module', '-e', script];
      const { message } = await runWith([stdin, fd, fd], args);
      for (const number of [0, 1, 2]) {
        const { type, can, ...answers } = message.answers[number];
        const wrong = number === 0 ? { pwrite: 8 } : { pread: 8 };
        assert.deepEqual(answers, { ...LIKE_A_PIPE, ...wrong }, `descriptor ${number}`);
        assert.equal(type, 4);
        assert.equal(BigInt(can) & 0x42n, number === 0 ? 2n : 0x40n);
      }
      const { mtimeMs, size, same, written, read } = message;
      assert.deepEqual(
        { mtimeMs, size, same, written, read },
        { mtimeMs: 1e6, size: BEFORE.length, same: true, written: 0, read: `${BEFORE}written` },
      );
      assert.equal(fs.readFileSync(log, 'utf8'), `${BEFORE}written`);
    });
  }
}

test('nothing that is no terminal looks like one to isatty, and what is moved stays what it was', () => {
  const CHARACTER_DEVICE = 2;
  const script = (guest) => {
    guest.call('fd_fdstat_get', 0, 512);
    const isatty = guest.bytes(512, 1)[0] === CHARACTER_DEVICE && !(guest.u64(520) & 0x24n);
    const moved = guest.call('fd_renumber', 0, 2);
    return { isatty, moved, wrote: guest.call('fd_write', 2, ...guest.iovecs(0, [64, 4]), 32) };
  };
  const nowhere = fs.openSync('/dev/null', 'r+');
  const args = ['--input-type=module', '-e'];
  args.push(`
    import { Guest } from ${url('../support/guest.mjs')};
    const CHARACTER_DEVICE = 2;
    process.send((${script})(new Guest()));
    process.disconnect();`);
  return runWith([nowhere, nowhere, nowhere], args).then(({ message }) =>
    assert.deepEqual(message, { isatty: false, moved: 0, wrote: 8 }),
  );
});

test('a descriptor of 3 and above keeps what it has', () => {
  const fd = fs.openSync(log, 'a+');
  const guest = new Guest({ stdout: fd });
  assert.equal(guest.call('fd_seek', 1, 3, 0, 32), 0);
  assert.equal(guest.call('fd_fdstat_set_flags', 1, 0), 0);
  assert.equal(guest.call('fd_pwrite', 1, ...guest.iovecs(0, guest.put(64, 'W')), 0, 32), 0);
  assert.equal(fs.readFileSync(log, 'utf8'), BEFORE.replace('w', 'W'));
  assert.equal(guest.call('fd_filestat_set_size', 1, 4), 0);
  assert.equal(fs.readFileSync(log, 'utf8'), 'What');
  fs.closeSync(fd);
});

/** Tries to harm the log behind its stdout, writes "ok", copies stdin; its exit code tells which try succeeded. */
const PROGRAM = `(module
  (import "wasi_snapshot_preview1" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_pwrite" (func $pwrite (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_allocate" (func $allocate (param i32 i64 i64) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_set_size" (func $size (param i32 i64) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_set_times"
    (func $times (param i32 i64 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_fdstat_set_flags" (func $flags (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1) (data (i32.const 64) "\\80\\00\\00\\00\\02\\00\\00\\00")
  (data (i32.const 128) "ok")
  (func $try (param $errno i32) (param $bit i32) (result i32)
    (select (i32.const 0) (local.get $bit) (local.get $errno)))
  (func (export "_start") (local $done i32)
    (drop (call $flags (i32.const 1) (i32.const 0)))
    (local.set $done (call $try (call $seek (i32.const 1) (i64.const 0) (i32.const 0) (i32.const 0)) (i32.const 1)))
    (local.set $done (i32.or (local.get $done) (call $try
      (call $pwrite (i32.const 1) (i32.const 64) (i32.const 1) (i64.const 0) (i32.const 0)) (i32.const 2))))
    (local.set $done (i32.or (local.get $done) (call $try
      (call $allocate (i32.const 1) (i64.const 0) (i64.const 9999)) (i32.const 4))))
    (local.set $done (i32.or (local.get $done) (call $try
      (call $size (i32.const 1) (i64.const 0)) (i32.const 8))))
    (local.set $done (i32.or (local.get $done) (call $try
      (call $times (i32.const 1) (i64.const 0) (i64.const 0) (i32.const 5)) (i32.const 16))))
    (local.set $done (i32.or (local.get $done) (call $try
      (call $read (i32.const 1) (i32.const 64) (i32.const 1) (i32.const 0)) (i32.const 32))))
    (local.set $done (i32.or (local.get $done) (call $try
      (call $seek (i32.const 0) (i64.const 0) (i32.const 2) (i32.const 0)) (i32.const 64))))
    (drop (call $write (i32.const 1) (i32.const 64) (i32.const 1) (i32.const 0)))
    (drop (call $read (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 0)))
    (drop (call $write (i32.const 1) (i32.const 64) (i32.const 1) (i32.const 0)))
    (call $exit (local.get $done))))`;

describe('run() and the command line', () => {
  const program = path.join(folder, 'program.wasm');
  const input = path.join(folder, 'input');
  fs.writeFileSync(program, assemble(PROGRAM));
  fs.writeFileSync(input, 'in');

  forEachEngine(({ engine }) => {
    for (const mode of ['a+', 'w+']) {
      const ways = {
        'run()': [
          '--input-type=module',
          '-e',
          `import { run } from ${url('../../index.js')};
           const streams = { stdin: 'inherit', stdout: 'inherit', stderr: 'inherit' };
           const options = { engine: '${engine}', cache: false, ...streams };
           process.exitCode = (await run(${JSON.stringify(program)}, options)).exitCode;
           process.disconnect();`,
        ],
        'the command line': [main, '--engine', engine, '--no-cache', program],
        'the command line, in a thread': [
          ...[main, '--engine', engine, '--no-cache', '--timeout', '60s', program],
        ],
      };
      for (const [way, args] of Object.entries(ways)) {
        test(`${way} in ${engine}, stdout ${mode}`, async () => {
          const [stdin, stdout] = [fs.openSync(input, 'r+'), fs.openSync(log, mode)];
          const { code } = await runWith([stdin, stdout, 'inherit'], args);
          assert.equal(code, 0);
          assert.equal(fs.readFileSync(log, 'utf8'), `${mode === 'a+' ? BEFORE : ''}okin`);
        });
      }
    }
  });
});
