'use strict';

// memory(): directories in memory. overlay(): such above one of the host.

const { classAddon, engineAddon } = require('./addon.js');
const {
  errorOf,
  invalidArgType,
  invalidArgValue,
  invalidThis,
  outOfRange,
  refuseUnknown,
} = require('./errors.js');

/**
 * A tree of files: names with what they stand for. A name may be a path, and one of a directory may end in a
 * slash.
 *
 * @typedef {{ [name: string]: string | ArrayBufferView | ArrayBuffer | Link | Entries }} Entries
 */

/** Bytes that the files of a directory take at most, if its maker does not say. */
const LIMIT = 256 * 2 ** 20;

/** The longest path. */
const PATH_MAX = 4096;

const trees = () => classAddon().trees;

/** A symbolic link in a tree. */
class Link {
  /** @param {string} target */
  constructor(target) {
    /** @readonly */
    this.target = target;
    Object.freeze(this);
    links.add(this);
  }
}

/** All links, of whatever prototype they are. @type {WeakSet<object>} */
const links = new WeakSet();

/** @param {any} value @returns {value is Link} */
const isLink = (value) => links.has(value);

/** A directory in memory. */
class MemoryDirectory {
  /** @param {symbol} key */
  constructor(key) {
    if (key !== KEY)
      throw errorOf(TypeError, 'ERR_ILLEGAL_CONSTRUCTOR', 'Illegal constructor: call memory()');
  }

  /** Bytes that its files, names and directories take. */
  get used() {
    return trees().usage(self(this))[0];
  }

  /** Bytes that they may take. */
  get limit() {
    return trees().usage(self(this))[1];
  }

  /**
   * The bytes of a file.
   *
   * @param {string} path
   * @param {BufferEncoding | { encoding?: BufferEncoding | null }} [options]
   */
  readFile(path, options) {
    const bytes = trees().readFile(self(this), pathOf(path));
    const encoding = encodingOf(options);
    const content = answered(bytes, 'open', path);
    return encoding ? content.toString(encoding) : content;
  }

  /**
   * Gives a file these bytes. It is made if it is not there, with the directories it is in.
   *
   * @param {string} path
   * @param {string | ArrayBufferView | ArrayBuffer} data
   */
  writeFile(path, data) {
    const bytes = bytesOf(data, 'data');
    answered(trees().writeFile(self(this), pathOf(path), bytes), 'write', path);
  }

  /**
   * Removes a file, or a directory with all that is in it.
   *
   * @param {string} path
   */
  rm(path) {
    answered(trees().remove(self(this), pathOf(path)), 'rm', path);
  }

  /** All that is there, as memory() takes it. @returns {Entries} */
  tree() {
    return entriesOf(answered(trees().items(self(this)), 'tree', ''));
  }

  /** The files that were not there at the start, or are different now. @returns {Entries} */
  changed() {
    return entriesOf(answered(trees().changed(self(this)), 'changed', ''));
  }

  /** The paths of the start that are not there any more; of directories with a slash. @returns {string[]} */
  removed() {
    return trees().removed(self(this));
  }

  /**
   * Writes all that is there into a directory of the host, which is made, or is there and empty.
   *
   * @param {string | URL} path
   */
  copyTo(path) {
    const items = answered(trees().items(self(this)), 'copyTo', '');
    writeItems(items, hostPath(path));
  }

  /** An archive of `tar` of all that is there, not compressed: the same for the same files. */
  toTar() {
    return engineAddon().engine.writeTar(answered(trees().items(self(this)), 'toTar', ''));
  }

  /**
   * A token with which memory.shared() finds the directory, from any thread of the process.
   *
   * @returns {string}
   */
  share() {
    return trees().share(self(this));
  }

  [Symbol.for('nodejs.util.inspect.custom')]() {
    if (!isMemoryDirectory(this)) return 'MemoryDirectory {}'; // an object that inherits from one
    const [used, limit] = trees().usage(self(this));
    return `MemoryDirectory { used: ${used}, limit: ${limit} }`;
  }
}
Object.defineProperty(MemoryDirectory.prototype, Symbol.toStringTag, {
  value: 'MemoryDirectory',
  configurable: true,
});

const KEY = Symbol('memory()');

