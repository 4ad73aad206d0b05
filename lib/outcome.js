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
  throw Object.assign(errors().wasiErrorOf(error), output);
}

/** The signal by which a process ends that has failed. */
const signal = 'SIGABRT';

/** @param {Answer} answer @param {Plan} plan @param {string} engine */
function errorOfAnswer(answer, { limits, maxBuffer, host }, engine) {
  const { WasiError, busy, tooMuchOutput } = errors();
  const { end, message } = answer;
  switch (end) {
    case 'busy':
      return busy(engine, Number(message));
    case 'exception':
      return revived(answer);
    case 'fuel': {
      const why = `the program used up its fuel, ${limits.fuel} units`;
      return new WasiError('ERR_WASI_FUEL', why, { signal });
    }
    case 'overflow': {
      const stream = /** @type {'stdout' | 'stderr'} */ (message);
      const { code, message: why } = tooMuchOutput(message, maxBuffer[stream]);
      return new WasiError(code, why, { signal, isMaxBuffer: true });
    }
    case 'thrown':
      return errors().importError(host?.thrown(Number(message)));
    case 'trap':
      return new WasiError('ERR_WASI_TRAP', message, {
        signal,
        cause: answer.cause && revived(answer.cause),
      });
    case 'programError':
      return programError(answer);
    case 'openError':
      return openError(answer);
    default:
      return new WasiError('ERR_WASI_RS', message, { signal });
  }
}

/** The error of a file that can't be opened for the program, as the class has it. @param {Answer} answer */
function openError({ message, code, errno }) {
  const { WasiError, notOpened } = errors();
  const like = notOpened(String(code), Number(errno), message);
  return new WasiError(like.code, like.message, { errno: like.errno, syscall: like.syscall });
}

/**
 * An exception of another thread, or the error of wasmtime.
 *
 * @param {Partial<import('./types.js').Exception>} exception
 * @returns {Error}
 */
function revived({ name = '', message, stack, code }) {
  const { CompileError, LinkError, RuntimeError } = WebAssembly;
  const types = /** @type {Record<string, new (message?: string) => Error>} */ ({
    ...{ TypeError, RangeError, CompileError, LinkError, RuntimeError },
  });
  const error = new (types[name] ?? Error)(message);
  return Object.assign(error, code !== undefined && { code }, stack !== undefined && { stack });
}

module.exports = { settle };
