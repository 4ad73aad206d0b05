'use strict';

// What run() and spawn() promise, in the realms that test frameworks make: there a Buffer is not always a Uint8Array, and
// timers are not always Node's. Each promise settles.

const assert = require('node:assert/strict');
const { Readable, Writable } = require('node:stream');

/** Copies stdin to stdout: cat() of ../../support/programs.mjs. */
const CAT = Buffer.from(require('./cat.json'), 'base64');
/** A loop without an end. */
const SPIN = Buffer.from(require('./spin.json'), 'base64');

/**
 * @param {(name: string, run: () => Promise<void>) => void} test
 * @param {typeof import('../../../index.js')} wasi
 */
function declareRuns(test, { run, spawn, compile }) {
  for (const engine of /** @type {const} */ (['wasmtime', 'v8', 'auto'])) {
    const options = { engine, cache: false };

    test(`${engine}: bytes in, a Buffer out`, async () => {
      for (const stdin of [Buffer.from('text'), Uint8Array.from(Buffer.from('text'))]) {
        const { exitCode, stdout } = await run(CAT, { ...options, stdin });
        assert.deepEqual([exitCode, String(stdout)], [0, 'text']);
      }
    });

    test(`${engine}: streams and functions`, async () => {
      /** @type {string[]} */
      const chunks = [];
      const write = (/** @type {any} */ chunk) => void chunks.push(String(chunk));
      const stdout = new Writable({ write: (chunk, _, done) => (write(chunk), done()) });
      const stdin = () => Readable.from([Buffer.from('te'), Buffer.from('xt')]);
      await run(CAT, { ...options, stdin: stdin(), stdout });
      await run(CAT, { ...options, stdin: stdin(), stdout: write });
      assert.equal(chunks.join(''), 'texttext');
    });

    test(`${engine}: spawn()`, async () => {
      const child = spawn(CAT, options);
      child.stdin?.end('text');
      let output = '';
      for await (const chunk of child.stdout ?? []) output += chunk;
      assert.deepEqual([output, (await child.result).exitCode], ['text', 0]);
      const killed = spawn(SPIN, options);
      killed.kill();
      await assert.rejects(killed.result, { code: 'ERR_WASI_KILLED' });
    });

    test(`${engine}: timeouts, signals, errors`, async () => {
      await assert.rejects(run(SPIN, { ...options, timeout: 20 }), { code: 'ERR_WASI_TIMEOUT' });
      const controller = new AbortController();
      const aborted = run(SPIN, { ...options, signal: controller.signal });
      controller.abort();
      await assert.rejects(aborted, { code: 'ABORT_ERR' });
      await assert.rejects(run(Buffer.from('none'), options), { code: 'ERR_WASI_PROGRAM' });
      const stdin = () => {
        throw new RangeError('thrown');
      };
      await assert.rejects(run(CAT, { ...options, stdin }), {
        code: 'ERR_WASI_STREAM',
        message: 'options.stdin has failed: thrown',
      });
      await assert.rejects(run(CAT, { ...options, args: /** @type {any} */ (1) }), {
        code: 'ERR_INVALID_ARG_TYPE',
      });
    });
  }

  test('compile()', async () => {
    const program = await compile(CAT, { cache: false });
    assert.equal(String((await program.run({ stdin: Buffer.from('text') })).stdout), 'text');
  });
}

module.exports = { declareRuns };
