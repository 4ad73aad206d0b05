'use strict';

// The outcome of a run, from the addon's answer: a result or an error.

const { programError } = require('./requests.js');

/** Loaded when there is an error. */
const errors = () => require('./errors.js');

/**
 * @typedef {import('./types.js').Answer} Answer
 * @typedef {import('./types.js').Plan} Plan
 * @typedef {import('./types.js').Result} Result
 */

/**
 * @param {Answer} answer
 * @param {{ error: unknown } | undefined} killed the error that the run was ended with
 * @param {Plan} plan
 * @param {'wasmtime' | 'v8'} engine
 * @returns {Result}
 */
function settle(answer, killed, plan, engine) {
  const { end, exitCode, stdout, stderr, usage } = answer;
  const output = { ...(stdout && { stdout }), ...(stderr && { stderr }), usage };
  if (end === 'exit') return { exitCode, ...output };
  const error = end === 'ended' ? killed?.error : errorOfAnswer(answer, plan, engine);
  errors().addTo(error, output);
  throw error;
}

/** @param {Answer} answer @param {Plan} plan @param {string} engine */
function errorOfAnswer(answer, { limits }, engine) {
  const { errorOf, busy, tooMuchOutput } = errors();
  const { end, message, code = '' } = answer;
  switch (end) {
    case 'busy':
      return busy(engine, Number(message));
    case 'exception':
      return revived(answer);
    case 'fuel':
      return errorOf(Error, 'ERR_WASI_FUEL', `the program used up its fuel, ${limits.fuel} units`);
    case 'overflow':
      return tooMuchOutput(message, limits.stdout);
    case 'trap':
      return errorOf(Error, 'ERR_WASI_TRAP', message);
    case 'programError':
      return programError(code, message);
    case 'openError':
      return openError(answer);
    default:
      return errorOf(Error, 'ERR_WASI_RS', message);
  }
}

/** The error of a file that can't be opened for the program, as the class has it. @param {Answer} answer */
function openError({ message, code, errno }) {
  return errors().notOpened(String(code), Number(errno), message);
}

/** An exception of another thread. @param {Answer} answer @returns {Error} */
function revived({ name = '', message, stack, code }) {
  const { CompileError, LinkError } = WebAssembly;
  const types = /** @type {Record<string, new (message: string) => Error>} */ ({
    ...{ TypeError, RangeError, CompileError, LinkError },
  });
  const error = new (types[name] ?? Error)(message);
  return Object.assign(error, code !== undefined && { code }, stack !== undefined && { stack });
}

module.exports = { settle };
