// Programs that only wait take a thread each: how many there may be, and that no thread is left behind.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { CHOICES, forEachEngine } from '../support/engine.mjs';
import { index, runNode } from '../support/host.mjs';
import { SPIN, cat, exits, program } from '../support/programs.mjs';

const CAT = cat();
const base64 = (bytes) => JSON.stringify(Buffer.from(bytes).toString('base64'));
const FILL = program(
  '(loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 0x10000000)) (br 0))',
  { memory: '(memory (export "memory") 4096)' },
);

/** A program that has begun and waits for input. */
async function waiting(spawn, options) {
  const child = spawn(CAT, options);
  child.stdin.write('begun');
  await once(child.stdout, 'data');
  return child;
}

forEachEngine(({ engine, run, spawn }) => {
  describe(`options.concurrency in ${engine}`, () => {
    test('where as many wait as it allows, the next one fails at once, and says so', async () => {
      const children = [await waiting(spawn), await waiting(spawn)];
      const next = spawn(CAT, { concurrency: 2 });
      const output = text(next.stdout);
      const message = new RegExp(
        `"options.concurrency" allows, 2, have begun in the engine '${engine}'`,
      );
      await assert.rejects(next.result, { code: 'ERR_WASI_BUSY', message });
      assert.equal(await output, '', 'its streams end');
      await assert.rejects(run(exits(7), { concurrency: 2 }), { code: 'ERR_WASI_BUSY' });

      assert.equal((await run(exits(7), { concurrency: 3 })).exitCode, 7);
      assert.equal((await run(exits(7))).exitCode, 7);
      children[0].stdin.end();
      await children[0].result;
      assert.equal((await run(exits(7), { concurrency: 2 })).exitCode, 7);
      children[1].kill();
      await assert.rejects(children[1].result);
      assert.equal((await run(exits(7), { concurrency: 1 })).exitCode, 7);
    });

    test('those that wait for their turn count once they have it', async () => {
      const results = Array.from({ length: 40 }, () => run(exits(7), { concurrency: 40 }));
      for (const { exitCode } of await Promise.all(results)) assert.equal(exitCode, 7);
    });

    test('its range', async () => {
      for (const concurrency of [0, -1, 1.5, 2 ** 31, NaN]) {
        await assert.rejects(run(CAT, { concurrency }), { code: 'ERR_OUT_OF_RANGE' });
      }
      await assert.rejects(run(CAT, { concurrency: '1' }), { code: 'ERR_INVALID_ARG_TYPE' });
      assert.equal((await run(exits(7), { concurrency: 2 ** 31 - 1 })).exitCode, 7);
    });
  });
});

const STATES = {
  'that wait for input': `for (let i = 0; i < 3; i++) spawn(of(${base64(CAT)}), options);`,
  'in the queue': `for (let i = 0; i < 40; i++) run(of(${base64(SPIN)}), options).catch(() => {});`,
  'in a loop': `run(of(${base64(SPIN)}), options).catch(() => {});`,
  'that fill large memories': `run(of(${base64(FILL)}), options).catch(() => {});`,
  'that are being compiled': `for (let i = 0; i < 3; i++) run(hard(i), options).catch(() => {});`,
};

describe('processes', { concurrency: 2 }, () => {
  test(
    'threads end when there is nothing to run',
    { skip: process.platform !== 'linux' },
    async () => {
      const { stdout, stderr } = await runNode([
        '-e',
        `

    const fs = require('node:fs');
    const { setTimeout: sleep } = require('node:timers/promises');
    const { run } = require(${JSON.stringify(index)});
    const of = (text) => Buffer.from(text, 'base64');
    const count = () => fs.readdirSync('/proc/self/task')
      .filter((id) => { try { return fs.readFileSync('/proc/self/task/' + id + '/comm', 'utf8').startsWith('wasi-rs'); } catch { return false; } }).length;
    (async () => {
      const options = { engine: 'wasmtime', cache: false, timeout: 50 };
      await Promise.allSettled(Array.from({ length: 8 }, () => run(of(${base64(SPIN)}), options)));
      await Promise.allSettled(Array.from({ length: 2 }, () => run(of(${base64(FILL)}), options)));
      const most = count();
      for (let i = 0; i < 600 && count() > 0; i++) await sleep(100);
      console.log(JSON.stringify({ some: most > 0, left: count() }));
    })();`,
      ]);
      assert.deepEqual(JSON.parse(stdout), { some: true, left: 0 }, stderr);
    },
  );

  // Beside the former, which takes some seconds.
  describe('process.exit()', { skip: process.platform === 'win32' && 'no engine yet' }, () => {
    forEachEngine(({ engine }) => {
      for (const [state, start] of Object.entries(STATES)) {
        for (const when of ['at once', 'after a while', 'as a worker ends']) {
          test(`is prompt: programs ${state}, in ${engine}, ${when}`, async () => {
            const body = `
            const { run, spawn } = require(${JSON.stringify(index)});
            const of = (text) => Buffer.from(text, 'base64');
            const options = { engine: '${engine}', cache: false };
            // Many functions, told apart by their number.
            const hard = (n) => {
              const leb = (n) => (n < 128 ? [n] : [(n & 127) | 128, ...leb(n >>> 7)]);
              const section = (id, bytes) => [id, ...leb(bytes.length), ...bytes];
              const count = 4000;
              const code = [0, ...Array(60).fill([0x41, ...leb(n % 64), 0x1a]).flat(), 0x0b];
              const body = [...leb(code.length), ...code];
              return Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
                ...section(1, [1, 0x60, 0, 0]), ...section(3, [...leb(count), ...Array(count).fill(0)]),
                ...section(7, [1, 6, ...Buffer.from('_start'), 0, 0]),
                ...section(10, [...leb(count), ...Array(count).fill(body).flat()])]);
            };
            ${start}`;
            const scripts = {
              'at once': `${body} process.exit(7);`,
              'after a while': `${body} setTimeout(() => process.exit(7), 100);`,
              'as a worker ends': `
              const { Worker } = require('node:worker_threads');
              const worker = new Worker(${JSON.stringify(body)}, { eval: true });
              worker.once('online', () => setTimeout(() => worker.terminate().then(() => process.exit(7)), 100));`,
            };
            const { code, signal, stderr } = await runNode(['-e', scripts[when]], {
              timeout: 60_000,
            });
            assert.deepEqual([code, signal], [7, null], stderr);
          });
        }
      }
    }, CHOICES);
  });
});
