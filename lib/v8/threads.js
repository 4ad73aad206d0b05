'use strict';

// The pool of threads for guests in V8: a thread is made when a run begins, used again, and ended when it has
// been idle for long.

const os = require('node:os');
// Not the globals, which jsdom and fake clocks replace.
const timers = require('node:timers');
const { Thread } = require('./thread.js');

/**
 * @typedef {import('./thread.js').GuestThread} GuestThread
 * @typedef {import('./thread.js').Needs} Needs
 */

/** The usual number of threads, the number of slots for guests. Guests that wait in calls need more. */
const USUAL = Math.max(4, os.availableParallelism());

/** The time that a thread waits for its next guest, in milliseconds. */
const IDLE = 10_000;

/**
 * The most bytes of a guest's memory that are left to the garbage collector. With more, the guest's thread is
 * ended, which frees the memory at once.
 */
const MAX_LEFT_BEHIND = 64 * 1024 * 1024;

/**
 * Threads without a guest, the last used last, and the timers that end them.
 *
 * @type {Map<GuestThread, NodeJS.Timeout>}
 */
const idle = new Map();
/** Threads whose workers have not exited. @type {Set<GuestThread>} */
const threads = new Set();

/** Takes a thread for a run. @param {Needs} needs @returns {GuestThread} */
function take(needs) {
  const fitting = [...idle.keys()].findLast((thread) => thread.fits(needs));
  if (!fitting) {
    const [oldest] = idle.keys();
    if (oldest && threads.size >= USUAL) end(oldest); // keeps the number of threads
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
  else keepIdle(thread);
}

/**
 * Starts a thread for a guest that comes soon.
 *
 * @param {number} [stack] the bytes of stack that the guest needs
 */
function prefetch(stack) {
  if (threads.size >= USUAL || [...idle.keys()].some((thread) => thread.fits({ stack }))) return;
  try {
    keepIdle(make({ stack }));
  } catch {
    // The run will fail with the same error.
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

/** Keeps a thread for the next guest, but not for ever. @param {GuestThread} thread */
function keepIdle(thread) {
  idle.set(thread, timers.setTimeout(() => end(thread), IDLE).unref());
}

/** Ends a thread that has no guest. @param {GuestThread} thread */
function end(thread) {
  timers.clearTimeout(idle.get(thread));
  idle.delete(thread);
  thread.end();
}

/** True if a terminated worker has not exited: the end of the process would wait for it. */
const isHeldUp = () => [...threads].some((thread) => thread.isEnded);

module.exports = { isHeldUp, prefetch, release, take };
