// The end of a guest: proc_exit, an error of the embedder's or too much output. No handler of the guest catches it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { WASI } from '../../index.js';
import { runInWorker } from '../support/host.mjs';
import { assemble, wat } from '../support/wat.mjs';

/** A guest whose `say` writes four bytes to stdout; what `code` does is `_start`. */
const text = (code, items = '') => `(module ${items}
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\\10\\00\\00\\00\\04\\00\\00\\00") (data (i32.const 16) "abc\\n")
  (func $say (export "say") (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
  (func $ask (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8))))
  (func $leave (export "leave") (call $exit (i32.const 3)))
  (func $hide (export "hide") (try (do (call $exit (i32.const 3))) (catch_all)))
  (func (export "_start") ${code}))`;

const hidden = (code) => `(try (do ${code}) (catch_all))`;
const EXIT = '(call $exit (i32.const 3))';
const SAY = '(call $say)';

/** A guest in the class, not yet started. */
function guestOf(code, options = {}, { imports = {}, items, name = '_start' } = {}) {
  const wasi = new WASI({ version: 'preview1', ...options });
  const given = wasi.getImportObject();
  const [namespace] = Object.keys(given);
  const all = {
    ...imports,
    [namespace]: { ...given[namespace], ...imports[namespace]?.(given[namespace]) },
  };
  const { exports } = new WebAssembly.Instance(wat(text(code, items)), all);
  const { memory, _start, ...rest } = exports;
  return { wasi, instance: { exports: { memory, [name]: _start } }, exports: rest, memory };
}

const start = ({ wasi, instance }) => wasi.start(instance);

/** What a function throws, in a box: it may be anything. */
function thrownBy(fn) {
  try {
    fn();
  } catch (error) {
    return { error };
  }
  return undefined;
}

const ERRORS = {
  'an error': new Error('the embedder says stop'),
  'a frozen one': Object.freeze(new Error('frozen')),
  'a text': 'stop',
  'a number': 0,
  undefined,
  null: null,
  'a bigint': 5n,
  'a symbol': Symbol('stop'),
  'a function': () => {},
  'an object without a prototype': Object.create(null),
};

describe('proc_exit', () => {
  test('leaves a guest that catches everything', () => {
    const said = [];
    const stdout = (bytes) => said.push(String(bytes));
    assert.equal(start(guestOf(`${hidden(EXIT)} ${SAY}`, { stdout })), 3);
    assert.equal(
      start(guestOf(`${hidden(hidden(EXIT))} (loop $l ${hidden(SAY)} (br $l))`, { stdout })),
      3,
    );
    assert.deepEqual(said, []);
  });

  test('leaves one that catches exceptions of JavaScript', (t) => {
    const { JSTag } = WebAssembly;
    if (!JSTag) return t.skip('this Node has no JSTag');
    const items = '(import "js" "tag" (tag $js (param externref)))';
    const caught = (code) =>
      `(block $b (drop (try (result externref) (do ${code} (br $b)) (catch $js))))`;
    const guest = guestOf(
      `${caught(EXIT)} ${SAY}`,
      { stdout: assert.fail },
      { items, imports: { js: { tag: JSTag } } },
    );
    assert.equal(start(guest), 3);
  });

  test('the first of several counts', () => {
    assert.equal(
      start(
        guestOf(
          `${hidden(EXIT)} ${hidden('(call $exit (i32.const 4))')} (call $exit (i32.const 5))`,
        ),
      ),
      3,
    );
  });

  test('counts, whatever a wrapper of the embedder’s makes of the exception', () => {
    const swallow = (original) => (code) => {
      try {
        return original(code);
      } catch {
        return undefined;
      }
    };
    const wrap = (wrapper) => ({
      imports: { wasi_snapshot_preview1: ({ proc_exit }) => ({ proc_exit: wrapper(proc_exit) }) },
    });
    for (const code of [EXIT, hidden(EXIT), `${EXIT} unreachable`, `${hidden(EXIT)} ${SAY}`]) {
      for (const wrapper of [swallow, (original) => (code) => original(code)]) {
        assert.equal(start(guestOf(code, { stdout: assert.fail }, wrap(wrapper))), 3, code);
      }
    }
    const own = new Error('own');
    const replace = (original) => (code) => {
      assert.throws(() => original(code));
      throw own;
    };
    assert.equal(
      thrownBy(() => start(guestOf(EXIT, {}, wrap(replace)))).error,
      own,
      'it is the embedder’s',
    );
  });

  test('an exception of a replaced import is the guest’s to catch', () => {
    const said = [];
    const imports = {
      wasi_snapshot_preview1: () => ({
        proc_exit: () => {
          throw new Error('no');
        },
      }),
    };
    const stdout = (bytes) => said.push(String(bytes));
    assert.equal(start(guestOf(`${hidden(EXIT)} ${SAY}`, { stdout }, { imports })), 0);
    assert.deepEqual(said, ['abc\n']);
  });

  test('start() again begins anew', () => {
    const guest = guestOf(`(if (i32.load8_u (i32.const 100)) (then (return))) ${hidden(EXIT)}`);
    const kStarted = Object.getOwnPropertySymbols(guest.wasi).find(
      ({ description }) => description === 'kStarted',
    );
    assert.equal(start(guest), 3);
    guest.wasi[kStarted] = false;
    assert.equal(start(guest), 3);
    guest.wasi[kStarted] = false;
    new Uint8Array(guest.memory.buffer)[100] = 1;
    assert.equal(start(guest), 0, 'not what came of it before');
  });

  test('outside of start() throws the symbol, as ever', () => {
    for (const name of ['_start', '_initialize', 'other']) {
      const guest = guestOf(name === '_start' ? EXIT : '', {}, { name });
      if (name === '_start') assert.equal(start(guest), 3);
      else guest.wasi.initialize(guest.instance);
      for (const call of [guest.exports.leave, () => guest.wasi.wasiImport.proc_exit(3)]) {
        assert.equal(typeof thrownBy(call).error, 'symbol', name);
      }
      guest.exports.hide();
      assert.equal(guest.wasi.wasiImport.sched_yield(), 0, 'and it goes on');
    }
  });

  test('in initialize() too', () => {
    const guest = guestOf(
      `${hidden(EXIT)} ${SAY}`,
      { stdout: assert.fail },
      { name: '_initialize' },
    );
    assert.equal(typeof thrownBy(() => guest.wasi.initialize(guest.instance)).error, 'symbol');
  });

  test('returnOnExit: false, where process.exit is replaced', (t) => {
    const { exit } = process;
    t.after(() => (process.exit = exit));
    const codes = [];
    process.exit = (code) => codes.push(code);
    assert.equal(
      start(guestOf(`${hidden(EXIT)} ${SAY}`, { returnOnExit: false, stdout: assert.fail })),
      3,
    );
    assert.deepEqual(codes, [3]);
    const error = new Error('as jest does');
    process.exit = () => {
      throw error;
    };
    assert.equal(
      thrownBy(() => start(guestOf(`${hidden(EXIT)} ${SAY}`, { returnOnExit: false }))).error,
      error,
    );
  });

  test('returnOnExit: false, in a worker', async () => {
    const bytes = [...assemble(text(`${hidden(EXIT)} (loop $l (br $l))`))];
    const script = `const { parentPort } = await import('node:worker_threads');
      const wasi = new WASI({ version: 'preview1', returnOnExit: false });
      const module = new WebAssembly.Module(Uint8Array.from(${JSON.stringify(bytes)}));
      wasi.start(new WebAssembly.Instance(module, wasi.getImportObject()));
      parentPort.postMessage('after');`;
    assert.deepEqual(await runInWorker(script), { code: 3, messages: [] });
  });

  test('a guest that is traced ends as well', () => {
    assert.equal(
      start(guestOf(`${hidden(EXIT)} ${hidden(SAY)}`, { trace: true, stdout: assert.fail })),
      3,
    );
  });
});

