'use strict';

// The heap of a guest's thread, which holds the guest's garbage-collected objects. When the heap is full, V8
// ends the thread; but when one array does not fit into it, V8 ends the process.

const { getHeapStatistics } = require('node:v8');
const { resourceLimits } = require('node:worker_threads');

/** Loaded when there is an error. @type {typeof import('../errors.js').errorOf} */
const errorOf = (...parts) => require('../errors.js').errorOf(...parts);

const MEBIBYTE = 1024 * 1024;

/** The bytes that are left free for V8: the part of the heap for new objects, which takes no large array. */
const MARGIN = (resourceLimits.maxYoungGenerationSizeMb ?? 8) * MEBIBYTE;

/**
 * Checks that the heap has room for an array.
 *
 * @param {number} length of it, an i32
 * @param {number} element bytes of one, an i32
 * @returns {number} the length; -1, which is longer than any array, if there is no room
 */
function checkLength(length, element) {
  const bytes = (length >>> 0) * (element >>> 0) + MARGIN;
  if (bytes <= room()) return length;
  collectGarbage();
  return bytes <= room() ? length : -1;
}

/**
 * Checks that the heap is not larger than this worker was to get. Flags of the process take precedence over
 * the limits of a worker.
 */
function requireLimit() {
  const { maxOldGenerationSizeMb = 0, maxYoungGenerationSizeMb = 0 } = resourceLimits;
  const most = (maxOldGenerationSizeMb + 3 * maxYoungGenerationSizeMb) * MEBIBYTE;
  if (getHeapStatistics().heap_size_limit <= most) return;
  const message =
    'The property "options.limits.memory" can\'t be held for the objects of the program: a flag of the process, ' +
    '--max-old-space-size or --max-semi-space-size, sets the heap of each thread. ' +
    'Start the process without it (look at NODE_OPTIONS as well)';
  throw errorOf(TypeError, 'ERR_INVALID_ARG_VALUE', message);
}

function room() {
  const { heap_size_limit, used_heap_size } = getHeapStatistics();
  return heap_size_limit - used_heap_size;
}

/** Collects garbage at once. (Node's only other way is a flag of the whole process.) */
function collectGarbage() {
  try {
    const { Session } = require('node:inspector');
    const session = new Session();
    session.connect();
    session.post('HeapProfiler.collectGarbage');
    session.disconnect();
  } catch {
    // A Node without an inspector: garbage counts until V8 collects it.
  }
}

module.exports = { checkLength, requireLimit };
