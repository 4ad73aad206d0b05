// Standard streams that are no descriptors: text and bytes, functions, Writables, capture.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { PassThrough, Writable } from 'node:stream';
import { test } from 'node:test';
import v8 from 'node:v8';
import vm from 'node:vm';
import { WASI as CompatWASI } from '../../compat.js';
import { WASI as LegacyWASI } from '../../legacy.js';
import { ERRNO, Guest } from '../support/guest.mjs';

/** Reads to the end, `length` bytes at a time; answers the pieces. */
function readAll(guest, length = 4096) {
  const pieces = [];
  for (;;) {
    const piece = guest.read(0, length);
    if (piece === '') return pieces;
    pieces.push(piece);
  }
}

test('input is a text, with what UTF-8 has', () => {
  assert.deepEqual(readAll(new Guest({ input: 'žluť 🐎\n' })), ['žluť 🐎\n']);
  assert.deepEqual(readAll(new Guest({ input: '' })), []);
  assert.deepEqual(readAll(new Guest({ input: 'a\ud800b\0c' })), ['a\ufffdb\0c']);
});

test('stdin is bytes, as they were when the object was made', () => {
  const bytes = Uint8Array.of(0, 255, 128, 10);
  const guest = new Guest({ stdin: bytes.subarray(1) });
  bytes.fill(7);
  guest.read(0);
  assert.deepEqual([...guest.bytes(16384, 3)], [255, 128, 10]);
  assert.deepEqual(readAll(new Guest({ stdin: Buffer.from('buffer') })), ['buffer']);
  const shared = new Uint8Array(new SharedArrayBuffer(2)).fill(65);
  assert.deepEqual(readAll(new Guest({ stdin: shared })), ['AA']);
  const other = vm.runInNewContext('Uint8Array.of(66, 67)');
  assert.deepEqual(readAll(new Guest({ stdin: other })), ['BC']);
});

test('stdin is a function: asked when the guest reads, for as much as it wants', () => {
  const asked = [];
  const supplies = [Buffer.from('one'), Buffer.from('a longer one'), null];
  const guest = new Guest({
    stdin(most) {
      asked.push(most);
      return supplies.shift();
    },
  });
  assert.deepEqual(asked, []);
  assert.deepEqual(readAll(guest, 5), ['one', 'a lon', 'ger o', 'ne']);
  assert.deepEqual(asked, [5, 5, 5]);
  assert.equal(guest.read(0), '', 'the end is the end');
  assert.deepEqual(asked.length, 3);
});

test('an empty array ends stdin as null does', () => {
  assert.deepEqual(readAll(new Guest({ stdin: () => new Uint8Array() })), []);
});

test('a function that supplies stdin may make the memory grow', () => {
  const guest = new Guest({
    stdin() {
      guest.exports.grow(100);
      return Buffer.from('grown');
    },
  });
  const end = guest.memory.buffer.byteLength;
  assert.equal(guest.read(0, 5), 'grown');
  assert.equal(guest.memory.buffer.byteLength, end + 100 * 65536);
  assert.equal(guest.call('fd_read', 0, ...guest.iovecs(16368, [end, 5]), 16376), ERRNO.SUCCESS);
});

test('a function may call the guest that is calling it', () => {
  const written = [];
  const guest = new Guest({
    stdin() {
      assert.equal(guest.call('fd_write', 1, ...guest.iovecs(0, [64, 3]), 8), ERRNO.SUCCESS);
      return Buffer.from('in');
    },
    stdout: (chunk) => written.push(chunk.toString()),
  });
  guest.put(64, 'out');
  assert.equal(guest.read(0), 'in');
  assert.deepEqual(written, ['out']);
});

test('a function may close and open descriptors of the guest that is calling it, also its own', () => {
  let opened;
  const stdin = () => {
    opened = [guest.open(3, 'package.json'), guest.open(3, 'package.json')];
    assert.equal(guest.call('fd_renumber', opened[1], 0), ERRNO.SUCCESS);
    return null;
  };
  const stdout = () => assert.equal(guest.call('fd_close', 1), ERRNO.SUCCESS);
  const guest = new Guest({ stdin, stdout, preopens: { '/': '.' } });
  assert.equal(guest.read(0, 1), '{', 'what the function has put there');
  assert.deepEqual(opened, [4, 5]);
  assert.equal(guest.write(1, 'last words'), ERRNO.SUCCESS);
  assert.equal(guest.write(1, 'none'), ERRNO.BADF);
});

