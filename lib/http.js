'use strict';

// Exchanges of HTTP with a guest: this end of a socket, where messages are frames
// (`crates/components/src/wasi/http/frames.rs`), and the requests that a guest makes.

const { closeSync } = require('node:fs');
const net = require('node:net');
const { ReadableStream } = require('node:stream/web');
const { clearTimeout, setTimeout } = require('node:timers');
const { types } = require('node:util');

const { AbortController, Headers, Request } = globalThis;

/** The kinds of frames. */
const KIND = { HEAD: 1, DATA: 2, TRAILERS: 3, END: 4, FAILED: 5 };

/** The bytes of a frame before its content. */
const HEADER = 5;

/** The most bytes of a head, or of trailers. */
const MOST_HEAD = 2 ** 20;

/** The bytes of a body that are kept here before the guest waits. */
const KEPT = 64 * 1024;

/** Fields of a connection, which are of no concern to a guest. */
const OF_CONNECTION = new Set([
  ...['connection', 'host', 'http2-settings', 'keep-alive', 'proxy-authenticate'],
  ...['proxy-authorization', 'proxy-connection', 'transfer-encoding', 'upgrade'],
]);

/**
 * A field, in the encoding latin1.
 *
 * @typedef {[name: string, value: string]} Field
 *
 * The sockets of an exchange, by their numbers: the one that is read, and the one that is written.
 * @typedef {{ input: number, output: number }} Ends
 */

/** The error code of wasi:http that a message has ended with. */
class HttpError extends Error {
  #isOne = true;

  /** @param {string} code as wasi:http spells it @param {string} [text] */
  constructor(code, text) {
    super(text ? `${code}: ${text}` : code);
    this.errorCode = code;
    this.text = text;
  }

  /** @param {unknown} value */
  static is(value) {
    return #isOne in Object(value);
  }
}

/** Strings as one content. @param {readonly string[]} parts @returns {Buffer} */
function joined(parts) {
  const length = parts.reduce((sum, part) => sum + 4 + part.length, 0);
  const content = Buffer.allocUnsafe(length);
  let at = 0;
  for (const part of parts) {
    at = content.writeUInt32LE(part.length, at);
    at += content.write(part, at, 'latin1');
  }
  return content;
}

/** The strings of a content. @param {Buffer} content @returns {string[]} */
function parts(content) {
  const all = [];
  for (let at = 0; at < content.length;) {
    const end = at + 4 + content.readUInt32LE(at);
    all.push(content.toString('latin1', at + 4, end));
    at = end;
  }
  return all;
}

/** Names and values in turn, as pairs. @param {string[]} list @returns {Field[]} */
const pairs = (list) =>
  Array.from({ length: list.length >> 1 }, (_, i) => [list[2 * i], list[2 * i + 1]]);

/** Resolves when a stream has room, or never will have. @param {import('node:stream').Writable} stream */
function room(stream) {
  return new Promise((resolve) => {
    const done = () => {
      stream.off('drain', done).off('close', done);
      resolve(undefined);
    };
    stream.on('drain', done).on('close', done);
  });
}

/**
 * A body as a stream.
 *
 * @param {() => Promise<Uint8Array | undefined>} read gives the next bytes; undefined at the end
 * @param {(reason: unknown) => void} cancel is called when no more of it is wanted
 */
function streamOf(read, cancel) {
  return new ReadableStream(
    {
      async pull(controller) {
        const piece = await read();
        if (piece) controller.enqueue(new Uint8Array(piece));
        else controller.close();
      },
      cancel,
    },
    { highWaterMark: 0 },
  );
}

/** This end of an exchange. */
class Exchange {
  #input;
  #output;
  /** Bytes of a frame that has not come in full. @type {Buffer | undefined} */
  #rest;
  /** The bytes of the body that are still to come in the current frame. */
  #data = 0;
  /** @type {string[] | undefined} */
  #head;
  /** The pieces of the body that have not been read. @type {Buffer[]} */
  #body = [];
  #size = 0;
  /** @type {{ error?: HttpError } | undefined} */
  #end;
  /** Wakes who waits for the head, or the body. */
  #wake = () => {};
  /** Called at the end of the message. @type {(() => void)[]} */
  #ended = [];
  /** Fields after the body. @type {Field[]} */
  trailers = [];
  /** Called when the guest has closed its end. */
  onClosed = () => {};

