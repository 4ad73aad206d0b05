import { SIDES, wasiOf } from './providers.mjs';

/**
 * The same guest under both providers, started.
 *
 * @param {Uint8Array} wasm
 * @param {object} options of the class
 */
export function underBoth(wasm, options) {
  return Object.fromEntries(
    SIDES.map((side) => [side, start(compileFor(side, wasm), wasiOf(side), options)]),
  );
}

/** @returns {{ wasi: any, exports: any }} */
export function start(module, WASI, options) {
  const wasi = new WASI({ version: 'preview1', ...options });
  const instance = new WebAssembly.Instance(module, wasi.getImportObject());
  wasi.start(instance);
  return { wasi, exports: instance.exports };
}

/**
 * Compiles a module for one side. Equal modules share machine code in V8, and the statistics of calls that it
 * is made from. A program has one provider, so each side gets a module of its own, by a custom section.
 *
 * @param {'ours' | 'theirs'} side
 * @param {Uint8Array} wasm
 */
export function compileFor(side, wasm) {
  const name = Buffer.from(side);
  const mark = [0, name.length + 1, name.length, ...name];
  return new WebAssembly.Module(Buffer.concat([wasm, Buffer.from(mark)]));
}

/** The guest's memory as a view. */
export function memory({ exports }) {
  return new DataView(exports.memory.buffer);
}

export function putText(guest, address, text) {
  return Buffer.from(guest.exports.memory.buffer).write(text, address);
}

/** Writes an iovec at `address`: `length` bytes from `base`. */
export function putIovec(guest, address, base, length) {
  memory(guest).setUint32(address, base, true);
  memory(guest).setUint32(address + 4, length, true);
}

const PATH = 60_000;

/** Opens a file of the first preopen for reading; its descriptor is left at `slot`. */
export function openFile(guest, name, slot) {
  const length = putText(guest, PATH, name);
  const rights = (1n << 1n) | (1n << 2n); // fd_read, and fd_seek, which node:wasi wants for fd_pread
  const errno = guest.wasi.wasiImport.path_open(3, 0, PATH, length, 0, rights, 0n, 0, slot);
  if (errno !== 0) throw new Error(`path_open of ${name}: errno ${errno}`);
}

/**
 * Functions for compareCalls that throw unless each call ends in `errno`.
 *
 * @param {string} name of the exported function
 */
export function checked(guests, name, errno = 0) {
  const check = (side) => (n) => {
    const sum = guests[side].exports[name](n);
    if (sum !== errno * n) throw new Error(`${name}: ${side} returns errno ${sum / n} on average`);
  };
  return { ours: check('ours'), theirs: check('theirs') };
}
