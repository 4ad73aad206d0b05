// Streams and functions that fail, or had failed before, end the program and reject the run.

import assert from 'node:assert/strict';
import { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { ReadableStream, WritableStream } from 'node:stream/web';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { forEachEngine, makeRun } from '../support/engine.mjs';
import { ofStream } from '../support/errors.mjs';
import { HANGS } from '../support/host.mjs';
import { listeners, settled, untilClosed } from '../support/pipes.mjs';
import { SLEEP, SPIN, after, cat, exits, program, writes } from '../support/programs.mjs';

const CAT = cat();
/** Writes a dot, and then nothing for long. */
const SILENT = after('.', SLEEP);
const bounded = { timeout: HANGS };

const mine = new Error('mine');
const throwing = () => {
  throw mine;
};
const premature = { code: 'ERR_STREAM_PREMATURE_CLOSE' };

/** Sources that can't be read, and what comes of them. */
const SOURCES = {
  'throws when it is opened': [() => ({ [Symbol.asyncIterator]: throwing }), mine],
  'has a next() that throws': [
    () => ({ [Symbol.asyncIterator]: () => ({ next: throwing }) }),
    mine,
  ],
  'has a getter of next() that throws': [
    () => ({
      [Symbol.asyncIterator]: () => ({
        get next() {
          return throwing();
        },
      }),
    }),
    mine,
  ],
  'rejects at first': [
    () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(mine) }) }),
    mine,
  ],
  'opens as nothing': [() => ({ [Symbol.asyncIterator]: () => undefined }), { name: 'TypeError' }],
  'yields no object': [
    () => ({ [Symbol.asyncIterator]: () => ({ next: () => undefined }) }),
    { name: 'TypeError' },
  ],
  'yields what are no bytes': [
    () => Readable.from([5]),
    { code: 'ERR_INVALID_ARG_TYPE', message: /^The "chunk" argument must be of type string or / },
  ],
  'is destroyed': [() => new Readable({ read() {} }).destroy(), premature],
  'has failed': [
    () => {
      const failed = new Readable({ read() {} }).on('error', () => {});
      return failed.destroy(mine);
    },
    mine,
  ],
  'is locked': [
    () => {
      const stream = new ReadableStream();
      stream.getReader();
      return stream;
    },
    { code: 'ERR_INVALID_STATE' },
  ],
  'fails while nobody reads': [
    () => {
      const failing = Readable.from(
        (async function* () {
          yield Buffer.alloc(1 << 20);
          await turn();
          throw mine;
        })(),
        { highWaterMark: 8 },
      );
      return failing;
    },
    mine,
    SILENT,
  ],
};

/** What becomes of a Writable while a program runs, or before, and what comes of the run. */
const brokenPipe = { code: 'EPIPE', syscall: 'write', message: /options\.stdout/ };
const WRITABLES = {
  'was destroyed before': [(output) => output.destroy(), undefined, brokenPipe],
  'had failed before': [
    (output) => output.on('error', () => {}).destroy(mine),
    undefined,
    ofStream(mine),
  ],
  'was ended before': [(output) => output.end(), undefined, brokenPipe],
  'is destroyed': [undefined, (output) => output.destroy(), brokenPipe],
  'is destroyed with an error': [undefined, (output) => output.destroy(mine), ofStream(mine)],
  'is ended': [undefined, (output) => output.end(), brokenPipe],
};