  /** @param {Ends} ends closed with this */
  constructor({ input, output }) {
    this.#input = new net.Socket({ fd: input, readable: true, writable: false });
    this.#output = new net.Socket({ fd: output, readable: false, writable: true });
    this.#input.on('data', (/** @type {any} */ chunk) => this.#receive(chunk));
    const isClosed = () => {
      this.#finish(new HttpError('connection-terminated'));
      this.onClosed();
    };
    this.#input.on('end', isClosed).on('close', isClosed);
    // The guest need not read what it is sent.
    for (const socket of [this.#input, this.#output]) socket.on('error', () => {}); // 'close' follows
  }

  /** @param {HttpError} [error] */
  #finish(error) {
    this.#end ??= { error };
    this.#wake();
    for (const settle of this.#ended.splice(0)) settle();
  }

  /** The fields after the body, when all of it has come. @returns {Promise<Field[]>} */
  ended() {
    return new Promise((resolve, reject) => {
      const settle = () => {
        if (this.#end?.error) reject(this.#end.error);
        else resolve(this.trailers);
      };
      if (this.#end) settle();
      else this.#ended.push(settle);
    });
  }

  /** @param {Buffer} chunk */
  #receive(chunk) {
    let bytes = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    this.#rest = undefined;
    while (bytes.length > 0 && !this.#end) {
      if (this.#data > 0) {
        const piece = bytes.subarray(0, this.#data);
        this.#data -= piece.length;
        this.#size += piece.length;
        this.#body.push(piece);
        bytes = bytes.subarray(piece.length);
        continue;
      }
      const length = bytes.length < HEADER ? Infinity : bytes.readUInt32LE(1);
      if (bytes[0] === KIND.DATA && length !== Infinity) {
        this.#data = length;
        bytes = bytes.subarray(HEADER);
        continue;
      }
      if (length > MOST_HEAD && length !== Infinity) {
        this.#finish(new HttpError('HTTP-protocol-error'));
        break;
      }
      if (bytes.length < HEADER + length) {
        this.#rest = bytes;
        break;
      }
      this.#take(bytes[0], parts(bytes.subarray(HEADER, HEADER + length)));
      bytes = bytes.subarray(HEADER + length);
    }
    if (this.#size > KEPT) this.#input.pause();
    this.#wake();
  }

  /** @param {number} kind @param {string[]} content */
  #take(kind, content) {
    if (kind === KIND.HEAD) this.#head = content;
    else if (kind === KIND.FAILED) this.#finish(new HttpError(content[0], content[1]));
    else {
      this.trailers = pairs(content);
      this.#finish();
    }
  }

  async #change() {
    await new Promise((resolve) => (this.#wake = () => resolve(undefined)));
    this.#wake = () => {};
  }

  /** The parts of the message before its body. @returns {Promise<string[]>} */
  async head() {
    while (!this.#head && !this.#end) await this.#change();
    if (this.#head) return this.#head;
    throw this.#end?.error ?? new HttpError('HTTP-protocol-error');
  }

  /** The next bytes of the body; undefined at its end. @returns {Promise<Buffer | undefined>} */
  async read() {
    while (this.#body.length === 0 && !this.#end) await this.#change();
    const piece = this.#body.shift();
    if (piece) {
      this.#size -= piece.length;
      if (this.#size <= KEPT) this.#input.resume();
      return piece;
    }
    if (this.#end?.error) throw this.#end.error;
  }

  /** The rest of the body, after a piece that has been read. @param {Buffer} [first] */
  stream(first) {
    const read = async () => {
      const piece = first ?? (await this.read());
      first = undefined;
      return piece;
    };
    return streamOf(read, () => this.close());
  }

  /** @param {number} kind @param {Uint8Array} [content] @returns {boolean} false if there is no more room */
  #send(kind, content = new Uint8Array()) {
    if (this.#output.destroyed) return true;
    const header = Buffer.allocUnsafe(HEADER);
    header[0] = kind;
    header.writeUInt32LE(content.length, 1);
    this.#output.write(header);
    return content.length === 0 || this.#output.write(content);
  }

  /** Sends what is before the body. @param {readonly string[]} first @param {Field[]} fields */
  sendHead(first, fields) {
    this.#output.cork();
    this.#send(KIND.HEAD, joined([...first, ...withoutConnection(fields).flat()]));
    this.#output.uncork();
  }

  /** Sends bytes of the body; resolves when there is room for more. @param {Uint8Array} bytes */
  async write(bytes) {
    if (!types.isUint8Array(bytes))
      throw new TypeError('a chunk of a body of HTTP must be an instance of Uint8Array');
    if (bytes.length === 0) return;
    this.#output.cork();
    const hasRoom = this.#send(KIND.DATA, bytes);
    this.#output.uncork();
    if (!hasRoom) await room(this.#output);
  }

  /** Ends the message. @param {Field[]} [trailers] */
  sendEnd(trailers = []) {
    if (trailers.length === 0) this.#send(KIND.END);
    else this.#send(KIND.TRAILERS, joined(withoutConnection(trailers).flat()));
  }

  /** Ends the message before it is complete. @param {HttpError} error */
  sendFailure({ errorCode, text }) {
    this.#send(KIND.FAILED, joined(text === undefined ? [errorCode] : [errorCode, latin1Of(text)]));
  }

  /** Closes it, when all that was sent has been taken. */
  closeWhenSent() {
    this.#input.destroy();
    this.#output.end();
  }

  /** Sends nothing more. */
  closeOutput() {
    this.#output.destroy();
  }

  close() {
    this.#input.destroy();
    this.#output.destroy();
  }

  /** True if all of the message has come. */
  get isComplete() {
    return this.#end !== undefined && !this.#end.error;
  }

  /** True if nobody takes what is sent. */
  get isClosed() {
    return this.#output.destroyed;
  }
}

/** @param {Field[]} fields */
const withoutConnection = (fields) =>
  fields.filter(([name]) => !OF_CONNECTION.has(name.toLowerCase()));

/** A text in UTF-8, as one of latin1. @param {string} text */
const latin1Of = (text) => Buffer.from(text).toString('latin1');

/** Methods whose requests have no body. */
const METHODS_WITHOUT_BODY = new Set(['GET', 'HEAD']);

/** Statuses of responses without a body. */
const STATUSES_WITHOUT_BODY = new Set([204, 205, 304]);

/**
 * Answers a request that a guest makes.
 *
 * @param {Ends} ends
 * @param {((request: Request) => any) | undefined} fetch the embedder's; without it the request is dropped
 */
async function answer(ends, fetch) {
  if (!fetch) return Object.values(ends).forEach((fd) => closeSync(fd)); // its run is over
  const exchange = new Exchange(ends);
  const controller = new AbortController();
  exchange.onClosed = () => controller.abort(new HttpError('connection-terminated'));
  const timeouts = new Timeouts(controller);
  try {
    const { request, times } = await requestOf(exchange, controller.signal);
    Object.defineProperty(request, 'trailers', {
      get() {
        const trailers = exchange.ended().then((fields) => new Headers(fields));
        trailers.catch(() => {}); // who has asked may have gone
        return trailers;
      },
      enumerable: true,
    });
    timeouts.start(times);
    // It may look at no signal.
    const response = await Promise.race([fetch(request), timeouts.aborted]);
    timeouts.stop(); // the response has begun
    if (!isResponse(response)) throw new HttpError('HTTP-request-denied');
    exchange.sendHead([`${response.status}`], fieldsOf(response));
    for await (const chunk of timeouts.each(response.body ?? [])) await exchange.write(chunk);
    exchange.sendEnd([...new Headers(await Promise.race([response.trailers, timeouts.aborted]))]);
  } catch (error) {
    exchange.sendFailure(toldOf(controller.signal.aborted ? controller.signal.reason : error));
  } finally {
    timeouts.stop();
    exchange.onClosed = () => {};
    exchange.closeWhenSent();
  }
}

/** The times that a guest gives a request, in milliseconds. */
class Timeouts {
  #controller;
  /** @type {NodeJS.Timeout | undefined} */
  #timer;
  /** @type {number | undefined} */
  #between;

  /** @param {AbortController} controller */
  constructor(controller) {
    const { signal } = controller;
    this.#controller = controller;
    /** Rejects when the request is over before its time. @type {Promise<never>} */
    this.aborted = new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    this.aborted.catch(() => {});
  }

  /** @param {(number | undefined)[]} times to connect, to the response, between bytes */
  start([connect, first, between]) {
    this.#between = between;
    // How long the embedder's function connects, nobody knows: both times end with the response.
    const time = connect === undefined ? first : connect + (first ?? 0);
    this.#arm(time, 'HTTP-response-timeout');
  }

  /** @param {number | undefined} time @param {string} code */
  #arm(time, code) {
    clearTimeout(this.#timer);
    if (time === undefined) return;
    const expire = () => this.#controller.abort(new HttpError(code));
    this.#timer = setTimeout(expire, Math.min(time, 2 ** 31 - 1));
  }

  /** The chunks of a body, each within its time. @param {AsyncIterable<Uint8Array> | never[]} body */
  async *each(body) {
    const { signal } = this.#controller;
    const iterator = bytesOf(body);
    try {
      for (;;) {
        signal.throwIfAborted();
        this.#arm(this.#between, 'connection-read-timeout');
        const { done, value } = await Promise.race([iterator.next(), this.aborted]);
        clearTimeout(this.#timer);
        if (done) return;
        yield value;
      }
    } finally {
      // Ends the embedder's response, which may be at work.
      iterator.return().catch(() => {});
    }
  }

  stop() {
    clearTimeout(this.#timer);
  }
}

/** @param {AsyncIterable<Uint8Array> | never[]} body */
async function* bytesOf(body) {
  yield* body;
}

/**
 * The request that comes by an exchange.
 *
 * @param {Exchange} exchange
 * @param {AbortSignal} signal
 */
async function requestOf(exchange, signal) {
  const [method, scheme, authority, path, hasBody, connect, first, between, ...fields] =
    await exchange.head();
  const times = [connect, first, between].map((time) => (time === '' ? undefined : Number(time)));
  const isKnown = scheme === 'http' || scheme === 'https';
  if (!isKnown || !/^([/?]|$)/.test(path)) throw new HttpError('HTTP-request-URI-invalid');
  // A guest that takes the body of a request may give it nothing.
  const piece = hasBody ? await exchange.read() : undefined;
  const body = piece && exchange.stream(piece);
  if (body && METHODS_WITHOUT_BODY.has(method)) throw new HttpError('HTTP-request-body-size');
  const url = `${scheme}://${utf8Of(authority)}${utf8Of(path)}`;
  const init = { method, headers: pairs(fields), body, duplex: 'half', redirect: 'manual', signal };
  try {
    return { request: new Request(url, /** @type {any} */ (init)), times };
  } catch (error) {
    const isMethod = /method/i.test(/** @type {Error} */ (error).message);
    throw new HttpError(isMethod ? 'HTTP-request-method-invalid' : 'HTTP-request-URI-invalid');
  }
}

/** A text of UTF-8 that was read as latin1. @param {string} text */
const utf8Of = (text) => Buffer.from(text, 'latin1').toString();

/** @param {any} response */
const isResponse = (response) =>
  typeof response?.status === 'number' && typeof response.headers?.[Symbol.iterator] === 'function';

/**
 * The fields of a response. fetch() decodes bodies, and leaves the fields that tell how they were encoded.
 *
 * @param {Response} response
 * @returns {Field[]}
 */
function fieldsOf(response) {
  const fields = [...response.headers];
  const isDecoded = response.type !== 'default' && response.headers.has('content-encoding');
  if (!isDecoded) return fields;
  return fields.filter(([name]) => name !== 'content-encoding' && name !== 'content-length');
}

/** The error codes of wasi:http for those of Node. @type {Record<string, string>} */
const CODES = {
  ECONNREFUSED: 'connection-refused',
  ECONNRESET: 'connection-terminated',
  EPIPE: 'connection-terminated',
  UND_ERR_SOCKET: 'connection-terminated',
  ENOTFOUND: 'DNS-error',
  EAI_AGAIN: 'DNS-timeout',
  ETIMEDOUT: 'connection-timeout',
  UND_ERR_CONNECT_TIMEOUT: 'connection-timeout',
  UND_ERR_HEADERS_TIMEOUT: 'HTTP-response-timeout',
  UND_ERR_BODY_TIMEOUT: 'connection-read-timeout',
  EHOSTUNREACH: 'destination-unavailable',
  ENETUNREACH: 'destination-unavailable',
};

/** The error that a guest is told, whatever has been thrown. @param {unknown} error */
function toldOf(error) {
  try {
    return failureOf(error);
  } catch {
    return new HttpError('internal-error');
  }
}

/** The error that a guest is told. @param {any} error of the embedder's function @returns {HttpError} */
function failureOf(error) {
  if (HttpError.is(error)) return error;
  // A ComponentError, as functions of options.imports throw it.
  const { payload } = error ?? {};
  if (typeof payload === 'string') return new HttpError(payload);
  if (typeof payload?.tag === 'string')
    return new HttpError(payload.tag, typeof payload.val === 'string' ? payload.val : undefined);
  const { errors } = error?.cause ?? {};
  const causes = [error, error?.cause, ...(Array.isArray(errors) ? errors : [])];
  for (const code of causes.map((cause) => String(cause?.code))) {
    if (Object.hasOwn(CODES, code)) return new HttpError(CODES[code]);
    if (/^(CERT_|ERR_TLS_CERT|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED)/.test(code))
      return new HttpError('TLS-certificate-error');
    if (/^(ERR_TLS_|ERR_SSL_|EPROTO)/.test(code)) return new HttpError('TLS-protocol-error');
  }
  return new HttpError('internal-error', String(error?.message ?? error));
}

module.exports = { Exchange, HttpError, STATUSES_WITHOUT_BODY, answer, pairs, room, streamOf };