/** The objects that have a tree. @type {WeakSet<object>} */
const made = new WeakSet();

/** @param {unknown} object @returns {object is MemoryDirectory} */
const isMemoryDirectory = (object) => made.has(/** @type {object} */ (object));

/** @param {MemoryDirectory} object */
function self(object) {
  if (!isMemoryDirectory(object)) throw invalidThis('MemoryDirectory');
  return object;
}

/**
 * A directory in memory.
 *
 * @param {Entries} [entries]
 * @param {{ limit?: number }} [options]
 * @returns {MemoryDirectory}
 */
function memory(entries = {}, options = {}) {
  if (!isPlain(entries)) throw invalidArgType('entries', 'of type object', entries);
  return memoryOf((add) => addEntries(entries, add), options);
}

/**
 * A directory in memory, filled by a function.
 *
 * @param {(add: (path: string, what: Uint8Array | string | undefined, name?: string) => void,
 *   limit: number) => void} fill `name` is that of the entry, for errors
 * @param {any} options
 */
function memoryOf(fill, options) {
  const limit = readOptions(options);
  const directory = new MemoryDirectory(KEY);
  answered(trees().make(directory, limit), 'make', '');
  made.add(directory);
  fill((path, what, name) => {
    const code = trees().put(directory, path, what);
    if (code === 'ENOSPC') throw tooMuch(name ?? `'${path}'`, limit);
    if (code === 'EEXIST' || code === 'ENOTDIR')
      throw invalidArgValue(name ?? 'path', path, 'is the path of an entry before it');
    answered(code, 'open', path);
  }, limit);
  answered(trees().markStart(directory), 'read', '');
  return directory;
}

/** @param {string} name @param {number} limit */
const tooMuch = (name, limit) =>
  outOfRange('options.limit', `enough for all entries (${name} is one too many)`, limit);

/**
 * A directory in memory with a copy of what is in one of the host.
 *
 * @param {string | URL} path
 * @param {{ limit?: number }} [options]
 * @returns {MemoryDirectory}
 */
memory.from = function from(path, options = {}) {
  const root = hostPath(path);
  return memoryOf((add, limit) => readItems(root, add, limit), options);
};

/**
 * A directory in memory with the files of an archive of `tar`, which is not compressed.
 *
 * @param {ArrayBufferView | ArrayBuffer} archive
 * @param {{ limit?: number }} [options]
 * @returns {MemoryDirectory}
 */
memory.fromTar = function fromTar(archive, options = {}) {
  if (!isData(archive)) {
    const expected = 'an instance of ArrayBuffer, Buffer, TypedArray or DataView';
    throw invalidArgType('archive', expected, archive);
  }
  const bytes = bytesOf(archive, 'data');
  return memoryOf((add, limit) => {
    for (const [path, what] of readTar(bytes, limit)) {
      nameOf(path, 'archive');
      add(path, what);
    }
  }, options);
};

/**
 * The paths of an archive, with what they stand for.
 *
 * @param {Uint8Array} bytes
 * @param {number} limit
 * @returns {[path: string, what: Buffer | string | undefined][]}
 */
function readTar(bytes, limit) {
  try {
    return engineAddon().engine.readTar(bytes, limit);
  } catch (error) {
    const why = /** @type {Error} */ (error).message;
    const gzipped = bytes[0] === 0x1f && bytes[1] === 0x8b;
    const mend = gzipped ? ' (it is compressed: gunzipSync() of node:zlib gives the archive)' : '';
    throw errorOf(TypeError, 'ERR_INVALID_ARG_VALUE', `the archive can't be read: ${why}${mend}`);
  }
}

/**
 * The path of a directory of the host.
 *
 * @param {unknown} path
 * @param {string} [name]
 */
function hostPath(path, name = 'path') {
  const known = classAddon().filePath(path, name) ?? path;
  if (typeof known !== 'string')
    throw invalidArgType(name, 'of type string or an instance of URL', path);
  if (known.includes('\0')) throw invalidArgValue(name, known, 'must be without null bytes');
  return nodePath().resolve(known);
}

const nodePath = () => require('node:path');

/**
 * Reads a directory of the host: its files, directories and links, and no other kinds.
 *
 * @param {string} root
 * @param {(path: string, what: Uint8Array | string | undefined) => void} add
 * @param {number} limit
 */
