'use strict';

// The imports, exports and traps of a guest in V8, in a worker or on the main thread.

/** @typedef {WebAssembly.Exports & { memory: WebAssembly.Memory }} Exports */

/** The number of functions of a guest that the message of a trap names. */
Error.stackTraceLimit = 50;

/** A memory for a program without one. */
const noMemory = () => new WebAssembly.Memory({ initial: 0, maximum: 0 });

/** The largest maximum of a memory with addresses of 64 bits that V8 accepts, in pages. */
const MAX_WIDE_PAGES = 2 ** 18;

/**
 * The imports of a program: its system calls, and memories that are made for it.
 *
 * @param {string} namespace
 * @param {Record<string, Function>} syscalls
 * @param {readonly import('../types.js').ImportedMemory[]} memories
 * @returns {WebAssembly.Imports}
 */
function importsOf(namespace, syscalls, memories) {
  // Without a prototype: a module may have any name, also that of a property of objects.
  /** @type {Record<string, WebAssembly.ModuleImports>} */
  const imports = Object.create(null);
  imports[namespace] = Object.assign(Object.create(null), syscalls);
  for (const { module, name, type, isWide } of memories) {
    imports[module] ??= Object.create(null);
    imports[module][name] = isWide ? wideMemory(type) : new WebAssembly.Memory(type);
  }
  return imports;
}

/**
 * A memory with addresses of 64 bits.
 *
 * @param {WebAssembly.MemoryDescriptor} type
 * @returns {WebAssembly.Memory}
 */
function wideMemory({ initial, maximum, shared }) {
  const most = maximum === undefined ? undefined : Math.min(maximum, MAX_WIDE_PAGES);
  const big = { initial: BigInt(initial), ...(most !== undefined && { maximum: BigInt(most) }) };
  const plain = { initial, ...(most !== undefined && { maximum: most }) };
  try {
    return new WebAssembly.Memory(/** @type {any} */ ({ address: 'i64', ...big, shared }));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    // Node 22 has an older draft of the standard.
    return new WebAssembly.Memory(/** @type {any} */ ({ index: 'i64', ...plain, shared }));
  }
}

/**
 * The exports of an instance, with an empty memory if it has none (a program that only exits). The start
 * function is called before `_start`, when the memory has been bound.
 *
 * @param {WebAssembly.Instance} instance
 * @param {string} [start] the name under which the start function is exported
 * @returns {Exports}
 */
function exportsOf({ exports }, start) {
  const { memory } = exports;
  const all = { ...exports, memory: memory instanceof WebAssembly.Memory ? memory : noMemory() };
  if (start === undefined) return all;
  const [begin, main] = /** @type {(() => void)[]} */ ([exports[start], exports._start]);
  const both = () => {
    begin();
    main();
  };
  return { ...all, _start: both };
}

/**
 * V8's messages of traps, and those of this package (`crates/runner/src/traps.rs`).
 *
 * @type {readonly (readonly [RegExp, string])[]}
 */
const TRAPS = [
  [/^unreachable$/, 'unreachable'],
  [/^memory access out of bounds$|: data segment /, 'out of bounds memory access'],
  [
    /^table (index|access|element).* out of bounds$|^element segment out of bounds$|: (table|element) .*out of bounds/,
    'out of bounds table access',
  ],
  [/^dereferencing a null pointer$/, 'null reference'],
  [/^(?:null function or )?function signature mismatch$/, 'null function or signature mismatch'],
  [/^(divide|remainder) by zero$/, 'integer divide by zero'],
  [
    /^(divide result unrepresentable|float unrepresentable in integer range)$/,
    'integer overflow or invalid conversion to integer',
  ],
  [/call stack/, 'call stack exhausted'],
  [/^operation does not support unaligned accesses$/, 'unaligned atomic'],
  [/^Atomics.wait cannot be called in this context$/, 'atomic wait on non-shared memory'],
];

/**
 * The message of a trap, with the functions of the guest that it happened in.
 *
 * @param {unknown} error
 * @returns {string | undefined} nothing if it is no trap
 */
function trapMessage(error) {
  if (isException(error)) return 'wasm trap: an exception that the program does not catch';
  if (!(error instanceof WebAssembly.RuntimeError) && !isStackOverflow(error)) return undefined;
  const { message, stack = '' } = error;
  const [, words = message] = TRAPS.find(([theirs]) => theirs.test(message)) ?? [];
  const functions = framesOf(stack).map((line) => shown(line.replace(/wasm:\/\/[^:]*:/, '')));
  return [`wasm trap: ${words}`, ...functions].join('\n');
}

/** The most functions of the guest, and characters, of the stack of a trap; as many in wasmtime. */
const MOST = { frames: 64, characters: 16 * 1024 };

/**
 * V8's stack of a trap, without the functions of this package, and within bounds.
 *
 * @param {import('../types.js').Exception} exception
 */
function stackOfTrap({ name, message, stack = '' }) {
  let text = `${name}: ${message}`;
  for (const line of framesOf(stack).slice(0, MOST.frames)) {
    const next = `${text}\n${shown(line)}`;
    if (next.length > MOST.characters) break;
    text = next;
  }
  return text;
}

/** The lines of a stack that are functions of the guest. @param {string} stack */
const framesOf = (stack) => stack.split('\n').filter((line) => line.includes('wasm://'));

/**
 * A line with names of a program, which may be of any length, without characters that a terminal would obey.
 *
 * @param {string} line
 */
function shown(line) {
  const short = line.length > 400 ? `${line.slice(0, 400)}...` : line;
  return short.replace(/\p{Cc}/gu, (one) => `\\u{${one.charCodeAt(0).toString(16)}}`);
}

/** @param {unknown} error */
function isException(error) {
  const { Exception } = /** @type {any} */ (WebAssembly);
  return Exception !== undefined && error instanceof Exception;
}

/** @param {unknown} error @returns {error is RangeError} */
function isStackOverflow(error) {
  return error instanceof RangeError && error.message.includes('call stack');
}

module.exports = { exportsOf, importsOf, stackOfTrap, trapMessage };
