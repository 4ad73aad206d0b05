'use strict';

// Requests to the addon with the engines: to make, to question and to run programs. Answers come as messages.

const addon = require('./addon.js').engineAddon().engine;
if (!addon) {
  const message = `run(), spawn() and compile() are not there on ${process.platform} yet; the class WASI is`;
  throw Object.assign(new Error(message), { code: 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM' });
}

/**
 * An error of a program. Their class is loaded when there is one.
 *
 * @param {ConstructorParameters<typeof import('./errors.js').WasiError>} parts
 */
const wasiError = (...parts) => new (require('./errors.js').WasiError)(...parts);

/**
 * @typedef {'compile' | 'forMainThread' | 'forV8' | 'instrument' | 'interface' | 'isComponent'
 *   | 'isKept' | 'isReady' | 'serialize' | 'types'} Question
 * @typedef {import('./types.js').Answer} Answer
 * @typedef {import('./types.js').Plan} Plan
 */

/**
 * A request that has not been answered.
 *
 * @typedef {object} Pending
 * @property {(answer: Answer) => void} resolve
 * @property {(error: unknown) => void} reject
 * @property {(number: number) => void} [begin]
 * @property {Plan['onBegin']} [onBegin]
 * @property {import('./types.js').Host} [host]
 */

/** The requests that have not been answered. @type {Map<number, Pending>} */
const pending = new Map();
let lastId = 0;
/**
 * The receivers of the messages of loaded guests, by the numbers of their requests.
 *
 * @type {Map<number, (message: any, thrown: unknown) => void>}
 */
const listeners = new Map();
/**
 * The functions that make the requests of HTTP of guests, by the numbers of their own. A guest may end its
 * call before the message comes.
 *
 * @type {Map<number, import('./types.js').Plan['fetch']>}
 */
const fetches = new Map();
/** The requests of this environment, in the addon. @type {unknown} */
let requests;

function openRequests() {
  // hasRef() is that of Node's handles: whether this one keeps the process alive.
  requests ??= addon.listen(
    Object.assign(receive, { hasRef: () => pending.size + listeners.size > 0 }),
  );
  return requests;
}

function nextId() {
  openRequests();
  return (lastId = (lastId + 1) % 2 ** 32);
}

/**
 * @param {(id: number) => void} send
 * @param {Pick<Pending, 'begin' | 'onBegin' | 'host'>} [calls] `begin` is called when a run in V8 is to
 * begin, and `onBegin` when a run has begun; `host` has the functions that the run calls
 * @returns {{ id: number, answer: Promise<Answer> }}
 */
function request(send, calls) {
  const id = nextId();
  send(id);
  const answer = new Promise((resolve, reject) => pending.set(id, { resolve, reject, ...calls }));
  return { id, answer };
}

/**
 * @param {number} id
 * @param {Answer | undefined} answer
 * @param {unknown} thrown the reason if there is no answer
 */
function receive(id, answer, thrown) {
  if (answer?.exchange !== undefined)
    return void require('./http.js').answer(answer.exchange, fetches.get(id));
  if (!answer || answer.end) fetches.delete(id);
  const listener = listeners.get(id);
  if (listener) return listener(answer, thrown);
  const one = pending.get(id);
  if (answer?.hostCall !== undefined) return void one?.host?.call(/** @type {any} */ (answer));
  if (answer?.begin !== undefined) return one?.begin?.(answer.begin);
  if (answer?.hasBegun) return one?.onBegin?.(answer.sockets ?? []);
  pending.delete(id);
  if (answer) return one?.resolve(answer);
  const reason = /** @type {any} */ (thrown)?.message ?? thrown;
  const message = `what came of the program can't be handed to JavaScript: ${reason}`;
  one?.reject(wasiError('ERR_WASI_RS', message, { cause: thrown, signal: 'SIGABRT' }));
}

/**
 * A program as the addon knows it. Nothing is read or compiled yet.
 *
 * @param {{ source: string | Uint8Array, isCode?: boolean, isForAny?: boolean, cache?: string }} options
 * @returns {unknown}
 */
const makeProgram = (options) => addon.program(options);

/**
 * Asks the addon about a program.
 *
 * @param {Question} question
 * @param {unknown} program
 * @param {import('./types.js').Limits} [limits]
 * @returns {{ answer: Promise<any>, cancel: () => void }}
 */
function ask(question, program, limits = {}) {
  const { id, answer } = request((id) => addon.ask(requests, { id, program, question, limits }));
  return { answer: answer.then(valueOf), cancel: () => addon.cancel(requests, id) };
}

/** @param {Answer} answer */
function valueOf(answer) {
  if (answer.end) throw programError(answer);
  return answer.value;
}

/**
 * The error of a program that can't be run.
 *
 * @param {Answer} answer its message lacks the subject, the program
 */
function programError({ code = '', message, path }) {
  const error = wasiError(code, `the program ${message}`);
  if (path === undefined) return error;
  const { errno } = require('node:os').constants;
  const number = /** @type {Record<string, number>} */ (errno)[code];
  const syscall = code === 'EISDIR' ? 'read' : 'open'; // as fs.readFile() has it
  return Object.assign(error, number !== undefined && { errno: -number }, { syscall, path });
}

/**
 * The program of a module that V8 has compiled, and its description.
 *
 * @param {object} names
 * @param {WebAssembly.ModuleImportDescriptor[]} names.imports
 * @param {WebAssembly.ModuleExportDescriptor[]} names.exports
 * @returns {{ program: import('./types.js').V8Program, description: import('./types.js').Description }}
 */
const moduleProgram = (names) => valueOf(addon.moduleProgram(names));

/**
 * Runs a program in wasmtime as soon as there is a slot for it.
 *
 * @param {unknown} program
 * @param {Plan} plan
 */
const requestRun = (program, { host, fetch, ...plan }) =>
  request(
    (id) => {
      const more = { imports: host?.names, fetches: keepFetch(id, fetch) };
      const guest = addon.start(requests, { id, program, ...plan, ...more });
      host?.serve(guest);
    },
    { onBegin: plan.onBegin, host },
  );

/**
 * Keeps the function that makes the requests of a guest.
 *
 * @param {number} id
 * @param {Plan['fetch']} fetch
 * @returns {boolean} true if there is one
 */
function keepFetch(id, fetch) {
  if (fetch) fetches.set(id, fetch);
  return fetch !== undefined;
}

/**
 * Loads a module in wasmtime as soon as there is a slot for it.
 *
 * @param {unknown} program
 * @param {{ fetch: Plan['fetch'] }} plan
 * @returns {{ id: number, native: unknown }} the number of the request, and the guest in the addon
 */
function requestLoad(program, { fetch, ...plan }) {
  const id = nextId();
  const fetches = keepFetch(id, fetch);
  return { id, native: addon.load(requests, { id, program, ...plan, fetches }) };
}

/**
 * Makes the program that begins with the state of a loaded guest, which is of the program's instrumented
 * form.
 *
 * @param {unknown} guest
 * @param {unknown} program
 * @returns {Promise<Buffer>}
 */
const snapshot = (guest, program) =>
  request((id) => addon.snapshot(requests, { id, guest, program })).answer.then(valueOf);

/**
 * Loads a module or component in wasmtime, on this thread.
 *
 * @param {unknown} program
 * @param {object} plan
 * @param {(message: import('./types.js').HostCall) => unknown} dispatch calls functions of the embedder
 * @returns {any}
 */
function requestLoadHere(program, plan, dispatch) {
  const id = nextId();
  return addon.loadHere(requests, { id, program, ...plan }, dispatch);
}

/**
 * The description of a component's functions and types, made on this thread; undefined for a module.
 *
 * @param {unknown} program
 * @param {import('./types.js').Limits} limits
 * @returns {string | undefined}
 */
const interfaceHere = (program, limits) => valueOf(addon.interfaceHere(program, limits));

/**
 * Has the messages of a loaded guest received. Without a listener there are none.
 *
 * @param {number} id of the request
 * @param {((message: any, thrown: unknown) => void) | undefined} listener
 */
function listenTo(id, listener) {
  if (listener) listeners.set(id, listener);
  else listeners.delete(id);
}

/** Keeps the event loop from ending, once more or once less. @param {boolean} isToLive */
const keepAlive = (isToLive) => addon.keepAlive(requests, isToLive);

/**
 * Queues a run in V8.
 *
 * @param {import('./types.js').V8Program} program
 * @param {Plan} plan
 * @param {(number: number) => void} begin is called when there is a slot for the run, with its number for the
 * worker
 */
const requestV8Run = (program, plan, begin) =>
  request((id) => addon.startInV8(requests, { id, program, ...plan }), {
    begin,
    onBegin: plan.onBegin,
  });

/** Ends a run early. @param {number} id of the request */
const endRun = (id) => addon.end(requests, id);

/**
 * Has machine code made in the background, for later runs.
 *
 * @param {unknown} program
 * @param {number} delay in milliseconds; for a program that waits already, it is set anew
 * @returns {boolean} false if there is no room for it
 */
const compileLater = (program, delay) => addon.compileLater(openRequests(), { program, delay });

/**
 * Makes a folder for machine code.
 *
 * @type {(folder: string) => string | undefined} the reason why nothing can be kept in it, and advice
 */
const makeCache = (folder) => addon.cache(folder);

module.exports = {
  addon,
  ask,
  compileLater,
  endRun,
  interfaceHere,
  keepAlive,
  listenTo,
  makeCache,
  makeProgram,
  moduleProgram,
  requestLoad,
  requestLoadHere,
  requestRun,
  requestV8Run,
  snapshot,
  programError,
  wasiError,
};
