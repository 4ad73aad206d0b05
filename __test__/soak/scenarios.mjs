// What the soak does again and again: each scenario runs one guest to an end that is known, and checks that end.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { Worker } from 'node:worker_threads';
import { run, spawn, compile, handler, load, loadSync } from '../../index.js';
import { RESOURCES, assembleComponent } from '../support/components.mjs';
import * as guests from '../support/programs.mjs';
import { assemble } from '../support/wat.mjs';

const { BIG, FILL, READ, SHARED, SLEEP, SPIN, WAIT, program } = guests;

const CAT = guests.cat();
const EXITS = guests.exits(7);
const TRAPS = guests.after('before', '(unreachable)');
const CREATES = guests.creates();
const FLOODS =
  program(`(loop $l (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 4096))
  (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))) (br $l))`);
/** Guests that never end by themselves. */
const ENDLESS = {
  spin: program(SPIN),
  fill: program(FILL, { memory: BIG }),
  wait: program(WAIT, { memory: SHARED }),
  sleep: program(SLEEP),
};
const READS = program(READ);
/** A module whose `call` calls `env.host`. */
const LIBRARY = assemble(`(module (import "env" "host" (func $host (param i32) (result i32)))
  (memory (export "memory") 1) (func (export "spin") (loop (br 0)))
  (func (export "call") (param i32) (result i32) (call $host (local.get 0))))`);

/** A component with resources of both sides. */
const COMPONENT = assembleComponent(RESOURCES);
/** Answers requests, and makes them. */
const HANDLER = new URL('../support/guests/http-handler.wasm', import.meta.url);
/** Makes single calls of sockets. */
const SOCKETS = new URL('../support/guests/sockets.wasm', import.meta.url);

const ENGINES = ['wasmtime', 'v8', 'auto'];

/**
 * What a scenario gets.
 *
 * @typedef {object} Context
 * @property {(bound: number) => number} below a number from 0 to `bound` - 1, the same for the same seed
 * @property {string} folder of the scenario's own
 * @property {string} cache a folder for machine code that all share
 */

/** @template T @param {Context} context @param {readonly T[]} items @returns {T} */
const pick = ({ below }, items) => items[below(items.length)];

/** @param {Context} context */
const common = (context) => ({
  engine: pick(context, ENGINES),
  cache: pick(context, [false, context.cache]),
  limits: pick(context, [undefined, { memory: 128 * 2 ** 20 }]),
});

/** @param {Promise<unknown>} promise @param {string} code */
const rejects = (promise, code) => assert.rejects(promise, { code });

