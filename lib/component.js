'use strict';

// The exports of a component as functions and classes, and functions and classes of the embedder for its
// imports. The values are those of `values.js`.

const { types } = require('node:util');
const { ComponentError, WasiError, errorOf, warn } = require('./errors.js');
const { GuestMemory, HostFunctions, isThenable } = require('./host.js');
const { camel, exportNamesOf, memberOf, partsOf, pascal, withoutVersion } = require('./names.js');
const { GuestResource, GuestResources, HostResources } = require('./resources.js');
const { Streams } = require('./streams.js');
const { Codec, Mismatch, Reader, Writer, within } = require('./values.js');

/**
 * @typedef {import('./types.js').Interface} Interface
 * @typedef {import('./types.js').ComponentFunction} ComponentFunction
 * @typedef {import('./resources.js').State} State
 *
 * @typedef {InstanceType<typeof Writer>} Writing
 * @typedef {InstanceType<typeof Reader>} Reading
 *
 * Calls an export: with the bytes of its parameters, of which there are `length`, for those of its result.
 * @typedef {(index: number, bytes: Uint8Array, length: number, entry: Function) => any} Call
 */

/** The beginning of the names of functions that tell of the end of a resource. */
const DROP = '[resource-drop]';

/** The names of the functions by which the component reads streams (`given_streams.rs` has them too). */
const [STREAM_NEXT, STREAM_FORGET] = ['[stream-next]', '[stream-forget]'];

/** A function or resource, as imports are named. @param {{ interface?: string, name: string }} item */
const nameOf = ({ interface: from, name }) => (from === undefined ? name : `${from}.${name}`);

/** A function, as JavaScript has it. @param {{ interface?: string, name: string }} function_ */
function labelOf({ interface: from, name: whole }) {
  const { role, resource, name } = partsOf(whole);
  const Class = resource === undefined ? '' : pascal(resource);
  const label =
    role === 'constructor' ? `new ${Class}` : [Class, camel(name)].filter(Boolean).join('.');
  return from === undefined ? label : `${from} ${label}`;
}

/** A component's functions and types, and the objects that it and the embedder exchange. */
class Component {
  #description;
  #codec;
  /** Writers that nobody uses. (A getter of a value may make another call.) @type {Writing[]} */
  #spare = [];
  /** The handles of resources that are to end when the component can be called. @type {number[]} */
  #undropped = [];
  #guests = new GuestResources((handle) => this.#dropHandle(handle));
  #hosts = new HostResources();
  #streams;
  /** The classes of the embedder, by the indices of resources. @type {Function[]} */
  #classes = [];
  /** @type {Call} */
  #call = () => {};

