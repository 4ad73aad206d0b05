// run() and its kin with nothing of the user's: no machine code is looked for, or kept, unless a test says so. And what both
// engines promise, written once.

import { run, spawn } from '../../index.js';

/** The engines, and what may be asked for. */
export const ENGINES = ['wasmtime', 'v8'];
export const CHOICES = [...ENGINES, 'auto'];

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

/**
 * Declares the same tests for each engine, whose name stands in theirs.
 *
 * @param {(one: { engine: string, run: typeof run, spawn: typeof spawn }) => void} declare
 * @param {string[]} [engines]
 */
export function forEachEngine(declare, engines = ENGINES) {
  for (const engine of engines) {
    declare({ engine, run: makeRun(engine), spawn: makeSpawn(engine) });
  }
}
