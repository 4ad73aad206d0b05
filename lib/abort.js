'use strict';

// Listeners of AbortSignals. A signal has one listener for all runs that it may end: Node warns of more than
// ten.

/**
 * The functions to call for a signal, and the listener that calls them.
 *
 * @typedef {{ functions: Set<() => void>, listener: () => void }} Listening
 * @type {WeakMap<AbortSignal, Listening>}
 */
const listenings = new WeakMap();

/**
 * Calls a function when a signal is aborted, or now if it has been.
 *
 * @param {AbortSignal} signal
 * @param {() => void} abort
 * @returns {() => void} a function that ends this
 */
function onAbort(signal, abort) {
  if (signal.aborted) {
    abort();
    return () => {};
  }
  const { functions } = listenings.get(signal) ?? listen(signal);
  functions.add(abort);
  return () => forget(signal, abort);
}

/** @param {AbortSignal} signal @returns {Listening} */
function listen(signal) {
  const functions = new Set();
  const listener = () => {
    for (const abort of functions) abort();
  };
  const listening = { functions, listener };
  listenings.set(signal, listening);
  signal.addEventListener('abort', listener, { once: true });
  return listening;
}

/** @param {AbortSignal} signal @param {() => void} abort */
function forget(signal, abort) {
  const listening = listenings.get(signal);
  if (!listening?.functions.delete(abort) || listening.functions.size > 0) return;
  listenings.delete(signal);
  signal.removeEventListener('abort', listening.listener);
}

module.exports = { onAbort };