test('what else a function may return for stdin is refused', () => {
  for (const value of [undefined, 'text', 5, {}, new Uint16Array(2)]) {
    assert.throws(() => new Guest({ stdin: () => value }).read(0), {
      name: 'TypeError',
      code: 'ERR_INVALID_RETURN_VALUE',
      message:
        /Expected an instance of Uint8Array or null to be returned from the "options.stdin" function but got /,
    });
  }
});

test('stdin that is not a descriptor is ready for poll_oneoff', () => {
  const [IN, OUT] = [0, 512];
  for (const [option, nbytes, flags] of [
    [{ input: 'abc' }, 3n, 1],
    [{ input: '' }, 0n, 1],
    [{ stdin: () => Buffer.from('x') }, 1n, 0],
  ]) {
    const guest = new Guest(option);
    guest.bytes(IN, 48).fill(0);
    guest.bytes(IN + 8, 1)[0] = 1;
    assert.equal(guest.call('poll_oneoff', IN, OUT, 1, 900), ERRNO.SUCCESS);
    assert.equal(guest.u32(900), 1);
    assert.equal(guest.u64(OUT + 16), nbytes);
    assert.equal(guest.bytes(OUT + 24, 2).readUInt16LE(), flags);
  }
});

test('stdout and stderr are captured, each for itself', () => {
  const guest = new Guest({ stdout: 'pipe', stderr: 'pipe' });
  assert.deepEqual(guest.wasi.stdout, Buffer.alloc(0));
  guest.write(1, 'out 1\n');
  guest.write(2, 'err');
  guest.write(1, 'out 2\n');
  assert.ok(Buffer.isBuffer(guest.wasi.stdout));
  assert.equal(guest.wasi.stdout.toString(), 'out 1\nout 2\n');
  assert.equal(guest.wasi.stderr.toString(), 'err');
  assert.equal(Object.create(guest.wasi).stdout.toString(), 'out 1\nout 2\n');
  assert.equal(new Proxy(guest.wasi, {}).stderr.toString(), 'err');
  assert.deepEqual(Object.keys(guest.wasi), ['wasiImport']);
  guest.wasi[Symbol.dispose]();
  assert.equal(guest.wasi.stderr.toString(), 'err', 'also when all is closed');
});

test('what is not captured has no property', () => {
  const { wasi } = new Guest({ stdout: 'ignore' });
  assert.ok(!('stdout' in wasi) && !('stderr' in wasi));
});

test('what a guest wrote before it failed is there', () => {
  const guest = new Guest({ stdout: 'pipe' }, { bind: false, start: '(unreachable)' });
  guest.wasi.finalizeBindings(guest.instance);
  guest.write(1, 'last words');
  assert.throws(() => guest.exports._start(), WebAssembly.RuntimeError);
  assert.equal(guest.wasi.stdout.toString(), 'last words');
});

test('a guest that writes more than is captured ends, and the rest is kept', () => {
  for (const [name, fd] of [
    ['stdout', 1],
    ['stderr', 2],
  ]) {
    const guest = new Guest({ [name]: 'pipe', limits: { stdout: 10 } });
    assert.equal(guest.write(fd, '12345678'), ERRNO.SUCCESS);
    assert.throws(() => guest.write(fd, '90abc'), {
      name: 'RangeError',
      code: 'ERR_WASI_STDIO_MAXBUFFER',
      message: new RegExp(
        `more than 10 bytes to ${name}. .*options.limits.stdout.*options.${name}`,
      ),
    });
    assert.equal(guest.wasi[name].toString(), '1234567890');
  }
});

test('in any pieces', () => {
  for (const [times, length] of [
    [17, 10],
    [161, 1],
    [2, 81],
  ]) {
    const guest = new Guest({ stdout: 'pipe', limits: { stdout: 160 } });
    const write = () => assert.equal(guest.write(1, 'x'.repeat(length)), ERRNO.SUCCESS);
    for (let i = 1; i < times; i++) write();
    assert.throws(write, { code: 'ERR_WASI_STDIO_MAXBUFFER' });
    assert.equal(guest.wasi.stdout.length, 160);
  }
});

