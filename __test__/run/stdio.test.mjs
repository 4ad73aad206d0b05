// The options stdin, stdout and stderr of run(): bytes, descriptors, functions and streams, and what is captured.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { Readable, Writable } from 'node:stream';
import { after as afterAll, describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { WasiError } from '../../index.js';
import { forEachEngine } from '../support/engine.mjs';
import { ofStream } from '../support/errors.mjs';
import { temporaryFolder } from '../support/host.mjs';
import { WRITE_FOR_EVER, cat, exits, program, tee } from '../support/programs.mjs';

const folder = temporaryFolder({ after: afterAll });
const CAT = cat();

forEachEngine(({ engine, run }) => {
  describe(`stdio of run() in ${engine}`, () => {
    test('stdin: bytes, a descriptor, a function, streams', async () => {
      const file = path.join(folder, 'input');
      fs.writeFileSync(file, 'from a file');
      const fd = fs.openSync(file);
      const pieces = [Buffer.from('from '), Buffer.from('a function'), null];
      async function* generate() {
        yield 'from a ';
        await turn();
        yield Buffer.from('generator');
      }
      const cases = [
        [Buffer.from('from bytes'), 'from bytes'],
        [fd, 'from a file'],
        ['ignore', ''],
        [undefined, ''],
        [() => pieces.shift(), 'from a function'],
        [Readable.from(['from ', 'a stream']), 'from a stream'],
        [fs.createReadStream(file), 'from a file'],
        [generate(), 'from a generator'],
      ];
      for (const [stdin, expected] of cases) {
        assert.equal(String((await run(CAT, { stdin })).stdout), expected);
      }
      fs.closeSync(fd);
    });

    test('stdout: a descriptor, a function, a Writable that makes it wait', async () => {
      const file = path.join(folder, 'output');
      const fd = fs.openSync(file, 'w');
      assert.equal((await run(CAT, { input: 'to a file', stdout: fd })).stdout, null);
      fs.closeSync(fd);
      assert.equal(fs.readFileSync(file, 'utf8'), 'to a file');
      assert.equal((await run(CAT, { input: 'lost', stdout: 'ignore' })).stdout, null);

      const input = Buffer.alloc(3_000_000, 'abcdefghijk');
      const chunks = [];
      await run(CAT, { stdin: input, stdout: (chunk) => void chunks.push(chunk) });
      assert.ok(Buffer.concat(chunks).equals(input));

      chunks.length = 0;
      const slow = new Writable({
        highWaterMark: 1,
        write(chunk, _, done) {
          chunks.push(chunk);
          setImmediate(done);
        },
      });
      await run(CAT, { stdin: Readable.from([input]), stdout: slow });
      slow.end();
      await once(slow, 'finish');
      assert.ok(Buffer.concat(chunks).equals(input));
    });

    test('a Writable holds no more than it wants to', async () => {
      let most = 0;
      const slow = new Writable({
        highWaterMark: 1000,
        write(_chunk, _, done) {
          most = Math.max(most, slow.writableLength);
          setImmediate(done);
        },
      });
      await run(CAT, { stdin: Buffer.alloc(5_000_000), stdout: slow });
      assert.ok(most <= 2 * 65536, `${most} bytes`);
    });

    test('what a function or a stream throws comes out, and ends the program', async () => {
      const mine = new Error('mine');
      const fails = () => {
        throw mine;
      };
      const endless = program(WRITE_FOR_EVER);
      await assert.rejects(run(endless, { stdout: fails }), ofStream(mine));
      await assert.rejects(run(CAT, { stdin: fails }), ofStream(mine));
      const failing = new Readable({ read: () => failing.destroy(mine) });
      await assert.rejects(run(CAT, { stdin: failing }), ofStream(mine));
      const broken = new Writable({ write: (_chunk, _, done) => done(mine) });
      await assert.rejects(run(endless, { stdout: broken }), ofStream(mine));
      const wrong = ofStream({ name: 'TypeError', code: 'ERR_INVALID_RETURN_VALUE' });
      await assert.rejects(run(CAT, { stdin: () => 5 }), wrong);
    });

    test('a program need not read to the end', async () => {
      let returned = false;
      async function* endless() {
        try {
          for (;;) yield Buffer.alloc(100_000);
        } finally {
          returned = true;
        }
      }
      assert.equal((await run(exits(3), { stdin: endless() })).exitCode, 3);
      await turn();
      assert.ok(returned);
      const source = new Readable({ read() {} });
      assert.equal((await run(exits(4), { stdin: source })).exitCode, 4);
      assert.ok(source.destroyed);
    });

    test('more output than maxBuffer is an error that keeps what came before', async () => {
      const input = Buffer.alloc(100_000, 'x');
      const maxBuffer = 70_000;
      await assert.rejects(run(tee(), { input, maxBuffer }), (error) => {
        assert.ok(error instanceof WasiError && error.isMaxBuffer);
        assert.equal(error.code, 'ERR_WASI_STDIO_MAXBUFFER');
        assert.match(error.message, /more than 70000 bytes to stdout/);
        assert.equal(error.stdout.length, 70_000);
        assert.equal(error.stderr.length, 60_000);
        return true;
      });
      const { stdout } = await run(tee(), { input, maxBuffer: 100_000 });
      assert.equal(stdout.length, 100_000);
    });

    test('much output, a byte at a time', async () => {
      const bytewise = program(`(local $i i32)
        (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 1))
        (loop
          (i32.store8 (i32.const 64) (local.get $i))
          (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if 0 (i32.lt_u (local.get $i) (i32.const 300000))))`);
      const { stdout, usage } = await run(bytewise);
      assert.equal(stdout.length, 300_000);
      assert.ok(stdout.every((byte, index) => byte === (index & 255)));
      assert.equal(usage.calls, 300_000);
      assert.equal(usage.written, 300_000);
    });
  });
});
