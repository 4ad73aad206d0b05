// Pipes and listeners that runs have, and are to leave behind in the number that there were.

import fs from 'node:fs';
import os from 'node:os';
import { setImmediate as turn } from 'node:timers/promises';
import { makeRun } from './engine.mjs';
import { exits } from './programs.mjs';

/** How many ends of pipes this process has. */
export function pipes() {
  const target = (fd) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return ''; // that of the folder itself
    }
  };
  return fs.readdirSync('/proc/self/fd').filter((fd) => target(fd).startsWith('pipe:')).length;
}

/** They are closed by other threads, and by Node in its own time. */
export async function untilClosed(before) {
  while (pipes() > before) await turn();
}

/** How many listeners a stream has. */
export const listeners = (stream) =>
  stream.eventNames().reduce((count, name) => count + stream.listenerCount(name), 0);

/** How many ends of pipes there are when as many threads of V8 rest as may: each has some. */
export async function settled(engine) {
  const threads = engine === 'v8' ? Math.max(4, os.availableParallelism()) : 0;
  const run = makeRun(engine);
  await Promise.all(Array.from({ length: threads }, () => run(exits(0))));
  return pipes();
}