test('stdout and stderr go to functions, a Buffer for each call of the guest', () => {
  const chunks = [];
  const guest = new Guest({
    stdout: (chunk) => chunks.push(['out', chunk]),
    stderr: (chunk) => chunks.push(['err', chunk]),
  });
  guest.put(64, 'abcdef');
  guest.call('fd_write', 1, ...guest.iovecs(0, [64, 2], [68, 2], [66, 0]), 32);
  assert.equal(guest.u32(32), 4);
  guest.write(2, 'x');
  guest.write(1, '');
  assert.ok(chunks.every(([, chunk]) => Buffer.isBuffer(chunk)));
  assert.deepEqual(chunks.map(String), ['out,abef', 'err,x']);
});

test('an exception of a function ends the guest and comes out of start()', () => {
  const error = new Error('enough');
  const guest = new Guest({ stdout: () => assert.fail('not here') });
  assert.throws(() => guest.write(1, 'x'), { code: 'ERR_ASSERTION' });
  const start = `
    (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 3))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))
    (call $proc_exit (i32.const 3))`;
  const thrower = () => {
    throw error;
  };
  assert.throws(
    () => new Guest({ stdout: thrower }, { start }),
    (thrown) => thrown === error,
  );
  assert.equal(new Guest({ stdout: () => {} }, { start }).result, 3);
});

test('stdout goes to a Writable: chunks in order, and none lost', async () => {
  const out = new PassThrough({ highWaterMark: 4 });
  const guest = new Guest({ stdout: out });
  for (let number = 0; number < 1000; number++) guest.write(1, `${number}\n`);
  out.end();
  let text = '';
  for await (const chunk of out) text += chunk;
  assert.equal(text, Array.from({ length: 1000 }, (_, number) => `${number}\n`).join(''));
});

test('a Writable of objects, of another realm, or only something with write()', () => {
  const chunks = [];
  const sink = new Writable({
    objectMode: true,
    write(chunk, _, done) {
      chunks.push(chunk.toString());
      done();
    },
  });
  new Guest({ stderr: sink }).write(2, 'one');
  new Guest({ stderr: { write: (chunk) => chunks.push(chunk.toString()) } }).write(2, 'two');
  assert.deepEqual(chunks, ['one', 'two']);
});