function readItems(root, add, limit) {
  const fs = require('node:fs');
  const left = [''];
  for (const prefix of left) {
    for (const entry of fs.readdirSync(nodePath().join(root, prefix), { withFileTypes: true })) {
      const path = prefix === '' ? entry.name : `${prefix}/${entry.name}`;
      const host = nodePath().join(root, path);
      if (entry.name.includes('\ufffd') && !fs.lstatSync(host, { throwIfNoEntry: false }))
        throw invalidArgValue(
          'path',
          host,
          'has a name that is no UTF-8, which a guest could not open',
        );
      if (entry.isDirectory()) {
        add(path, undefined);
        left.push(path);
      } else if (entry.isSymbolicLink()) {
        add(path, fs.readlinkSync(host));
      } else if (entry.isFile()) {
        // Before its bytes are read: it may be larger than the memory of this process.
        const { size } = fs.lstatSync(host);
        if (size > limit) throw tooMuch(`'${path}'`, limit);
        add(path, fs.readFileSync(host));
      } else {
        throw invalidArgValue('path', host, 'is no file, directory or symbolic link');
      }
    }
  }
}

/**
 * Writes paths with what they stand for into a directory of the host. Nothing is written if a link leads out
 * of it: who reads what a program has written would follow it.
 *
 * @param {[path: string, what: Buffer | string | undefined][]} items
 * @param {string} root
 */
function writeItems(items, root) {
  const fs = require('node:fs');
  const links = new Map(
    items.flatMap(([path, what]) => (typeof what === 'string' ? [[path, what]] : [])),
  );
  for (const [path, what] of links) {
    if (leadsOut(path, links)) {
      const reason = `leads out of the directory, to '${what}': remove it with rm(), or read files one by one`;
      throw invalidArgValue('link', path, reason);
    }
  }
  fs.mkdirSync(root, { recursive: true });
  if (fs.readdirSync(root).length > 0) throw systemError('ENOTEMPTY', 'copyTo', root);
  for (const [path, what] of items) {
    const host = nodePath().join(root, path);
    if (what === undefined) fs.mkdirSync(host);
    else if (typeof what !== 'string') fs.writeFileSync(host, what, { flag: 'wx' });
  }
  // The links come last, so that no file is written through one.
  for (const [path, what] of items)
    if (typeof what === 'string') fs.symlinkSync(what, nodePath().join(root, path));
}

/**
 * True if a link leads out, by itself or through others that it leads over.
 *
 * @param {string} path
 * @param {Map<string, string>} links the targets of all links by their paths
 */
function leadsOut(path, links) {
  /** The directories from the root to where it has led. @type {string[]} */
  const way = path.split('/').slice(0, -1);
  /** Names that are still to be followed, the next one last. @type {string[]} */
  const left = [];
  let followed = 0;
  /** @param {string} target */
  const follow = (target) => {
    followed += 1;
    left.push(...target.split(/[/\\]/).reverse());
    return nodePath().isAbsolute(target);
  };
  if (follow(links.get(path) ?? '')) return true;
  for (let name = left.pop(); name !== undefined; name = left.pop()) {
    if (name === '' || name === '.') continue;
    if (name === '..') {
      if (way.pop() === undefined) return true;
      continue;
    }
    const target = links.get([...way, name].join('/'));
    if (followed > MAX_LINKS || way.length > PATH_MAX / 2) return false;
    if (target === undefined) way.push(name);
    else if (follow(target)) return true;
  }
  return false;
}

/** Links that a path may lead through, as on Linux: with more it leads nowhere. */
const MAX_LINKS = 40;

/** @param {any} options */
function readOptions(options) {
  if (!isObject(options)) throw invalidArgType('options', 'of type object', options);
  refuseUnknown(options, 'options', ['limit']);
  const { limit = LIMIT } = options;
  if (typeof limit !== 'number') throw invalidArgType('options.limit', 'of type number', limit);
  if (!Number.isInteger(limit)) throw outOfRange('options.limit', 'an integer', limit);
  if (limit < 0 || limit > Number.MAX_SAFE_INTEGER)
    throw outOfRange('options.limit', `>= 0 && <= ${Number.MAX_SAFE_INTEGER}`, limit);
  return limit;
}