describe('an error of the embedder’s', () => {
  for (const [what, error] of Object.entries(ERRORS)) {
    test(`${what} comes out by identity, of start() and initialize()`, () => {
      for (const stream of ['stdout', 'stdin', 'stderr']) {
        const code = stream === 'stdin' ? '(call $ask)' : SAY;
        let calls = 0;
        const stop = () => {
          calls++;
          throw error;
        };
        const options = stream === 'stderr' ? { stdout: { write: stop } } : { [stream]: stop };
        for (const [name, run] of [
          ['_start', start],
          ['_initialize', ({ wasi, instance }) => wasi.initialize(instance)],
        ]) {
          calls = 0;
          const guest = guestOf(hidden(code).repeat(4), options, { name });
          const thrown = thrownBy(() => run(guest));
          assert.ok(thrown && Object.is(thrown.error, error), `${stream} ${name}`);
          assert.equal(calls, 1);
          // Whoever calls the guest itself gets it as it is.
          if (stream !== 'stdin') assert.ok(Object.is(thrownBy(guest.exports.say).error, error));
        }
      }
    });
  }

  test('is one too where a function returns something else, or too much is captured', () => {
    const wrong = { stdin: () => 5 };
    assert.throws(() => start(guestOf(hidden('(call $ask)').repeat(2), wrong)), {
      code: 'ERR_INVALID_RETURN_VALUE',
    });
    const captures = { stdout: 'pipe', limits: { stdout: 6 } };
    const guest = guestOf(hidden(SAY).repeat(4), captures);
    assert.throws(() => start(guest), { code: 'ERR_WASI_STDIO_MAXBUFFER' });
    assert.equal(String(guest.wasi.stdout), 'abc\nab');
  });

  test('of a guest that another guest’s function runs is its own', () => {
    const error = new Error('inner');
    const inner = () =>
      guestOf(hidden(SAY), {
        stdout: () => {
          throw error;
        },
      });
    const codes = [];
    const outer = guestOf(`${hidden(SAY)} (call $exit (i32.const 4))`, {
      stdout() {
        codes.push(start(guestOf(hidden(EXIT))), thrownBy(() => start(inner())).error);
      },
    });
    assert.equal(start(outer), 4);
    assert.deepEqual(codes, [3, error]);
    assert.equal(
      thrownBy(() => start(guestOf(hidden(SAY), { stdout: () => start(inner()) }))).error,
      error,
    );
  });

  test('a function that calls the guest again, which exits: the guest has ended', () => {
    for (const call of ['leave', 'hide']) {
      for (const catches of [true, false]) {
        const said = [];
        const guest = guestOf(hidden(SAY).repeat(2), {
          stdout() {
            said.push('x');
            if (!catches) return guest.exports[call]();
            return thrownBy(guest.exports[call]);
          },
        });
        assert.equal(start(guest), 3);
        assert.equal(said.length, 1);
      }
    }
  });

  test('a start() within start() of the same object ends by itself', () => {
    const seen = [];
    const guest = guestOf(`${hidden(SAY)} (call $exit (i32.const 4))`, {
      stdout() {
        const kStarted = Object.getOwnPropertySymbols(guest.wasi).find(
          ({ description }) => description === 'kStarted',
        );
        guest.wasi[kStarted] = false;
        const { memory } = guest.instance.exports;
        seen.push(guest.wasi.start({ exports: { memory, _start: guest.exports.hide } }));
      },
    });
    assert.equal(start(guest), 4);
    assert.deepEqual(seen, [3]);
  });
});
