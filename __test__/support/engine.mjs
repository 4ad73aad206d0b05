// run() and its kin with nothing of the user's: no machine code is looked for, or kept, unless a test says so.

import { run, spawn } from '../../index.js';

const options = (engine, given) =>
  given !== null && typeof given === 'object' ? { engine, cache: false, ...given } : given;

/** run() in one engine. @param {'auto' | 'wasmtime' | 'v8'} engine */
export const makeRun =
  (engine) =>
  (source, given = {}) =>
    run(source, options(engine, given));

/** spawn() in one engine. @param {'auto' | 'wasmtime' | 'v8'} engine */
export const makeSpawn =
  (engine) =>
  (source, given = {}) =>
    spawn(source, options(engine, given));
