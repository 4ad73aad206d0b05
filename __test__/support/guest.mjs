// A guest whose system calls a test makes itself, through WebAssembly.

import { WASI } from '../../index.js';
import { wat } from './wat.mjs';

/** The standard's 46 functions: the WebAssembly type of each parameter, `i` for i32 and `I` for i64. */
export const SYSCALLS = {
  args_get: 'ii',
  args_sizes_get: 'ii',
  environ_get: 'ii',
  environ_sizes_get: 'ii',
  clock_res_get: 'ii',
  clock_time_get: 'iIi',
  fd_advise: 'iIIi',
  fd_allocate: 'iII',
  fd_close: 'i',
  fd_datasync: 'i',
  fd_fdstat_get: 'ii',
  fd_fdstat_set_flags: 'ii',
  fd_fdstat_set_rights: 'iII',
  fd_filestat_get: 'ii',
  fd_filestat_set_size: 'iI',
  fd_filestat_set_times: 'iIIi',
  fd_pread: 'iiiIi',
  fd_prestat_get: 'ii',
  fd_prestat_dir_name: 'iii',
  fd_pwrite: 'iiiIi',
  fd_read: 'iiii',
  fd_readdir: 'iiiIi',
  fd_renumber: 'ii',
  fd_seek: 'iIii',
  fd_sync: 'i',
  fd_tell: 'ii',
  fd_write: 'iiii',
  path_create_directory: 'iii',
  path_filestat_get: 'iiiii',
  path_filestat_set_times: 'iiiiIIi',
  path_link: 'iiiiiii',
  path_open: 'iiiiiIIii',
  path_readlink: 'iiiiii',
  path_remove_directory: 'iii',
  path_rename: 'iiiiii',
  path_symlink: 'iiiii',
  path_unlink_file: 'iii',
  poll_oneoff: 'iiii',
  proc_exit: 'i',
  proc_raise: 'i',
  random_get: 'ii',
  sched_yield: '',
  sock_accept: 'iii',
  sock_recv: 'iiiiii',
  sock_send: 'iiiii',
  sock_shutdown: 'ii',
};

/** Error numbers of the standard. */
export const ERRNO = {
  SUCCESS: 0,
  BADF: 8,
  EXIST: 20,
  FAULT: 21,
  INVAL: 28,
  LOOP: 32,
  NOENT: 44,
  NOTDIR: 54,
  NOTSUP: 58,
  NXIO: 60,
  NOTCAPABLE: 76,
};

export const O = { CREAT: 1, DIRECTORY: 2, EXCL: 4, TRUNC: 8 };
export const FOLLOW = 1;
export const RIGHT = { FD_READ: 1n << 1n, FD_WRITE: 1n << 6n, ALL: (1n << 28n) - 1n };

/** @type {Map<string, WebAssembly.Module>} */
const modules = new Map();

/**
 * A module that imports every system call and exports each under its name; also `grow`, and its memory.
 *
 * @param {string} memory what stands in the text: its limits, or an import
 * @param {string} start what `_start` does; without it there is none
 */
function guestModule(memory, start, namespace) {
  const key = [memory, start, namespace].join();
  let module = modules.get(key);
  if (!module) {
    const imports = [];
    const wrappers = [];
    for (const [name, letters] of Object.entries(SYSCALLS)) {
      const params = [...letters].map((letter) => (letter === 'I' ? 'i64' : 'i32')).join(' ');
      const type = `(param ${params}) ${name === 'proc_exit' ? '' : '(result i32)'}`;
      const args = [...letters].map((_, index) => `(local.get ${index})`).join(' ');
      imports.push(`(import "${namespace}" "${name}" (func $${name} ${type}))`);
      wrappers.push(`(func (export "${name}") ${type} (call $${name} ${args}))`);
    }
    module = wat(`(module
      ${imports.join('\n')}
      ${memory.startsWith('(') ? memory : `(memory ${memory})`}
      (export "memory" (memory 0))
      ${wrappers.join('\n')}
      (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
      ${start === undefined ? '' : `(func (export "_start") ${start})`})`);
    modules.set(key, module);
  }
  return module;
}