forEachEngine(({ engine, run, spawn }) => {
  describe(`streams that fail in ${engine}`, bounded, () => {
    for (const [what, [make, expected, wasm = CAT]] of Object.entries(SOURCES)) {
      test(`a source that ${what} rejects the run`, async () => {
        const before = await settled(engine);
        await assert.rejects(run(wasm, { stdin: await make() }), ofStream(expected));
        await untilClosed(before);
      });
    }

    test('a source that has ended is a wrong option', async () => {
      const stdin = Readable.from(['x']);
      await text(stdin);
      const expected = {
        name: 'TypeError',
        code: 'ERR_INVALID_ARG_VALUE',
        message: /'options.stdin'.* read to its end/,
      };
      await assert.rejects(run(CAT, { stdin }), expected);
      assert.throws(() => spawn(CAT, { stdin }), expected);
    });

    test('what a source says to being left is of no interest', async () => {
      const source = { next: () => new Promise(() => {}), return: throwing };
      const stdin = { [Symbol.asyncIterator]: () => source };
      assert.equal((await run(exits(5), { stdin })).exitCode, 5);
      const stubborn = new Readable({ read() {}, destroy: (_, done) => setImmediate(done, mine) });
      assert.equal((await run(exits(6), { stdin: stubborn })).exitCode, 6);
      await new Promise((resolve) => stubborn.once('close', resolve));
    });

    for (const [what, [before, during, expected]] of Object.entries(WRITABLES)) {
      test(`a Writable that ${what} ends the program, which does not write`, async () => {
        const open = await settled(engine);
        const output = new Writable({
          write(_chunk, _encoding, done) {
            done();
            during?.(output);
          },
        });
        before?.(output);
        await assert.rejects(run(SILENT, { stdout: output }), expected);
        await untilClosed(open);
      });
    }

    test('an error of a Writable that comes after the end of the program rejects the run', async () => {
      let ended = false;
      const failing = new Writable({
        async write(_chunk, _encoding, done) {
          while (!ended) await turn();
          for (let i = 0; i < 20; i++) await turn();
          done(mine);
        },
      });
      const child = spawn(after('x', ''), { stdout: failing, stderr: 'pipe' });
      // Its end is known by the other stream, which it holds open as long as it is there.
      child.stderr.resume().on('end', () => (ended = true));
      await assert.rejects(child.result, (error) => {
        assert.deepEqual([error.exitCode, error.signal, error.usage.written], [0, undefined, 1]);
        return ofStream(mine)(error);
      });
      await turn();
      assert.equal(listeners(failing), 0);
    });

    test('functions that throw or reject, and objects with write() like them', async () => {
      const rejecting = () => Promise.reject(mine);
      for (const stdout of [throwing, rejecting, { write: throwing }, { write: rejecting }]) {
        await assert.rejects(run(SILENT, { stdout }), ofStream(mine));
      }
      for (const stdin of [throwing, rejecting])
        await assert.rejects(run(CAT, { stdin }), ofStream(mine));
      const written = [];
      const writer = {
        on() {}, // not all that has one is a stream
        async write(chunk) {
          await turn();
          written.push(String(chunk));
        },
      };
      await run(CAT, { input: 'to an object', stdout: writer });
      assert.deepEqual(written, ['to an object']);
    });

    test('what was captured on the way is with the error, and the embedder’s own is not touched', async () => {
      const frozen = Object.freeze(new Error('frozen'));
      const odd = Object.defineProperties(new Error('odd'), {
        usage: { set: throwing },
        message: { get: throwing },
      });
      for (const thrown of [mine, frozen, odd, 'text', undefined, null, 5, Symbol('symbol')]) {
        const stderr = () => Promise.reject(thrown);
        const two = program(`${writes('y').body} ${writes('x', 2).body} ${SPIN}`, writes('x', 2));
        await assert.rejects(run(two, { stderr }), (error) => {
          assert.deepEqual([String(error.stdout), error.stderr], ['x', null]);
          assert.equal(error.usage.written, 2);
          return ofStream(thrown)(error);
        });
      }
      assert.deepEqual(Object.keys(mine), []);
    });
  });
});

for (const engine of ['wasmtime', 'v8']) {
  test(`an answer that can’t be made rejects the run, in ${engine}`, bounded, async (t) => {
    const refuse = (name) => {
      Object.defineProperty(Object.prototype, name, { configurable: true, set: throwing });
      t.after(() => delete Object.prototype[name]);
    };
    const run = makeRun(engine);
    refuse('exitCode');
    await assert.rejects(run(exits(0)), { code: 'ERR_WASI_RS', cause: mine, message: /mine/ });
    delete Object.prototype.exitCode;
    assert.equal((await run(exits(0))).exitCode, 0);
  });
}

forEachEngine(({ engine, run }) => {
  describe(`what fails with undefined in ${engine}`, () => {
    const nothing = () => Promise.reject(undefined);
    const RECEIVERS = {
      'a function that rejects': nothing,
      'a function that throws': () => {
        throw undefined;
      },
      'an object whose write() rejects': { write: nothing },
      'a WritableStream whose write() rejects': new WritableStream({ write: nothing }),
      'a WritableStream that has failed': new WritableStream({ start: (one) => one.error() }),
    };
    for (const [what, stdout] of Object.entries(RECEIVERS)) {
      test(`${what} has failed, and was not ended`, async () => {
        await assert.rejects(run(CAT, { ...bounded, input: 'a', stdout }), ({ code, message }) => {
          assert.equal(code, 'ERR_WASI_STREAM');
          assert.equal(message, 'options.stdout has failed: undefined');
          return true;
        });
      });
    }

    const SUPPLIES = {
      'a function that rejects': nothing,
      'an iterator that rejects': { [Symbol.asyncIterator]: () => ({ next: nothing }) },
      'a ReadableStream that has failed': new ReadableStream({ start: (one) => one.error() }),
    };
    for (const [what, stdin] of Object.entries(SUPPLIES)) {
      test(`${what}, as stdin`, async () => {
        await assert.rejects(run(CAT, { ...bounded, stdin }), ({ code, message }) => {
          assert.equal(code, 'ERR_WASI_STREAM');
          assert.equal(message, 'options.stdin has failed: undefined');
          return true;
        });
      });
    }

    test('a Writable that is destroyed without an error is EPIPE', async () => {
      const stdout = new Writable({ write: () => stdout.destroy(undefined) });
      await assert.rejects(run(CAT, { ...bounded, input: 'a', stdout }), { code: 'EPIPE' });
    });
  });
});