/**
 * Adds entries, those of a directory behind it.
 *
 * @param {Entries} entries
 * @param {(path: string, what: Uint8Array | string | undefined, name: string) => void} add
 */
function addEntries(entries, add) {
  // An object in itself would be endless, were it not for the length of its path.
  const left = [{ prefix: '', name: 'entries', entries }];
  const directories = new Set();
  for (const next of left) {
    for (const [key, value] of Object.entries(next.entries)) {
      if (value === undefined) continue;
      const name = `${next.name}['${key}']`;
      const path = `${next.prefix}${nameOf(key, name)}`;
      if (Buffer.byteLength(path) >= PATH_MAX) {
        const reason = `is nested too deeply: its path has more than ${PATH_MAX - 1} bytes`;
        throw invalidArgValue('entries', entries, reason);
      }
      const isDirectory = isPlain(value);
      if (key.endsWith('/') && !isDirectory)
        throw invalidArgType(name, 'of type object, as its name ends in a slash', value);
      if (!isDirectory) {
        add(path, isLink(value) ? value.target : bytesOf(value, name), name);
        continue;
      }
      if (directories.has(path))
        throw invalidArgValue(name, path, 'is the path of an entry before it');
      directories.add(path);
      add(path, undefined, name);
      left.push({ prefix: `${path}/`, name, entries: /** @type {Entries} */ (value) });
    }
  }
}

/**
 * The path that a name of an entry stands for, without a slash at its end.
 *
 * @param {string} key
 * @param {string} name
 */
function nameOf(key, name) {
  const path = key.replace(/\/$/, '');
  const names = path.split('/');
  if (names.includes(''))
    throw invalidArgValue(
      name,
      key,
      path === '' ? 'must have a name' : 'has an empty name in its path',
    );
  if (names.some((one) => one === '.' || one === '..'))
    throw invalidArgValue(name, key, "must not have '.' or '..' in its path");
  checkText(key, name);
  const long = names.find((one) => Buffer.byteLength(one) > 255);
  if (long !== undefined) throw invalidArgValue(name, key, 'has a name of more than 255 bytes');
  return path;
}

/** @param {string} text @param {string} name */
function checkText(text, name) {
  if (text.includes('\0')) throw invalidArgValue(name, text, 'must be without null bytes');
  if (/\p{Surrogate}/u.test(text))
    throw invalidArgValue(name, text, 'must be without lone surrogates');
}

/** @param {unknown} path */
function pathOf(path) {
  if (typeof path !== 'string') throw invalidArgType('path', 'of type string', path);
  checkText(path, 'path');
  return path;
}

/** @param {any} options @returns {BufferEncoding | undefined} */
function encodingOf(options) {
  const encoding = isObject(options) ? options.encoding : options;
  if (encoding === undefined || encoding === null || encoding === 'buffer') return undefined;
  if (typeof encoding !== 'string' || !Buffer.isEncoding(encoding))
    throw invalidArgValue('encoding', encoding, 'is no encoding');
  return encoding;
}

/** @param {unknown} value @returns {value is Record<string, any>} */
const isObject = (value) =>
  value !== null &&
  typeof value === 'object' &&
  !Array.isArray(value) &&
  !require('node:util').types.isMap(value);

/**
 * True for an object of no class, of whatever realm: a promise or a Date is no directory.
 *
 * @param {unknown} value
 * @returns {value is Record<string, any>}
 */