/** A WASI object with an instance whose system calls can be made one by one. */
export class Guest {
  /**
   * @param {object} [options] of the class
   * @param {object} [how]
   * @param {string} [how.memory] limits of the memory, or an import of one in WebAssembly text
   * @param {string} [how.start] the code of `_start`; without it the instance is a reactor
   * @param {object} [how.imports] further imports, also in place of system calls
   * @param {boolean} [how.bind] whether to start or initialize at once
   * @param {typeof WASI} [how.Class]
   */
  constructor(options = {}, { memory = '1', start, imports = {}, bind = true, Class = WASI } = {}) {
    this.wasi = new Class({ version: 'preview1', ...options });
    const given = this.wasi.getImportObject();
    const [namespace] = Object.keys(given);
    this.instance = new WebAssembly.Instance(guestModule(memory, start, namespace), {
      ...imports,
      [namespace]: { ...given[namespace], ...imports[namespace] },
    });
    this.exports = this.instance.exports;
    this.memory = this.exports.memory;
    if (bind) this.result = this.wasi[start === undefined ? 'initialize' : 'start'](this.instance);
  }

  /** Makes a system call through WebAssembly; numbers become BigInts where it takes an i64. */
  call(name, ...args) {
    const letters = SYSCALLS[name];
    if (args.length !== letters.length) throw new Error(`${name} takes ${letters.length}`);
    return this.exports[name](
      ...args.map((arg, index) => (letters[index] === 'I' ? BigInt(arg) : Number(arg))),
    );
  }

  /** The bytes from `offset` on, as they are in the memory: writing to them writes there. */
  bytes(offset, length) {
    return Buffer.from(this.memory.buffer, offset, length);
  }

  text(offset, length) {
    return this.bytes(offset, length).toString();
  }

  u32(offset) {
    return this.bytes(offset, 4).readUInt32LE();
  }

  u64(offset) {
    return this.bytes(offset, 8).readBigUInt64LE();
  }

  /** Puts bytes into the memory; answers the two parameters that name them. */
  put(offset, content) {
    const bytes = Buffer.from(content);
    this.bytes(offset, bytes.length).set(bytes);
    return [offset, bytes.length];
  }

  /** Puts an array of iovecs, each `[address, length]`, at `offset`; answers the two parameters that name it. */
  iovecs(offset, ...pairs) {
    const view = this.bytes(offset, 8 * pairs.length);
    pairs.flat().forEach((number, index) => view.writeUInt32LE(number >>> 0, 4 * index));
    return [offset, pairs.length];
  }

  /** `path_open`: a descriptor, or an error number below 0. The path lies at 32768. */
  open(dir, path, { follow = FOLLOW, oflags = 0, rights = RIGHT.ALL, fdflags = 0 } = {}) {
    const where = this.put(32768, path);
    const errno = this.call(
      'path_open',
      ...[dir, follow, ...where, oflags, rights, RIGHT.ALL, fdflags, 32764],
    );
    return errno === 0 ? this.u32(32764) : -errno;
  }

  /** What can be read of a descriptor at once, at most `length` bytes; they come to 16384. */
  read(fd, length = 4096) {
    const errno = this.call('fd_read', fd, ...this.iovecs(16368, [16384, length]), 16376);
    if (errno !== 0) throw new Error(`fd_read: ${errno}`);
    return this.text(16384, this.u32(16376));
  }

  /** Writes a text; its bytes lie at 16384. Answers the error number. */
  write(fd, text) {
    const where = this.put(16384, text);
    return this.call('fd_write', fd, ...this.iovecs(16368, where), 16376);
  }

  /** What `args_get` or `environ_get` hands over. */
  strings(sizes, get) {
    if (this.call(sizes, 0, 4) !== 0) throw new Error(sizes);
    const [count, length] = [this.u32(0), this.u32(4)];
    if (this.call(get, 8, 8 + 4 * count) !== 0) throw new Error(get);
    const end = 8 + 4 * count + length;
    return Array.from({ length: count }, (_, index) => {
      const at = this.u32(8 + 4 * index);
      return this.text(at, this.bytes(at, end - at).indexOf(0));
    });
  }

  get args() {
    return this.strings('args_sizes_get', 'args_get');
  }

  get env() {
    return this.strings('environ_sizes_get', 'environ_get');
  }
}