test("'ignore' is an empty stdin, and an output that takes everything", () => {
  const guest = new Guest({ stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' });
  assert.equal(guest.read(0), '');
  assert.equal(guest.write(1, 'lost'), ERRNO.SUCCESS);
  assert.equal(guest.u32(16376), 4);
  assert.equal(guest.write(2, 'lost'), ERRNO.SUCCESS);
});

test("'inherit' is the host's own stream", () => {
  const script = `
    import { Guest } from ${JSON.stringify(new URL('../support/guest.mjs', import.meta.url))};
    const guest = new Guest({ stdin: 'inherit', stdout: 'inherit', stderr: 'inherit' });
    guest.write(1, guest.read(0).toUpperCase());`;
  const args = ['--input-type=module', '--no-warnings', '-e', script];
  assert.equal(
    execFileSync(process.execPath, args, { input: 'in and out' }).toString(),
    'IN AND OUT',
  );
});

test('a stream moves and closes like any descriptor', () => {
  const guest = new Guest({ input: 'text', stdout: 'pipe' });
  assert.equal(guest.call('fd_renumber', 1, 2), ERRNO.SUCCESS);
  assert.equal(guest.write(1, 'x'), ERRNO.BADF);
  assert.equal(guest.write(2, 'x'), ERRNO.SUCCESS);
  assert.equal(guest.wasi.stdout.toString(), 'x');
  assert.equal(guest.call('fd_close', 0), ERRNO.SUCCESS);
  assert.throws(() => guest.read(0), /8/);
});

test('a wrong option is an error that names it', () => {
  const make = (options) => () => new Guest(options);
  const type = (name, kinds, value) => ({
    name: 'TypeError',
    code: 'ERR_INVALID_ARG_TYPE',
    message: `The "options.${name}" property must be one of type number, string, or function or an instance of ${kinds}. Received ${value}`,
  });
  for (const [value, shown] of [
    [null, 'null'],
    [true, 'type boolean (true)'],
    [{}, 'an instance of Object'],
    [[], 'an instance of Array'],
    [10n, 'type bigint (10n)'],
    [Symbol('s'), 'type symbol (Symbol(s))'],
  ]) {
    assert.throws(make({ stdin: value }), type('stdin', 'Uint8Array', shown));
    assert.throws(make({ stdout: value }), type('stdout', 'Writable', shown));
    assert.throws(make({ stderr: value }), type('stderr', 'Writable', shown));
  }
  assert.throws(make({ stdin: new Uint16Array(2) }), { code: 'ERR_INVALID_ARG_TYPE' });
  assert.throws(make({ stdout: new Uint8Array(2) }), { code: 'ERR_INVALID_ARG_TYPE' });
  assert.throws(make({ stdin: 'pipe' }), {
    code: 'ERR_INVALID_ARG_VALUE',
    message: /options.stdin/,
  });
  assert.throws(make({ stdout: 'pipes' }), {
    code: 'ERR_INVALID_ARG_VALUE',
    message:
      "The property 'options.stdout' must be one of: 'inherit', 'ignore', 'pipe'. Received 'pipes'",
  });
  assert.throws(make({ limits: { memory: 5 } }), {
    code: 'ERR_INVALID_ARG_VALUE',
    message:
      "The property 'options.limits.memory' is not known: options.limits may have 'stdout', 'openFiles'. Received 5",
  });
  assert.throws(make({ limits: 5 }), { code: 'ERR_INVALID_ARG_TYPE', message: /options.limits/ });
  for (const name of ['stdout', 'openFiles']) {
    assert.throws(make({ limits: { [name]: '5' } }), { code: 'ERR_INVALID_ARG_TYPE' });
    for (const value of [-1, 1.5, NaN, 2 ** 53]) {
      assert.throws(make({ limits: { [name]: value } }), {
        code: 'ERR_OUT_OF_RANGE',
        message: new RegExp(`options.limits.${name}`),
      });
    }
  }
});

test("the edition that stands in node:wasi's place takes descriptors only, the older one takes all", () => {
  for (const [name, value] of [
    ['stdin', 'ignore'],
    ['stdout', 'pipe'],
    ['stderr', () => {}],
  ]) {
    assert.throws(() => new CompatWASI({ version: 'preview1', [name]: value }), {
      code: 'ERR_INVALID_ARG_TYPE',
      message: new RegExp(`The "options.${name}" property must be of type number. Received `),
    });
    assert.ok(new LegacyWASI({ [name]: value }));
  }
});

test('limits.openFiles is how many descriptors a guest may have', () => {
  const guest = new Guest({ limits: { openFiles: 4 }, preopens: { '/': '.' } });
  assert.equal(guest.open(3, 'package.json'), -33, 'EMFILE');
  assert.equal(guest.call('fd_close', 0), ERRNO.SUCCESS);
  assert.equal(guest.open(3, 'package.json'), 0);
  assert.throws(() => new Guest({ limits: { openFiles: 2 } }), { code: 'UVWASI_EMFILE' });
});

test('the functions live as long as the object, and no longer', async () => {
  v8.setFlagsFromString('--expose-gc');
  const gc = vm.runInNewContext('gc');
  const collected = [];
  const registry = new FinalizationRegistry((name) => collected.push(name));
  const kept = (() => {
    const make = (name) => {
      const chunks = [];
      const stdout = (chunk) => chunks.push(chunk.toString(), String(guest.args));
      const guest = new Guest({ stdout });
      registry.register(stdout, name);
      return { guest, chunks };
    };
    make('dropped');
    return make('kept');
  })();
  for (let round = 0; round < 50 && collected.length === 0; round++) {
    gc();
    await new Promise(setImmediate);
  }
  assert.deepEqual(collected, ['dropped']);
  kept.guest.write(1, 'still here');
  assert.deepEqual(kept.chunks, ['still here', '']);
});

test('a lot of output is linear in time and memory', () => {
  const limit = 48 << 20;
  const guest = new Guest({ stdout: 'pipe', stderr: 'ignore', limits: { stdout: limit } });
  guest.bytes(1024, 8192).fill('x');
  const [iovs, count] = guest.iovecs(0, [1024, 8192]);
  for (let written = 0; written < limit; written += 8192) {
    guest.exports.fd_write(1, iovs, count, 16);
  }
  assert.equal(guest.wasi.stdout.length, limit);
  // One call that names the same megabytes again and again is cut short, and holds what it took.
  const many = new Guest({ stdout: 'pipe' }, { memory: '32' });
  const pairs = Array.from({ length: 64 }, () => [65536, 1 << 20]);
  assert.equal(many.call('fd_write', 1, ...many.iovecs(0, ...pairs), 1024), ERRNO.SUCCESS);
  assert.equal(many.u32(1024), many.wasi.stdout.length);
  assert.equal(many.u32(1024), 16 << 20);
});
