// The process that makes machine code, behind the one that has run the program.

import fs from 'node:fs';

/** How long it may take, in ms. */
const PATIENCE = 10 * 60_000;

/**
 * Returns when nothing works on this folder of machine code any more. On Linux that process is ended, as the time of many
 * would add up; elsewhere it comes to its end.
 *
 * @param {string} cache of a program that has run once
 */
export function endBackground(cache) {
  if (process.platform === 'linux') endAll(cache);
  else until(() => ends(cache, '.cwasm') && !ends(cache, '.lock'), `machine code in ${cache}`);
}

function endAll(cache) {
  const found = processesOf(cache);
  if (found.length === 0 && !ends(cache, '.cwasm'))
    throw new Error(`${cache}: nothing is compiled`);
  for (const pid of found) end(pid);
  until(() => processesOf(cache).length === 0, `the end of ${found}`);
}

/** They have the folder among their arguments; its name is one that no other process has. */
function processesOf(cache) {
  const pids = fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => argumentsOf(pid).includes(cache)).map(Number);
}

function argumentsOf(pid) {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return []; // it is gone
  }
}

function end(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/** Whether the folder has a file whose name ends so. */
function ends(folder, ending) {
  return fs.existsSync(folder) && fs.readdirSync(folder).some((name) => name.endsWith(ending));
}

function until(condition, what) {
  const limit = performance.now() + PATIENCE;
  while (!condition()) {
    if (performance.now() > limit) throw new Error(`waited in vain for ${what}`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
  }
}
