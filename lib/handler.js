'use strict';

// handler(): requests of HTTP answered by a component, each by an instance of its own.

const { AbortError, WasiError, from, textOf } = require('./errors.js');
const { Execution } = require('./execute.js');
const { Exchange, HttpError, STATUSES_WITHOUT_BODY, pairs, room, streamOf } = require('./http.js');
const { readHandlerOptions } = require('./options.js');
const { Pool } = require('./pool.js');
const { Cancellation } = require('./program.js');
const { callerOf, choiceIn, resolve } = require('./run.js');
const { Tickets } = require('./tickets.js');

const { Response } = globalThis;

/** @typedef {InstanceType<typeof Exchange>} AnExchange */

/** The names of the interfaces, in WASI 0.2 and 0.3, that a handler exports, up to their versions. */
const INTERFACES = ['wasi:http/incoming-handler@', 'wasi:http/handler@'];

/** The most requests that are answered at a time, unless the options say another number. */
const CONCURRENCY = 64;

/**
 * A request, in the form for a guest.
 *
 * @typedef {object} Incoming
 * @property {string[]} head method, scheme, authority, path
 * @property {import('./http.js').Field[]} fields
 * @property {AsyncIterable<Uint8Array> | null} body
 * @property {() => import('./http.js').Field[]} trailers called when the body has been read
 * @property {() => void} [dropRest] called when no more of the body is wanted
 * @property {unknown} request as the user has passed it
 */

/** A component that answers requests. */
class Handler {
  #handle;
  #options;
  #pool;
  #caller;
  /** The errors that have been told. @type {WeakSet<object>} */
  #told = new WeakSet();

  /**
   * @param {import('./program.js').Handle} handle
   * @param {import('./options.js').HandlerOptions} options
   * @param {import('./errors.js').Caller} caller
   */
  constructor(handle, options, caller) {
    this.#handle = handle;
    this.#options = options;
    this.#caller = caller;
    this.#pool = new Pool(options.concurrency ?? CONCURRENCY, 'handler');
  }

