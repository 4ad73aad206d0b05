'use strict';

// The threads for guests in V8: made when a run begins, used again, and ended when they are not needed for long.

const os = require('node:os');
// Not the globals: those of jsdom and of fake clocks are others.
const timers = require('node:timers');
const { Thread } = require('./thread.js');

/**
 * @typedef {import('./thread.js').GuestThread} GuestThread
 * @typedef {import('./thread.js').Needs} Needs
 */

/** How many threads there are, as a rule: as many as guests run at a time. Those that wait have more. */
const USUAL = Math.max(4, os.availableParallelism());

/** How long a thread waits for its next guest, in milliseconds. */
const IDLE = 10_000;

/** Above so many bytes of memory, a guest's thread is ended, rather than its memory left to the garbage collector. */
const MAX_LEFT_BEHIND = 64 * 1024 * 1024;

/**
 * Threads without a guest, those used last at the end, and the timers that end them.
 *
 * @type {Map<GuestThread, NodeJS.Timeout>}
 */
const idle = new Map();
/** Threads whose workers have not exited. @type {Set<GuestThread>} */
const threads = new Set();

/** A thread for a run. @param {Needs} needs @returns {GuestThread} */
function take(needs) {
  const fitting = [...idle.keys()].findLast((thread) => thread.fits(needs));
  if (!fitting) {
    const [oldest] = idle.keys();
    if (oldest && threads.size >= USUAL) end(oldest); // so that there are not too many
    return make(needs);
  }
  timers.clearTimeout(idle.get(fitting));
  idle.delete(fitting);
  return fitting;
}

/** Takes a thread back. @param {GuestThread} thread @param {number} memory bytes that its guest had */
function release(thread, memory) {
  thread.finish();
  if (thread.isEnded) return;
  if (memory > MAX_LEFT_BEHIND || threads.size > USUAL) thread.end();
  else rest(thread);
}

/**
 * Has a thread begin to start, for a guest that comes soon.
 *
 * @param {number | undefined} stack bytes of it that the guest will want
 */
function prefetch(stack) {
  if (threads.size >= USUAL || [...idle.keys()].some((thread) => thread.fits({ stack }))) return;
  try {
    rest(make({ stack }));
  } catch {
    // The run fails with it.
  }
}

/** @param {Needs} needs */
function make(needs) {
  const thread = new Thread(needs, (thread) => {
    threads.delete(thread);
    timers.clearTimeout(idle.get(thread));
    idle.delete(thread);
  });
  threads.add(thread);
  return thread;
}

/** Waits for the next guest, but not for ever. @param {GuestThread} thread */
function rest(thread) {
  idle.set(thread, timers.setTimeout(() => end(thread), IDLE).unref());
}

/** Ends a thread that has no guest. @param {GuestThread} thread */
function end(thread) {
  timers.clearTimeout(idle.get(thread));
  idle.delete(thread);
  thread.end();
}

/** True if the end of the process would wait for a thread: it has been ended, and its worker has not exited. */
const isHeldUp = () => [...threads].some((thread) => thread.isEnded);

module.exports = { isHeldUp, prefetch, release, take };