/** @type {Record<string, (context: Context) => Promise<unknown>>} */
export const SCENARIOS = {
  async exits(context) {
    assert.equal((await run(EXITS, common(context))).exitCode, 7);
  },

  async 'bytes in, bytes out'(context) {
    const bytes = Buffer.alloc(context.below(300_000), 'soak');
    const { stdout } = await run(CAT, { ...common(context), stdin: bytes });
    assert.ok(stdout.equals(bytes));
  },

  async 'streams in, streams out'(context) {
    const pieces = Array.from({ length: context.below(40) }, (_, i) => Buffer.alloc(5000, i));
    const taken = [];
    const write = (chunk, _, done) => void (taken.push(chunk), setImmediate(done));
    const stdout = new Writable({ write, highWaterMark: 1000 });
    await run(CAT, { ...common(context), stdin: Readable.from(pieces), stdout });
    assert.ok(Buffer.concat(taken).equals(Buffer.concat(pieces)));
  },

  async 'a function that throws'(context) {
    const error = new Error('no more');
    const stdout = () => {
      throw error;
    };
    await assert.rejects(
      run(CAT, { ...common(context), stdin: Buffer.from('x'), stdout }),
      ({ code, cause }) => code === 'ERR_WASI_STREAM' && cause === error,
    );
  },

  async 'a child that is talked to'(context) {
    const child = spawn(CAT, common(context));
    child.stdin.write('one');
    const [first] = await once(child.stdout, 'data');
    assert.equal(String(first), 'one');
    child.stdin.end('two');
    const rest = await text(child.stdout);
    assert.equal(rest, 'two');
    assert.equal((await child.result).exitCode, 0);
  },

  async 'a child that is killed'(context) {
    const child = spawn(READS, common(context));
    const closed = once(child, 'close');
    const { promise, at } = moment(context);
    if (at === 'started') await once(child, 'spawn');
    await promise;
    child.kill();
    await closed;
  },

  async 'a child whose output nobody reads'(context) {
    const child = spawn(FLOODS, common(context));
    const { promise } = moment(context);
    await promise;
    child.kill();
    child.stdout.destroy();
    await rejects(child.result, 'ERR_WASI_KILLED');
  },

  async 'a guest that is timed out'(context) {
    const guest = ENDLESS[pick(context, Object.keys(ENDLESS))];
    const timeout = 1 + context.below(40);
    await rejects(run(guest, { ...common(context), timeout }), 'ERR_WASI_TIMEOUT');
  },

  async 'a guest that is aborted'(context) {
    const controller = new AbortController();
    const guest = ENDLESS[pick(context, Object.keys(ENDLESS))];
    const { promise } = moment(context);
    promise.then(() => controller.abort());
    await rejects(run(guest, { ...common(context), signal: controller.signal }), 'ABORT_ERR');
  },

  async 'a guest that is aborted before it begins'(context) {
    await rejects(run(EXITS, { ...common(context), signal: AbortSignal.abort() }), 'ABORT_ERR');
  },

  async traps(context) {
    await assert.rejects(run(TRAPS, common(context)), (error) => {
      return error.code === 'ERR_WASI_TRAP' && String(error.stdout) === 'before';
    });
  },

  async 'more output than may be captured'(context) {
    const maxBuffer = 1 + context.below(100_000);
    await rejects(run(FLOODS, { ...common(context), maxBuffer }), 'ERR_WASI_STDIO_MAXBUFFER');
  },

  async 'a file'(context) {
    const { exitCode } = await run(CREATES, {
      ...common(context),
      preopens: { '/': context.folder },
    });
    assert.equal(exitCode, 0);
    assert.equal(fs.readFileSync(path.join(context.folder, 'made'), 'utf8'), 'made');
  },

  async 'a directory that is not there'(context) {
    const preopens = { '/': path.join(context.folder, 'none') };
    await rejects(run(EXITS, { ...common(context), preopens }), 'UVWASI_ENOENT');
  },

  async 'a new program'(context) {
    const options = common(context);
    assert.equal((await run(unlike(EXITS, context), options)).exitCode, 7);
  },

  async 'a new large program, ended while it is compiled'(context) {
    const guest = unlike(large(), context);
    const timeout = 1 + context.below(60);
    const ended = run(guest, { ...common(context), engine: 'wasmtime', timeout });
    await ended.then(
      ({ exitCode }) => assert.equal(exitCode, 0),
      (error) => assert.equal(error.code, 'ERR_WASI_TIMEOUT'),
    );
  },

  async 'an instance that is called'(context) {
    const host = pick(context, [(n) => n + 1, async (n) => n + 1]);
    const imports = { env: { host } };
    const { folder } = context;
    const instance = await load(LIBRARY, { imports, preopens: { '/': folder }, stdout: 'ignore' });
    for (let i = 0; i < context.below(50); i++) assert.equal(await instance.exports.call(i), i + 1);
    if (context.below(2) === 0) await instance.close(); // or it is collected
  },

  async 'an instance that is ended in a call'(context) {
    const imports = { env: { host: () => new Promise(() => {}) } };
    const instance = await load(LIBRARY, { imports, stdout: 'ignore' });
    const name = pick(context, ['spin', 'call']);
    const ended = rejects(instance.exports[name](1), 'ERR_WASI_KILLED');
    const { promise } = moment(context);
    await promise;
    await instance.close();
    await ended;
  },

  async 'instances of their own for calls'(context) {
    const imports = { env: { host: async (n) => n + 1 } };
    const instance = await load(LIBRARY, { imports, stdout: 'ignore', fresh: true });
    const calls = Array.from({ length: 10 }, (_, i) => instance.exports.call(i));
    assert.deepEqual(await Promise.all(calls), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    const ended = rejects(instance.exports.spin(), 'ERR_WASI_KILLED');
    const { promise } = moment(context);
    await promise;
    await instance.close();
    await ended;
  },

  async 'a program that is prepared'(context) {
    const imports = { env: { host: (n) => n + 1 } };
    const { cache } = common(context);
    const program = await compile(unlike(LIBRARY, context), { cache });
    const prepared = await program.prepare(({ exports }) => exports.call(1), { imports });
    const instance = await prepared.load({ imports });
    assert.equal(await instance.exports.call(5), 6);
    await instance.close();
  },

  async 'resources of a component'(context) {
    class Gauge {
      constructor(start) {
        this.start = start;
      }

      read() {
        return this.start;
      }

      static count() {
        return 1;
      }
    }
    const imports = { Gauge, see: (gauge) => gauge.start, offer() {}, offerOr() {} };
    const open = pick(context, [load, loadSync]);
    const instance = await open(COMPONENT, { imports });
    const { exports } = instance;
    for (let i = 0; i < context.below(100); i++) {
      const thing = new exports.Thing(i);
      assert.equal(await thing.valueOfIt(), i);
      assert.equal(await exports.measure(i), 2 * i + 1);
      if (context.below(2) === 0) thing[Symbol.dispose ?? Symbol.for('nodejs.dispose')]();
    }
    if (context.below(2) === 0) await instance.close(); // or it is collected
  },

  async 'requests of HTTP'(context) {
    const fetch = async ({ url }) => new Response(url);
    const handle = await handler(HANDLER, { fetch, timeout: 20_000, onError() {} });
    const path = pick(context, [
      '/count',
      '/trap',
      '/forward/x',
      '/large/20',
      '/forever',
      '/too-short',
    ]);
    const controller = new AbortController();
    const { signal } = controller;
    const request = new Request(`http://site.example${path}`, {
      signal,
      headers: { to: 'a.example' },
    });
    const answered = handle(request).then((response) => response.text());
    answered.catch(() => {});
    if (path === '/forever' || context.below(2) === 0) {
      const { promise } = moment(context);
      await promise;
      controller.abort();
    }
    await answered.catch(() => {});
    await handle.close();
  },

  async 'sockets of a component'(context) {
    const sockets = [
      { connect: 'localhost:*' },
      { connect: '127.0.0.1:*' },
      { listen: '127.0.0.1:0' },
    ];
    const controller = new AbortController();
    const options = { cache: context.cache, sockets, signal: controller.signal };
    const instance = await load(SOCKETS, options);
    const { exports } = instance;
    const at = (/** @type {number} */ port) => ({
      tag: 'ipv4',
      val: { port, address: [127, 0, 0, 1] },
    });
    const acting = (async () => {
      const server = await exports.tcpOpen('ipv4');
      await exports.tcpStartBind(server, at(0));
      await exports.tcpFinishBind(server);
      await exports.tcpStartListen(server);
      await exports.tcpFinishListen(server);
      const { port } = (await exports.tcpLocal(server)).val;
      for (let i = context.below(5); i >= 0; i--) {
        const lookup = await exports.lookup('localhost');
        const socket = await exports.tcpOpen('ipv4');
        await exports.tcpStartConnect(socket, at(port));
        await exports.block(await exports.tcpSubscribe(socket));
        const [input, output] = await exports.tcpFinishConnect(socket);
        await exports.tcpAccept(server);
        await exports.write(output, Buffer.alloc(context.below(10_000)));
        if (context.below(2) === 0) await exports.dropStreams(input, output);
        if (context.below(2) === 0) await exports.lookupDrop(lookup);
      }
      await exports.block(await exports.tcpSubscribe(server)); // for ever
    })();
    acting.catch(() => {});
    const { promise } = moment(context);
    await promise;
    controller.abort();
    const isOver = (error) => error.name === 'AbortError' || error.code === 'ERR_INVALID_STATE';
    await assert.rejects(acting, isOver);
    await instance.close();
  },

  async 'compile(), then several runs'(context) {
    const { engine, cache } = common(context);
    const made = await compile(unlike(EXITS, context), { cache });
    const runs = [1, 2, 3].map(() => made.run({ engine }));
    for (const { exitCode } of await Promise.all(runs)) assert.equal(exitCode, 7);
  },

  async 'a worker that is terminated while guests run in it'(context) {
    const worker = new Worker(new URL('worker.mjs', import.meta.url), {
      workerData: { engine: pick(context, ENGINES), guests: [CAT, ENDLESS.sleep, READS] },
    });
    const failed = once(worker, 'error').then(([error]) => Promise.reject(error));
    failed.catch(() => {});
    await Promise.race([once(worker, 'message'), failed]);
    const { promise } = moment(context);
    await promise;
    await worker.terminate();
  },

  async 'a class in a worker that is terminated while it waits'(context) {
    const worker = new Worker(new URL('class-worker.mjs', import.meta.url), {
      workerData: { guest: pick(context, [ENDLESS.sleep, ENDLESS.spin]) },
    });
    await once(worker, 'message');
    await worker.terminate();
  },
};

/** A moment to do something: at once, in the next turn of the event loop, or after some of them. @param {Context} context */
function moment(context) {
  const turns = pick(context, [0, 1, 5, 50]);
  const at = pick(context, ['asked for', 'started']);
  const promise = (async () => {
    for (let turn = 0; turn < turns; turn++) await new Promise((next) => setImmediate(next));
  })();
  return { promise, at };
}

let unique = 0;
/** The same module with a custom section that makes it another program. @param {Buffer} bytes @param {Context} context */
function unlike(bytes, { below }) {
  const name = Buffer.from(`soak ${unique++} ${below(2 ** 30)}`);
  return Buffer.concat([bytes, Buffer.from([0, name.length + 1, name.length]), name]);
}

/** @type {Buffer | undefined} */
let made;
/** A program of many functions. */
function large() {
  const bodies = Array.from({ length: 6000 }, (_, i) => {
    return `(func (param i32) (result i32) (i32.mul (local.get 0) (i32.const ${i})))`;
  });
  return (made ??= program('(nop)', { items: bodies.join('\n') }));
}