  /**
   * Has a new instance answer a request.
   *
   * @param {Incoming} incoming
   * @returns {{ answered: Promise<Answered>, abort: (reason: unknown) => void }}
   */
  begin(incoming) {
    const tickets = new Tickets();
    /** @type {AnExchange | undefined} */
    let exchange;
    /** @type {(exchange: AnExchange) => void} */
    let opened = () => {};
    const open = new Promise((/** @type {(exchange: AnExchange) => void} */ resolve) => {
      opened = resolve;
    });
    const options = {
      ...this.#options,
      // Not before there is a place: requests that wait take no descriptors.
      exchange: () => {
        const { here, there } = tickets.exchange();
        exchange = new Exchange(here);
        exchange.sendHead(incoming.head, incoming.fields);
        // A guest need not read the body to its end, and the client may not send it to its end.
        send(exchange, incoming)
          .catch((error) => execution.kill(uploadError(error)))
          .finally(incoming.dropRest);
        opened(exchange);
        return there;
      },
    };
    const choice = choiceIn(this.#pool, this.#handle, options, new Cancellation());
    const execution = new Execution(this.#handle, choice, options, this.#caller);
    const over = execution.result.finally(() => {
      tickets.close();
      exchange?.closeOutput();
    });
    return {
      answered: this.#answer(open, over, incoming.request),
      abort: (reason) => {
        execution.kill(new AbortError(reason));
        exchange?.close();
      },
    };
  }

  /**
   * @param {Promise<AnExchange>} open
   * @param {Promise<unknown>} over the end of the instance
   * @param {unknown} request
   * @returns {Promise<Answered>}
   */
  async #answer(open, over, request) {
    const failed = over.then(() => new Promise(() => {}));
    failed.catch(() => {}); // the head may have come before
    const exchange = await Promise.race([open, failed]);
    try {
      const [first, ...fields] = await Promise.race([exchange.head(), failed]);
      const status = Number(first);
      if (!(status >= 200 && status <= 999)) {
        const message = `the handler has answered with the status ${first}, which is none of a response`;
        throw new WasiError('ERR_WASI_HTTP', message);
      }
      // An instance may go on after its response, and fail then. One that is ended by close() has not failed.
      over.catch((error) => {
        const isEnded = this.isClosed && exchange.isComplete && error.code === 'ERR_WASI_KILLED';
        if (!isEnded) this.failed(error, request);
      });
      return new Answered(exchange, over, status, pairs(fields));
    } catch (error) {
      exchange.close();
      if (isSilent(error)) await over; // its error says more
      // One that has said why may go on, and fail otherwise.
      if (HttpError.is(error)) over.catch((second) => this.failed(second, request));
      throw from(explained(error), this.#caller);
    }
  }

  /**
   * Tells an error, once.
   *
   * @param {any} error
   * @param {unknown} request
   * @returns {Promise<Response | undefined>} the response that the embedder wants instead
   */
  async failed(error, request) {
    if (error.isCanceled || this.#told.has(error)) return undefined;
    this.#told.add(error);
    try {
      const response = /** @type {any} */ (await this.#options.onError(error, request));
      // The same one may be returned for each error.
      return response?.clone();
    } catch (second) {
      const message = `options.onError has failed: ${textOf(second)}`;
      process.emitWarning(new WasiError('ERR_WASI_HTTP', message, { cause: second }));
    }
  }

  requireOpen() {
    this.#pool.requireOpen();
  }

  get isClosed() {
    return this.#pool.isClosed;
  }

  close() {
    return this.#pool.close();
  }
}

/** True if a guest has ended without a word. @param {any} error */
const isSilent = (error) => error?.errorCode === 'connection-terminated';

/** The error of a guest that has not answered. @param {any} error */
function explained(error) {
  if (error instanceof WasiError) return error;
  // (Control characters of a guest's would do something to a terminal.)
  const told = `${error.message}`.replace(/[\p{Cc}]+/gu, ' ');
  const message = isSilent(error)
    ? 'the handler has ended without a response: it has to call response-outparam.set'
    : `the handler has answered with the error ${told}`;
  return new WasiError('ERR_WASI_HTTP', message, { cause: error });
}

/** The error for a request whose body could not be read. @param {any} error */
function uploadError(error) {
  const isGone = error?.code === 'ECONNRESET' || error?.name === 'AbortError';
  if (isGone) return new AbortError(error); // the client is
  const message = `the body of the request can't be read: ${textOf(error)}`;
  return new WasiError('ERR_WASI_HTTP', message, { cause: error, signal: 'SIGTERM' });
}

/** @param {AnExchange} exchange @param {Incoming} incoming */
async function send(exchange, { body, trailers }) {
  if (body) {
    for await (const chunk of body) {
      if (exchange.isClosed) return;
      await exchange.write(chunk);
    }
  }
  exchange.sendEnd(trailers());
}

/** A response whose head has come. */
class Answered {
  #exchange;
  #over;

  /**
   * @param {AnExchange} exchange
   * @param {Promise<unknown>} over the end of the instance
   * @param {number} status
   * @param {import('./http.js').Field[]} fields
   */
  constructor(exchange, over, status, fields) {
    this.#exchange = exchange;
    this.#over = over;
    this.status = status;
    this.fields = fields;
  }

  get trailers() {
    return this.#exchange.trailers;
  }

  /** The next bytes of the body; undefined at its end. */
  async read() {
    try {
      return await this.#exchange.read();
    } catch (error) {
      if (isSilent(error)) await this.#over; // its error says more
      throw explained(error);
    }
  }
}

/** @param {any} value */
const isRequest = (value) =>
  typeof value?.url === 'string' &&
  typeof value.method === 'string' &&
  typeof value.headers?.get === 'function';

/** @param {any} value */
const isIncomingMessage = (value) =>
  typeof value?.url === 'string' && Array.isArray(value.rawHeaders);

/**
 * Answers a Request with a Response.
 *
 * @param {Handler} handler
 * @param {Request} request
 * @returns {Promise<Response>}
 */
async function answerRequest(handler, request) {
  const { protocol, host, pathname, search } = new URL(request.url);
  const { signal } = request;
  signal?.throwIfAborted();
  handler.requireOpen();
  let forget = () => {};
  try {
    const { answered, abort } = handler.begin({
      head: [request.method, protocol.slice(0, -1), host, pathname + search],
      fields: [...request.headers],
      body: /** @type {any} */ (request.body),
      trailers: () => [],
      request,
    });
    if (signal) forget = require('./abort.js').onAbort(signal, () => abort(signal.reason));
    const answer = await answered;
    const { status, fields } = answer;
    if (status > 599) {
      abort(undefined);
      const message = `the handler has answered with the status ${status}, which a Response can't have: 200 to 599`;
      throw new WasiError('ERR_WASI_HTTP', message);
    }
    const isEmpty = STATUSES_WITHOUT_BODY.has(status) || request.method === 'HEAD';
    const body = isEmpty ? null : bodyOf(answer, abort, forget);
    if (isEmpty) drain(answer, forget);
    return new Response(body, { status, headers: fields });
  } catch (error) {
    forget();
    if (signal?.aborted) throw signal.reason;
    return (await handler.failed(error, request)) ?? new Response(null, { status: 500 });
  }
}

/** @param {Answered} answer @param {(reason: unknown) => void} abort @param {() => void} forget */
function bodyOf(answer, abort, forget) {
  const read = async () => {
    let piece;
    try {
      piece = await answer.read();
      return piece;
    } finally {
      if (!piece) forget(); // at its end, and at an error
    }
  };
  const cancel = (/** @type {unknown} */ reason) => {
    forget();
    abort(reason);
  };
  return /** @type {any} */ (streamOf(read, cancel));
}

/** Reads a body that nobody gets. @param {Answered} answer @param {() => void} forget */
async function drain(answer, forget) {
  try {
    while (await answer.read());
  } catch {
    // The instance's own error is reported by itself.
  } finally {
    forget();
  }
}

/**
 * Answers a request of node:http.
 *
 * @param {Handler} handler
 * @param {import('node:http').IncomingMessage} request
 * @param {import('node:http').ServerResponse} response
 */
async function answerMessage(handler, request, response) {
  const { method = 'GET', url = '/', rawHeaders, socket } = request;
  const scheme = /** @type {any} */ (socket)?.encrypted ? 'https' : 'http';
  if (handler.isClosed) return void response.writeHead(503).end();
  try {
    const { answered, abort } = handler.begin({
      head: [method, scheme, request.headers.host ?? '', url],
      fields: pairs(rawHeaders),
      // The response may be sent after a guest that reads no more, by the same connection.
      body: request.iterator({ destroyOnReturn: false }),
      trailers: () => pairs(request.rawTrailers),
      // A client need not look at the response before it has sent all of its request.
      dropRest: () => request.resume(),
      request,
    });
    response.once('close', () => {
      if (!response.writableFinished) abort(undefined);
    });
    const answer = await answered;
    // A body of another length than it declares would be taken for the next response.
    response.strictContentLength = true;
    response.writeHead(answer.status, answer.fields.flat());
    if (method === 'HEAD' || STATUSES_WITHOUT_BODY.has(answer.status)) {
      response.end();
      return await drain(answer, () => {});
    }
    for (;;) {
      const piece = await answer.read();
      if (!piece || response.destroyed) break;
      if (!response.write(piece)) await room(response);
    }
    if (answer.trailers.length > 0) response.addTrailers(answer.trailers);
    response.end();
  } catch (error) {
    const shown = await handler.failed(error, request);
    if (response.destroyed) return;
    if (response.headersSent) response.destroy(/** @type {any} */ (error));
    else await respond(response, shown);
  }
}

/** @param {import('node:http').ServerResponse} response @param {Response} [shown] */
async function respond(response, shown) {
  try {
    // The fields of a head that could not be written.
    for (const name of response.getHeaderNames()) response.removeHeader(name);
    response.statusMessage = '';
    if (!shown) return void response.writeHead(500).end();
    const body = Buffer.from(await shown.arrayBuffer());
    response.writeHead(shown.status, [...shown.headers].flat()).end(body);
  } catch (error) {
    response.destroy(/** @type {any} */ (error));
  }
}

/**
 * Makes a handler of HTTP of a component.
 *
 * @param {any} source
 * @param {any} [options]
 * @param {Function} [entry] the function that the user has called
 */
async function handler(source, options, entry = handler) {
  const caller = callerOf(entry);
  const handle = /** @type {import('./program.js').Handle} */ (resolve(source, options, true));
  const checked = readHandlerOptions(options, handle.source);
  try {
    await handle.compile();
    const isHandler = (/** @type {string} */ name) =>
      INTERFACES.some((known) => name.startsWith(known));
    if (!handle.describe().exports.some(({ name }) => isHandler(name))) {
      const message =
        'the program is no handler of HTTP: it exports neither wasi:http/incoming-handler nor wasi:http/handler; run() runs commands, load() gives exports';
      throw new WasiError('ERR_WASI_PROGRAM', message);
    }
  } catch (error) {
    throw from(error, caller);
  }
  const made = new Handler(handle, checked, caller);
  const handle_ = async (/** @type {any} */ request, /** @type {any} */ response) => {
    if (isIncomingMessage(request) && typeof response?.writeHead === 'function')
      return answerMessage(made, request, response);
    if (isRequest(request)) return answerRequest(made, request);
    const { invalidArgType } = require('./errors.js');
    throw invalidArgType('request', 'an instance of Request or IncomingMessage', request);
  };
  const close = () => made.close();
  return Object.assign(handle_, {
    close,
    [Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]: close,
  });
}

module.exports = { handler };
