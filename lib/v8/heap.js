'use strict';

// The heap of a guest's thread, in which its garbage-collected objects are. V8 ends the thread when the heap is full,
// but the process when one array does not fit into it.

const { getHeapStatistics } = require('node:v8');
const { resourceLimits } = require('node:worker_threads');

/** Bytes that are left free for V8 itself: the part of the heap that is for new objects takes no large array. */
const MARGIN = (resourceLimits.maxYoungGenerationSizeMb ?? 8) * 1024 * 1024;

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

function room() {
  const { heap_size_limit, used_heap_size } = getHeapStatistics();
  return heap_size_limit - used_heap_size;
}

/** Node has no other way to have it done at once, save by a flag of the whole process. */
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

module.exports = { checkLength };