  /**
   * @param {Interface} description
   * @param {boolean} mayStream true if streams can be handed over
   */
  constructor(description, mayStream = false) {
    requireNames(description);
    this.#description = description;
    if (mayStream) {
      this.#streams = new Streams({
        read: (handle, most) => this.#callBeyond(1, handle, most),
        close: (handle) => void this.#callBeyond(2, handle)?.catch(() => {}), // it has ended, if this fails
      });
    }
    this.#codec = new Codec(
      description.types,
      {
        number: (resource, value, isOwned, call) => {
          const Class = this.#classes[resource];
          if (!Class) return this.#guests.handle(resource, value, isOwned, call);
          return this.#hosts.number(value, Class, isOwned, call);
        },
        object: (resource, number, isOwned, call) => {
          if (!this.#classes[resource]) {
            return this.#guests.object(resource, number, isOwned, call);
          }
          return isOwned ? this.#hosts.release(number) : this.#hosts.object(number);
        },
      },
      this.#streams,
    );
  }

  /**
   * Calls a function beyond the exports: 0 ends a resource, 1 reads a stream, 2 ends one.
   *
   * @param {number} beyond
   * @param {number[]} numbers
   */
  #callBeyond(beyond, ...numbers) {
    const writer = this.#begin();
    for (const number of numbers) writer.u32(number);
    try {
      const index = this.#description.exports.length + beyond;
      return this.#call(index, writer.bytes, writer.length, this.#callBeyond);
    } finally {
      this.#spare.push(writer);
    }
  }

  /** A writer to be given back. @returns {Writing} */
  #begin() {
    const writer = this.#spare.pop() ?? new Writer();
    writer.reset();
    return writer;
  }

  /** @param {number} handle */
  #dropHandle(handle) {
    // It is in a call, after which it is tried again; or it has ended, and all its resources with it.
    const fail = () => this.#undropped.push(handle);
    try {
      this.#callBeyond(0, handle)?.catch?.(fail);
    } catch {
      fail();
    }
  }

  #dropLate() {
    if (this.#undropped.length === 0) return;
    for (const handle of this.#undropped.splice(0)) this.#dropHandle(handle);
  }

  /**
   * The reason why a function can't be called, if it can't.
   *
   * @param {ComponentFunction} function_
   */
  #unsupported({ params, result }) {
    const types = [...params.map(([, type]) => type), ...(result === null ? [] : [result])];
    const reason = types.map((type) => this.#codec.unsupported(type)).find(Boolean);
    return reason && `it takes or returns ${reason}`;
  }

  /**
   * The encoder of parameters, of which the first may be `this`.
   *
   * @param {ComponentFunction} function_
   * @returns {(writer: Writing, args: readonly unknown[]) => void}
   */
  #encoderOf(function_) {
    const params = function_.params.map(([name, type]) => ({
      name: camel(name),
      encode: this.#codec.encoder(type),
    }));
    return (writer, args) => {
      for (const [i, { name, encode }] of params.entries()) {
        try {
          encode(writer, args[i]);
        } catch (error) {
          if (Mismatch.is(error) && error.awaited) throw error;
          throw explained(within(error, name === 'self' ? 'this' : name), labelOf(function_));
        }
      }
    };
  }

  /**
   * The decoder of the result of an export, which throws where that is an error.
   *
   * @param {ComponentFunction} function_
   * @returns {(bytes: ArrayBuffer, writer?: Writing) => unknown} the bytes may be in the buffer of the writer
   */
  #decoderOf({ result }) {
    if (result === null) return () => undefined;
    const decode = this.#codec.decoder(result);
    const isResult = this.#codec.resultOf(result) !== undefined;
    return (bytes, writer) => {
      const reader = writer?.reader(bytes) ?? new Reader(bytes);
      const value = decode(reader);
      if (!isResult) return value;
      if (value.tag === 'ok') return value.val;
      throw new ComponentError(value.val);
    };
  }

  /**
   * A function that calls an export.
   *
   * @param {number} index
   * @param {ComponentFunction} function_
   * @returns {(args: readonly unknown[], entry: Function) => any}
   */
  #caller(index, function_) {
    const unsupported = this.#unsupported(function_);
    if (unsupported) {
      return () => {
        throw new TypeError(`${labelOf(function_)} can't be called: ${unsupported}`);
      };
    }
    const [encode, decode] = [this.#encoderOf(function_), this.#decoderOf(function_)];
    const requireAll = (/** @type {(State | undefined)[]} */ states) => {
      // The calls before have it still.
      if (!states.some((state) => state?.isGone)) return;
      const problem = 'an object that is handed over has been dropped';
      throw errorOf(TypeError, 'ERR_INVALID_ARG_TYPE', `${labelOf(function_)}: ${problem}`);
    };
    /** @type {(args: readonly unknown[], entry: Function) => any} */
    const call = (args, entry) => {
      const writer = this.#begin();
      const { after, undo } = writer;
      const end = () => {
        for (const one of after) one();
        this.#dropLate();
      };
      const fail = (/** @type {unknown} */ error) => {
        for (const one of undo) one();
        end();
        if (!Mismatch.is(error) || !error.awaited) throw error;
        // It is somewhere in a value.
        requireAll([error.awaited]);
        return afterAll([error.awaited], () => call(args, entry));
      };
      let returned;
      try {
        encode(writer, args);
        returned = this.#call(index, writer.bytes, writer.length, entry);
      } catch (error) {
        this.#spare.push(writer);
        return fail(error);
      }
      if (!isThenable(returned)) {
        try {
          return decode(returned, writer);
        } finally {
          // The results are where the parameters were, and what ends resources writes there.
          this.#spare.push(writer);
          end();
        }
      }
      this.#spare.push(writer);
      return returned
        .then((/** @type {ArrayBuffer} */ bytes) => {
          end();
          return bytes;
        }, fail)
        .then((/** @type {ArrayBuffer} */ bytes) => decode(bytes));
    };
    return (args, entry) => {
      if (!args.some(GuestResource.stateOf)) return call(args, entry);
      const states = args.map(GuestResource.stateOf).filter((state) => state?.pending);
      requireAll(states);
      return states.length === 0 ? call(args, entry) : afterAll(states, () => call(args, entry));
    };
  }

  /**
   * The exports: functions, classes, and objects of them for interfaces.
   *
   * @param {Call} call
   * @param {boolean} isAsync true if calls give promises
   */
  exports(call, isAsync) {
    this.#call = call;
    const { exports, resources } = this.#description;
    /** @type {Map<string | undefined, Record<string, any>>} */
    const interfaces = new Map([[undefined, Object.create(null)]]);
    const in_ = (/** @type {string | undefined} */ name) => {
      if (!interfaces.has(name)) interfaces.set(name, Object.create(null));
      return /** @type {Record<string, any>} */ (interfaces.get(name));
    };
    for (const [index, { interface: from, name, isImported }] of resources.entries()) {
      if (!isImported && name !== '') in_(from)[pascal(name)] = this.#classOf(index, name, isAsync);
    }
    for (const [index, function_] of exports.entries()) {
      this.#define(in_(function_.interface), function_, this.#caller(index, function_), isAsync);
    }
    const all = in_(undefined);
    for (const [name, items] of interfaces) {
      if (name === undefined) continue;
      Object.freeze(items);
      for (const key of exportNamesOf(name)) all[key] ??= items;
    }
    return Object.freeze(all);
  }

  /** @param {number} index @param {string} name @param {boolean} isAsync */
  #classOf(index, name, isAsync) {
    const guests = this.#guests;
    /** @type {any} */
    const Class = class extends GuestResource {
      /** @param {unknown[]} args */
      constructor(...args) {
        const construct = Class[CONSTRUCT];
        if (!construct)
          throw new TypeError(
            `${pascal(name)} has no constructor: the component makes its instances`,
          );
        /** @type {State} */
        const state = { handle: undefined, resource: index, owner: guests };
        super(state);
        const made = construct(args, Class);
        const take = (/** @type {unknown} */ object) => {
          const handle = guests.handle(index, object, true, { after: [], undo: [] });
          Object.assign(state, { handle, isMade: true });
          guests.watch(this, state);
          return handle;
        };
        if (!isAsync) take(made);
        else wait(state, made.then(take)); // its error is reported to the first call
      }
    };
    Object.defineProperty(Class, 'name', { value: pascal(name) });
    guests.classes[index] = Class;
    return Class;
  }

  /**
   * Defines a function in its interface or class.
   *
   * @param {Record<string, any>} items
   * @param {ComponentFunction} function_
   * @param {(args: readonly unknown[], entry: Function) => any} call
   * @param {boolean} isAsync
   */
  #define(items, function_, call, isAsync) {
    const { role, resource } = partsOf(function_.name);
    const key = memberOf(function_.name, isAsync);
    const Class = resource === undefined ? undefined : items[pascal(resource)];
    if (role === 'constructor') {
      if (Class) Class[CONSTRUCT] = call;
      return;
    }
    const isMethod = role === 'method';
    /** @type {Function} */
    const made = isAsync
      ? {
          async [key](/** @type {unknown[]} */ ...args) {
            return call(isMethod ? [this, ...args] : args, made);
          },
        }[key]
      : {
          [key](/** @type {unknown[]} */ ...args) {
            return call(isMethod ? [this, ...args] : args, made);
          },
        }[key];
    const length = function_.params.length - Number(isMethod);
    Object.defineProperty(made, 'length', { value: length });
    if (this.#returnsStreams(function_)) streaming.add(made);
    const target = isMethod ? Class?.prototype : role === 'static' ? Class : items;
    if (target) Object.defineProperty(target, key, { value: made, enumerable: true });
  }

  /**
   * The functions that the component imports, made of those of the embedder.
   *
   * @param {any} imports
   * @returns {import('./types.js').Host | undefined} undefined if it imports none
   */
  host(imports) {
    const { imports: functions, resources } = this.#description;
    /** @type {Missing[]} */
    const missing = [];
    for (const [index, { interface: from, name, isImported }] of resources.entries()) {
      if (!isImported) continue;
      const Class = findIn(interfaceOf(imports, from), [pascal(name), name]);
      if (typeof Class === 'function') this.#classes[index] = Class;
      else missing.push({ from, text: `class ${pascal(name)}` });
    }
    const served = functions.map((function_) => {
      const imported = findFunction(imports, function_);
      const { isAsync } = function_;
      if (imported)
        return { ...keyOf(function_), isAsync, call: this.#served(function_, imported) };
      const { role, resource = '' } = partsOf(function_.name);
      const Class = findIn(interfaceOf(imports, function_.interface), [pascal(resource), resource]);
      // Without the class, that is said.
      if (role === 'function' || typeof Class === 'function')
        missing.push({ from: function_.interface, text: `${labelOf({ name: function_.name })}()` });
      return { ...keyOf(function_), call: () => {} };
    });
    if (missing.length > 0) throw lacking(missing, imports, this.#description);
    const dropped = resources
      .filter(({ isImported }) => isImported)
      .map((resource) => ({
        ...keyOf({ ...resource, name: `${DROP}${resource.name}` }),
        call: (/** @type {import('./types.js').HostCall} */ { bytes }) => this.#drop(bytes),
      }));
    const all = [...served, ...dropped, ...this.#servedStreams()];
    if (all.length === 0) return undefined;
    return new HostFunctions(all, new GuestMemory(), () => {
      this.#streams?.end();
      this.#hosts.end();
    });
  }

  /** The functions by which the component reads the streams that it is given, if it may be given any. */
  #servedStreams() {
    const streams = this.#streams;
    const { types } = this.#description;
    if (!streams || !types.some((_, index) => this.#codec.hasStreams(index))) return [];
    const functions = {
      [STREAM_NEXT]: (/** @type {Reading} */ reader) => streams.next(reader.u32(), reader.u32()),
      [STREAM_FORGET]: (/** @type {Reading} */ reader) => {
        streams.forget(reader.u32(), reader.u32());
        return new Uint8Array();
      },
    };
    return Object.entries(functions).map(([name, act]) => ({
      ...keyOf({ name }),
      isAsync: true,
      call: (/** @type {import('./types.js').HostCall} */ { bytes }) => act(new Reader(bytes)),
    }));
  }

  /** True for a function whose result has streams in it. @param {ComponentFunction} function_ */
  #returnsStreams({ result }) {
    return result !== null && this.#codec.hasStreams(result);
  }

  /** The component has dropped an object of the embedder. @param {ArrayBuffer} bytes of its number */
  #drop(bytes) {
    const result = this.#hosts.drop(new Reader(bytes).u32());
    // The component does not wait for it.
    if (isThenable(result)) Promise.resolve(result).catch(warn);
    return new Uint8Array();
  }

  /**
   * A function of the embedder as the component calls it.
   *
   * @param {ComponentFunction} function_
   * @param {(args: any[]) => any} imported
   * @returns {import('./host.js').Served}
   */
  #served(function_, imported) {
    const unsupported = this.#unsupported(function_);
    if (unsupported) {
      return () => {
        throw new TypeError(`${labelOf(function_)} can't be called: ${unsupported}`);
      };
    }
    const { params, result } = function_;
    const decoders = params.map(([, type]) => this.#codec.decoder(type));
    const isResult = this.#codec.resultOf(result) !== undefined;
    const encode = result === null ? undefined : this.#codec.encoder(result);
    const bytesOf = (/** @type {unknown} */ value, /** @type {string} */ place) => {
      if (!encode) return new Uint8Array();
      const writer = this.#begin();
      try {
        encode(writer, value);
        return writer.copy(); // it is sent later, when the writer has other values
      } catch (error) {
        for (const one of writer.undo) one();
        // (Of a `result` no more than its value, or its error, is the embedder's.)
        if (Mismatch.is(error) && isResult) error.path = error.path.replace(/^\.val/, '');
        throw explained(within(error, place), labelOf(function_));
      } finally {
        this.#spare.push(writer);
      }
    };
    const returned = (/** @type {unknown} */ value) =>
      bytesOf(isResult ? { tag: 'ok', val: value } : value, 'the result');
    const thrown = (/** @type {any} */ error) => {
      const hasPayload = Object.hasOwn(Object(error), 'payload');
      if (!isResult || Mismatch.is(error) || (isError(error) && !hasPayload)) throw error;
      try {
        const val = hasPayload ? error.payload : error;
        return bytesOf({ tag: 'err', val }, 'the error that it has thrown');
      } catch (mismatch) {
        throw Object.assign(/** @type {any} */ (mismatch), { cause: error });
      }
    };
    return ({ bytes }) => {
      const reader = new Reader(bytes);
      const args = decoders.map((decode) => decode(reader));
      const end = () => reader.after.forEach((one) => one());
      let value;
      try {
        value = imported(args);
      } catch (error) {
        end();
        return thrown(error);
      }
      if (isThenable(value)) {
        return Promise.resolve(value).finally(end).then(returned, thrown);
      }
      end();
      return returned(value);
    };
  }
}

/** The functions whose results have streams in them. @type {WeakSet<Function>} */
const streaming = new WeakSet();

/** The function behind `new` of a class. */
const CONSTRUCT = Symbol('construct');

/** The names of errors in `Object.prototype.toString()`. */
const ERRORS = new Set(['[object Error]', '[object DOMException]']);

/** True for an error, of any realm. @param {unknown} value */
const isError = (value) =>
  types.isNativeError(value) || ERRORS.has(Object.prototype.toString.call(value));

/** @param {{ interface?: string, name: string }} function_ */
const keyOf = ({ interface: module = '', name }) => ({ module, name });

/**
 * An interface of the embedder, by its name with or without version; its root without a name.
 *
 * @param {any} imports
 * @param {string | undefined} name
 */
function interfaceOf(imports, name) {
  if (name === undefined) return imports;
  return findIn(imports, [name, withoutVersion(name)]);
}

/** The properties of every object. @type {any} */
const OBJECT = Object.prototype;

/**
 * A property by one of several names. (A function may be an object of others: `{ default }`.)
 *
 * @param {any} object
 * @param {string[]} names
 */
function findIn(object, names) {
  if (object === undefined || object === null) return undefined;
  const found = names.map((name) => [name, object[name]]);
  // Every object has functions such as toString().
  return found.find(([name, value]) => value !== undefined && value !== OBJECT[name])?.[1];
}

/**
 * The function of the embedder for an import, which takes a list of parameters.
 *
 * @param {any} imports
 * @param {ComponentFunction} function_
 * @returns {((args: any[]) => any) | undefined}
 */
function findFunction(imports, { interface: from, name: whole }) {
  const items = interfaceOf(imports, from);
  const { role, resource, name } = partsOf(whole);
  if (role === 'function') {
    const found = findIn(items, [camel(name), name]);
    const function_ = typeof found === 'function' ? found : found?.default;
    return typeof function_ === 'function' ? (args) => function_.apply(items, args) : undefined;
  }
  const Class = findIn(items, [
    pascal(/** @type {string} */ (resource)),
    /** @type {string} */ (resource),
  ]);
  if (typeof Class !== 'function') return undefined;
  if (role === 'constructor') return (args) => Reflect.construct(Class, args);
  const key = camel(name);
  if (role === 'static')
    return typeof Class[key] === 'function' ? (args) => Class[key](...args) : undefined;
  if (typeof Class.prototype?.[key] !== 'function') return undefined;
  return ([self, ...args]) => self[key](...args);
}

/** The most imports that an error names. */
const SHOWN = 3;

/**
 * A function or class that is not given, in JavaScript's words.
 *
 * @typedef {{ from: string | undefined, text: string }} Missing
 */

/**
 * The error of a component that is not given what it imports.
 *
 * @param {Missing[]} missing
 * @param {any} imports
 * @param {Interface} description
 */
function lacking(missing, imports, description) {
  const more = missing.length > SHOWN ? ` and ${missing.length - SHOWN} more` : '';
  const shown = missing.slice(0, SHOWN).map(({ from, text }) => (from ? `${from} ${text}` : text));
  const known = namesOfImports(description);
  const unused = Object.keys(imports ?? {}).filter((name) => !known.has(name));
  const odd = unused.length > 0 ? `; it does not import '${unused[0]}', which is there` : '';
  const message = `the program imports what WASI does not have: ${shown.join(', ')}${more}; give it what it imports by options.imports${odd}; \`wasi-rs types FILE\` tells all of it`;
  return new WasiError('ERR_WASI_IMPORT', message);
}

/** The names under which imports are found. @param {Interface} description */
function namesOfImports({ imports, resources }) {
  const items = [...imports, ...resources.filter(({ isImported }) => isImported)];
  return new Set(
    items.flatMap(({ interface: from, name }) => {
      if (from !== undefined) return [from, withoutVersion(from)];
      const { resource, name: own } = partsOf(name);
      return [name, camel(own), pascal(own), pascal(resource ?? own)];
    }),
  );
}

/** @param {unknown} error @param {string} name of the function */
function explained(error, name) {
  return Mismatch.is(error) ? error.toError(name) : error;
}

/**
 * Refuses a component of which JavaScript has the same name for two things.
 *
 * @param {Interface} description
 */
function requireNames({ types, imports, exports }) {
  for (const type of types) {
    if (type.kind === 'record') requireOwnNames(type.fields.map(([name]) => [camel(name), name]));
    if (type.kind === 'flags') requireOwnNames(type.names.map((name) => [camel(name), name]));
  }
  for (const [functions, isImported] of /** @type {const} */ ([
    [imports, true],
    [exports, false],
  ])) {
    requireOwnNames(
      functions.map(({ interface: from = '', name }) => {
        const { role, resource = '' } = partsOf(name);
        const place = role === 'function' ? '' : `${role === 'method'} ${resource}`;
        const key = role === 'constructor' ? '[new]' : memberOf(name, !isImported);
        return [`${from} ${place} ${key}`, nameOf({ interface: from || undefined, name })];
      }),
    );
  }
}

/** @param {[key: string, name: string][]} names */
function requireOwnNames(names) {
  const known = new Map();
  for (const [key, name] of names) {
    const other = known.get(key);
    if (other !== undefined) {
      const message = `the program has the names ${other} and ${name}, which JavaScript has as ${key.split(' ').at(-1)}, both`;
      throw new WasiError('ERR_WASI_PROGRAM', message);
    }
    known.set(key, name);
  }
}

/**
 * Has uses of an object wait for something.
 *
 * @param {State} state
 * @param {Promise<any>} until
 */
function wait(state, until) {
  const done = () => {
    if (state.pending === until) state.pending = undefined;
  };
  state.pending = until;
  until.then(done, () => {});
}

/**
 * Makes a call when its objects are there. Later uses of them wait for it.
 *
 * @param {any[]} states
 * @param {() => any} call
 */
function afterAll(states, call) {
  const all = Promise.all(states.map(({ pending }) => pending));
  const result = all.then(call);
  const begun = all.then(() => {}); // after the call has been made
  for (const state of states) wait(state, begun);
  begun.catch(() => {});
  return result;
}

module.exports = { Component, returnsStreams: (/** @type {Function} */ one) => streaming.has(one) };
