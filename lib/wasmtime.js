'use strict';

// The engine wasmtime: programs run on threads of the addon.

const { endRun, requestRun } = require('./requests.js');

/**
 * Runs a program as soon as there is a slot for it.
 *
 * @param {{ native: unknown }} program
 * @param {import('./types.js').Plan} plan
 * @returns {import('./types.js').Running}
 */
function start({ native }, plan) {
  /** @type {{ error: unknown } | undefined} */
  let killed;
  const { id, answer } = requestRun(native, plan);
  const { settle } = require('./outcome.js'); // while the program runs
  return {
    result: answer.then((outcome) => settle(outcome, killed, plan, 'wasmtime')),
    kill(error) {
      killed ??= { error };
      plan.host?.end();
      endRun(id);
    },
  };
}

module.exports = { start };
