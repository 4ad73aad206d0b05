// Both classes, and what comes of an input in one of them.

import { createRequire } from 'node:module';
import { inspect } from 'node:util';
import { WASI as Ours } from '../../../compat.js'; // index.js differs in taking more for stdin, stdout and stderr

process.removeAllListeners('warning'); // node:wasi's ExperimentalWarning
export const { WASI: Theirs } = createRequire(import.meta.url)('node:wasi');

/** Before finalizeBindings() came, start() and initialize() set kStarted first; wasi-rs does as the newest Node. */
export const hasFinalizeBindings = 'finalizeBindings' in Theirs.prototype;

/** A description of a value that both classes' outcomes can be compared by. */
function describeValue(value) {
  if (value instanceof Ours || value instanceof Theirs) return 'a WASI object';
  return inspect(value, { depth: 3 });
}

/**
 * What comes of an input. @param {typeof Ours} Class @param {(Class: typeof Ours, log: unknown[]) => unknown} input
 */
export function outcome(Class, input) {
  const log = [];
  try {
    return { returned: describeValue(input(Class, log)), log };
  } catch (thrown) {
    if (!(thrown instanceof Error)) return { thrown: describeValue(thrown), log };
    const { name, code, message } = thrown;
    return {
      ...{ name, code, message, log },
      class: thrown.constructor.name,
      keys: Object.keys(thrown).filter((key) => !['errno', 'syscall'].includes(key)),
    };
  }
}