function isPlain(value) {
  if (!isObject(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** @param {unknown} value */
const isData = (value) =>
  ArrayBuffer.isView(value) || require('node:util').types.isAnyArrayBuffer(value);

/**
 * Bytes of a file: of a text in UTF-8.
 *
 * @param {any} data
 * @param {string} name
 * @returns {Uint8Array}
 */
function bytesOf(data, name) {
  if (typeof data === 'string') return Buffer.from(data);
  if (ArrayBuffer.isView(data))
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (isData(data)) return new Uint8Array(/** @type {ArrayBuffer} */ (data));
  const expected = 'of type string or an instance of ArrayBuffer, Buffer, TypedArray or DataView';
  throw invalidArgType(
    name,
    name === 'data' ? expected : `${expected}, or an object with entries`,
    data,
  );
}

/**
 * The answer of a tree; its error is thrown as `node:fs` would.
 *
 * @param {any} answer
 * @param {string} syscall
 * @param {string} path
 */
function answered(answer, syscall, path) {
  if (typeof answer !== 'string') return answer;
  throw systemError(answer, syscall, path);
}

/** @param {string} code @param {string} syscall @param {string} path */
function systemError(code, syscall, path) {
  const known = [...require('node:util').getSystemErrorMap()].find(([, [name]]) => name === code);
  const [errno, [, text]] = known ?? [undefined, [code, 'the path leads out of the directory']];
  const error = errorOf(Error, code, `${code}: ${text}, ${syscall} '${path}'`);
  return Object.assign(error, { errno, syscall, path });
}

/**
 * Paths with what they stand for, as nested objects.
 *
 * @param {[path: string, what: Buffer | string | undefined][]} items
 * @returns {Entries}
 */
function entriesOf(items) {
  /** @type {Entries} */
  const root = {};
  const directories = new Map([['', root]]);
  for (const [path, what] of items) {
    const cut = path.lastIndexOf('/');
    const parent = directoryOf(directories, path.slice(0, Math.max(cut, 0)));
    const name = path.slice(cut + 1);
    if (what === undefined) directoryOf(directories, path);
    else put(parent, name, typeof what === 'string' ? new Link(what) : what);
  }
  return root;
}

/**
 * @param {Map<string, Entries>} directories
 * @param {string} path
 * @returns {Entries}
 */
function directoryOf(directories, path) {
  const known = directories.get(path);
  if (known !== undefined) return known;
  const cut = path.lastIndexOf('/');
  const parent = directoryOf(directories, path.slice(0, Math.max(cut, 0)));
  const made = {};
  put(parent, `${path.slice(cut + 1)}/`, made);
  directories.set(path, made);
  return made;
}

/**
 * Sets a property of any name, `__proto__` too.
 *
 * @param {object} object
 * @param {string} name
 * @param {any} value
 */
function put(object, name, value) {
  Object.defineProperty(object, name, {
    value,
    configurable: true,
    enumerable: true,
    writable: true,
  });
}

/**
 * A directory in memory above one of the host.
 *
 * @param {{ lower: string | URL, upper?: MemoryDirectory }} options
 * @returns {MemoryDirectory}
 */
function overlay(options) {
  if (!isObject(options)) throw invalidArgType('options', 'of type object', options);
  refuseUnknown(options, 'options', ['lower', 'upper']);
  const { lower, upper = memory() } = options;
  const path = hostPath(lower, 'options.lower');
  if (!isMemoryDirectory(upper))
    throw invalidArgType('options.upper', 'an instance of MemoryDirectory', upper);
  const directory = new MemoryDirectory(KEY);
  const code = trees().overlay(directory, path, upper);
  if (code === 'EBUSY') {
    const message = 'options.upper is in use: a guest, another thread or an overlay has it';
    throw errorOf(Error, 'ERR_INVALID_STATE', message);
  }
  answered(code, 'open', path);
  made.add(directory);
  return directory;
}

/**
 * A symbolic link, as an entry.
 *
 * @param {string} target
 */
memory.link = function link(target) {
  if (typeof target !== 'string') throw invalidArgType('target', 'of type string', target);
  if (target === '') throw invalidArgValue('target', target, 'must not be empty');
  checkText(target, 'target');
  if (Buffer.byteLength(target) >= PATH_MAX)
    throw invalidArgValue('target', target, `must have less than ${PATH_MAX} bytes`);
  return new Link(target);
};

/**
 * The directory that this token was made for, in any thread of the process.
 *
 * @param {string} token
 * @returns {MemoryDirectory}
 */
memory.shared = function shared(token) {
  if (typeof token !== 'string') throw invalidArgType('token', 'of type string', token);
  const directory = new MemoryDirectory(KEY);
  if (!trees().adopt(directory, token)) {
    const reason = 'is no token of a directory that is still there';
    throw invalidArgValue('token', token, reason);
  }
  made.add(directory);
  return directory;
};

module.exports = { Link, MemoryDirectory, isMemoryDirectory, memory, overlay };
