// Scripts that wait for the garbage collector.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { runInChild } from './host.mjs';

export const countsDescriptors = fs.existsSync('/proc/self/fd');

/** Runs a script in a child that can collect garbage; `collect(done)` does so until `done()`, at most 100 times. */
export async function runCollecting(script, options) {
  const { code, signal, stdout, stderr } = await runInChild(
    `const fs = await import('node:fs');
     const open = () => fs.readdirSync('/proc/self/fd').length;
     async function collect(done) {
       for (let round = 0; round < 100 && !done(); round++) {
         await new Promise(setImmediate); // what a WeakRef gave stays for the turn
         gc();
         await new Promise(setImmediate); // finalizers run from the event loop
       }
     }
     ${script}`,
    { flags: ['--expose-gc'], ...options },
  );
  assert.deepEqual([code, signal], [0, null], stderr);
  return JSON.parse(stdout);
}
