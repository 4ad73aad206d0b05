// loadSync(): calls within calls, the stack and the time of its thread.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { loadSync } from '../../index.js';
import { RESOURCES, assembleComponent } from '../support/components.mjs';
import { HANGS } from '../support/host.mjs';
import { assemble } from '../support/wat.mjs';

const LOOP = '(loop $l (br $l))';

describe('calls within calls', () => {
  test('by the conversion of a parameter have parameters of their own', () => {
    const source = assemble(`(module
      (func (export "pair") (param i32 i32) (result i32)
        (i32.add (i32.mul (local.get 0) (i32.const 1000)) (local.get 1)))
      (func (export "same") (param i32) (result i32) (local.get 0)))`);
    const { exports } = loadSync(source);
    const valueOf = () => exports.same(77) - 75;
    assert.equal(exports.pair(1, { valueOf }), 1002);
    assert.equal(exports.pair(1, 2), 1002);
  });

  test('by the end of a resource do not change a result', () => {
    class Gauge {
      read() {
        return 5;
      }

      static count() {
        return 1;
      }
    }
    const used = [];
    const see = () => {
      used.pop()?.[Symbol.dispose ?? Symbol.for('nodejs.dispose')]();
      return 100;
    };
    const imports = { Gauge, see, offer() {}, offerOr() {} };
    const { exports } = loadSync(assembleComponent(RESOURCES), { imports });
    used.push(new exports.Thing(9));
    assert.equal(exports.measure(1), 106);
    assert.equal(exports.ended(), 9);
  });
});

describe('the time of a call', () => {
  test('counts from the beginning of the module on', { timeout: HANGS }, () => {
    const begins = {
      start: `(module (func $loop ${LOOP}) (start $loop))`,
      _initialize: `(module (func (export "_initialize") ${LOOP}))`,
    };
    for (const text of Object.values(begins)) {
      assert.throws(() => loadSync(assemble(text), { timeout: 50 }), { code: 'ERR_WASI_TIMEOUT' });
    }
  });

  test('counts functions of the embedder, for their own call', { timeout: HANGS }, () => {
    const source = assemble(`(module (import "env" "wait" (func $wait))
      (func (export "wait") (call $wait)) (func (export "add") (result i32) (i32.const 3)))`);
    const until = { end: 0 };
    const wait = () => {
      while (performance.now() < until.end);
    };
    const instance = loadSync(source, { timeout: 50, imports: { env: { wait } } });
    assert.equal(instance.exports.add(), 3);
    instance.exports.wait();
    until.end = performance.now() + 200;
    assert.throws(() => instance.exports.wait(), { code: 'ERR_WASI_TIMEOUT' });
    assert.throws(() => instance.exports.add(), { code: 'ERR_INVALID_STATE' });
  });
});

test('a thread with less stack than a guest may use refuses it', { timeout: HANGS }, async () => {
  const source = assemble(`(module (func $deep (export "deep") (call $deep)))`);
  const code = `
    const { parentPort, workerData } = require('node:worker_threads');
    const { loadSync } = require(workerData.path);
    const told = (limits) => {
      try {
        loadSync(workerData.source, { limits }).exports.deep();
      } catch (error) {
        return error.name + ' ' + error.message.split(/[,:] /)[0];
      }
    };
    parentPort.postMessage([told(undefined), told({ stack: 65536 })]);
    const { exports } = loadSync(workerData.source, { limits: { stack: 262144 } });
    (function down() {
      try {
        down();
      } catch {
        // Here the stack of the thread is nearly used up.
      }
      try {
        exports.deep();
      } catch (error) {
        if (!/stack/.test(error.message + error.cause?.message)) throw error;
      }
    })();
    parentPort.postMessage('done');`;
  const worker = new Worker(code, {
    eval: true,
    workerData: { path: new URL('../../index.js', import.meta.url).pathname, source },
    resourceLimits: { stackSizeMb: 1 },
  });
  const messages = [];
  worker.on('message', (message) => messages.push(message));
  await new Promise((resolve, reject) => worker.on('exit', resolve).on('error', reject));
  const [[whole, little], done] = messages;
  // The system may give the thread the stack of another one that has ended, which was larger.
  assert.match(
    whole,
    /^(RangeError the guest may use 1048576 bytes of stack|WasiError wasm trap)$/,
  );
  assert.deepEqual([little, done], ['WasiError wasm trap', 'done']);
});
