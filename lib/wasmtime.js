'use strict';

// The engine wasmtime: programs run on threads of the addon.

const addon = require('./addon.js').engineAddon().engine;
if (!addon) {
  const message = `run(), spawn() and compile() are not there on ${process.platform} yet; the class WASI is`;
  throw Object.assign(new Error(message), { code: 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM' });
}

/** Loaded when there is something to say. @type {typeof import('./errors.js').errorOf} */
const errorOf = (...parts) => require('./errors.js').errorOf(...parts);

/**
 * @typedef {import('./v8/engine.js').Plan} Plan
 * @typedef {import('./v8/engine.js').Usage & { fuel?: number }} Usage
 * @typedef {{ exitCode: number, stdout?: Buffer, stderr?: Buffer, usage: Usage }} Result
 *
 * @typedef {object} Answer
 * @property {'exit' | 'ended' | 'busy' | 'fuel' | 'overflow' | 'trap' | 'unusable' | 'unopened' | 'failed'} [end]
 * @property {string} message
 * @property {string} [code]
 * @property {number} exitCode
 * @property {Buffer} [stdout]
 * @property {Buffer} [stderr]
 * @property {Usage} usage
 * @property {any} [value]
 */

/**
 * Who waits for an answer of the addon.
 *
 * @typedef {{ resolve: (answer: Answer) => void, reject: (error: unknown) => void }} Waiting
 * @type {Map<number, Waiting>}
 */
const waiting = new Map();
let lastId = 0;
/** @type {unknown} */
let desk;

function openDesk() {
  desk ??= addon.listen(deliver);
  return desk;
}

/** @param {(id: number) => void} ask @returns {{ id: number, answer: Promise<Answer> }} */
function request(ask) {
  openDesk();
  const id = (lastId = (lastId + 1) % 2 ** 32);
  ask(id);
  return { id, answer: new Promise((resolve, reject) => waiting.set(id, { resolve, reject })) };
}

/** @param {number} id @param {Answer | undefined} answer @param {unknown} thrown why there is none */
function deliver(id, answer, thrown) {
  const one = waiting.get(id);
  waiting.delete(id);
  if (answer) return one?.resolve(answer);
  const reason = /** @type {any} */ (thrown)?.message ?? thrown;
  const message = `what came of the program can't be handed to JavaScript: ${reason}`;
  one?.reject(errorOf(Error, 'ERR_WASI_RS', message, { cause: thrown }));
}

/**
 * A program as the addon knows it. Nothing is read or compiled yet.
 *
 * @param {{ source: string | Uint8Array, isCode?: boolean, cache?: string }} options
 * @returns {unknown}
 */
const makeProgram = (options) => addon.program(options);

/**
 * Asks the addon about a program. What nobody waits for any more is given up.
 *
 * @param {'compile' | 'forMainThread' | 'forV8' | 'isReady' | 'serialize'} question
 * @param {unknown} program
 * @param {import('./v8/engine.js').Limits} [limits]
 * @returns {{ answer: Promise<any>, giveUp: () => void }}
 */
function ask(question, program, limits = {}) {
  const { id, answer } = request((id) => addon.ask(desk, { id, program, question, limits }));
  return { answer: answer.then(valueOf), giveUp: () => addon.giveUp(desk, id) };
}

/** @param {Answer} answer */
function valueOf({ end, message, code, value }) {
  if (end) throw unusable(/** @type {string} */ (code), message);
  return value;
}

/** @param {string} code @param {string} message what the program does or is */
function unusable(code, message) {
  return errorOf(Error, code, code === 'ERR_WASI_RS' ? message : `the program ${message}`);
}

/**
 * Runs a program as soon as there is a place for it.
 *
 * @param {{ native: unknown }} program
 * @param {Plan} plan
 * @returns {{ result: Promise<Result>, kill(error: unknown): void }}
 */
function start({ native }, plan) {
  /** @type {{ error: unknown } | undefined} */
  let killed;
  const { id, answer } = request((id) => addon.start(desk, { id, program: native, ...plan }));
  return {
    result: answer.then((outcome) => settle(outcome, killed, plan)),
    kill(error) {
      killed ??= { error };
      addon.end(desk, id);
    },
  };
}

/** @param {Answer} outcome @param {{ error: unknown } | undefined} killed @param {Plan} plan @returns {Result} */
function settle({ end, message, code, exitCode, stdout, stderr, usage }, killed, plan) {
  const output = { ...(stdout && { stdout }), ...(stderr && { stderr }), usage };
  if (end === 'exit') return { exitCode, ...output };
  const error = end === 'ended' ? killed?.error : errorAt(end, message, code, plan);
  require('./errors.js').addTo(error, output);
  throw error;
}

/** @param {Answer['end']} end @param {string} message @param {string | undefined} code @param {Plan} plan */
function errorAt(end, message, code = '', { limits }) {
  switch (end) {
    case 'busy':
      return require('./errors.js').busy('wasmtime', Number(message));
    case 'fuel':
      return errorOf(Error, 'ERR_WASI_FUEL', `the program used up its fuel, ${limits.fuel} units`);
    case 'overflow':
      return require('./errors.js').tooMuchOutput(message, /** @type {number} */ (limits.stdout));
    case 'trap':
      return errorOf(Error, 'ERR_WASI_TRAP', message);
    case 'unusable':
      return unusable(code, message);
    case 'unopened':
      return errorOf(Error, `UVWASI_${code}`, `UVWASI_${code}, uvwasi_init: ${message}`);
    default:
      return errorOf(Error, 'ERR_WASI_RS', message);
  }
}

/**
 * Has machine code made in the background, for the next time.
 *
 * @param {unknown} program
 * @param {number} delay in milliseconds; for one that waits already, it is set anew
 * @returns {boolean} whether it is going to be: there is room for it
 */
const compileLater = (program, delay) => addon.compileLater(openDesk(), { program, delay });

/**
 * Makes a folder for machine code. Why nothing can be kept in it, and what to do; nothing if it can.
 *
 * @type {(folder: string) => string | undefined}
 */
const makeCache = (folder) => addon.cache(folder);

/**
 * Descriptors on their way to a program: closed here unless its engine has taken them, and by the addon at the latest when
 * this environment ends.
 */
class Tickets {
  /** @type {{ number: number }[]} */
  #tickets = [];

  /** A copy of a descriptor; if there is none, all are closed. @param {number} fd @param {string} name of the stream @returns {number} what engines know it by */
  copy(fd, name) {
    try {
      return this.#keep(addon.handOver(fd, name));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** A pipe that the program reads, or writes. @param {boolean} isInput @returns {{ fd: number, number: number }} this end, to be closed; and the program's */
  pipe(isInput) {
    const { fd, ticket } = addon.pipe(isInput);
    return { fd, number: this.#keep(ticket) };
  }

  /** @param {{ number: number }} ticket */
  #keep(ticket) {
    this.#tickets.push(ticket);
    return ticket.number;
  }

  close() {
    for (const ticket of this.#tickets.splice(0)) addon.close(ticket);
  }
}

/**
 * Takes what a ticket stands for.
 *
 * @param {number} number
 * @returns {{ fd: number, isHosts: boolean, close: () => void } | undefined} nothing if it has been taken or closed
 */
function takeOver(number) {
  const taken = addon.takeOver(number);
  if (!taken) return undefined;
  const { fd, isHosts, ticket } = taken;
  return { fd, isHosts, close: () => addon.close(ticket) };
}

module.exports = { Tickets, ask, compileLater, makeCache, makeProgram, start, takeOver };
