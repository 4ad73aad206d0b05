'use strict';

const { SECTION, name, sized, unsigned, vector } = require('./binary.js');

// The meter stands between a guest and its syscalls: a WebAssembly module with a function for each import of the guest,
// which counts the call and goes on to the syscall itself. That costs a call from WebAssembly to WebAssembly, 3 ns or so;
// a wrapper in JavaScript would cost more than a syscall that only reads the clock. The numbers are in a memory shared
// with the thread that waits for the guest, which so can tell them of a guest it had to end.

/** Where in the memory, in 8-byte steps, a number stands. Times are integers, the others floats. */
const SLOT = Object.freeze({
  calls: 0,
  read: 1,
  written: 2,
  memory: 3,
  cpuStart: 4,
  cpuEnd: 5,
  wallStart: 6,
  wallEnd: 7,
  thread: 8,
});

/** The syscalls that move bytes: in which direction, and which parameter is the address of how many. */
const TRANSFERS = new Map(
  Object.entries({
    fd_read: { slot: SLOT.read, result: 3 },
    fd_pread: { slot: SLOT.read, result: 4 },
    sock_recv: { slot: SLOT.read, result: 4 },
    fd_write: { slot: SLOT.written, result: 3 },
    fd_pwrite: { slot: SLOT.written, result: 4 },
    sock_send: { slot: SLOT.written, result: 4 },
  }),
);

const I32 = 0x7f;
const I64 = 0x7e;

/** The opcodes used here. */
const OP = {
  if: [0x04, 0x40],
  end: 0x0b,
  call: 0x10,
  localGet: 0x20,
  localTee: 0x22,
  f64Load: (/** @type {number} */ slot) => [0x2b, 3, ...unsigned(slot * 8)],
  f64Store: (/** @type {number} */ slot) => [0x39, 3, ...unsigned(slot * 8)],
  i32Const0: [0x41, 0],
  i32Const: (/** @type {number} */ value) => [0x41, value],
  f64Const1: [0x44, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f],
  i32Eqz: 0x45,
  f64Add: 0xa0,
};

/**
 * The import of a guest, if its type is one a syscall may have. What has another can't be linked anyway.
 *
 * @param {import('./module.js').Import} one
 */
const isPlain = ({ type }) =>
  type !== undefined &&
  type.results.length <= 1 &&
  [...type.params, ...type.results].every((code) => code === I32 || code === I64);

/**
 * The meter of a guest with these imports. It imports `m.m`, the shared memory; `m.t`, a function that gets a slot and
 * the address of a number in the guest's memory, to be added there; and the syscalls as `s.<name>`. It exports them again.
 *
 * @param {import('./module.js').Import[]} imports those of the guest that are syscalls
 * @returns {Uint8Array}
 */
function meterModule(imports) {
  // A program may import a function twice, which one export answers.
  const functions = [...new Map(imports.filter(isPlain).map((one) => [one.name, one])).values()];
  const transferType = [0x60, ...vector([[I32], [I32]]), 0];
  const types = functions.map(({ type }) => {
    const { params = [], results = [] } = type ?? {};
    return [0x60, ...sized(params), ...sized(results)];
  });
  const imported = [
    [...name('m'), ...name('m'), 2, 3, 1, 1], // a shared memory of one page
    [...name('m'), ...name('t'), 0, 0],
    ...functions.map((one, index) => [...name('s'), ...name(one.name), 0, ...unsigned(index + 1)]),
  ];
  const first = functions.length + 1; // the number of the first function that is no import
  const exported = functions.map((one, index) => [
    ...name(one.name),
    0,
    ...unsigned(first + index),
  ]);
  const section = (/** @type {number} */ id, /** @type {number[][]} */ items) => [
    id,
    ...sized(vector(items)),
  ];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(SECTION.type, [transferType, ...types]),
    ...section(SECTION.import, imported),
    ...section(
      SECTION.function,
      functions.map((_, index) => unsigned(index + 1)),
    ),
    ...section(SECTION.export, exported),
    ...section(
      SECTION.code,
      functions.map((one, index) => sized(body(one, index + 1))),
    ),
  ]);
}

/** @param {import('./module.js').Import} one @param {number} callee */
function body({ name: syscall, type }, callee) {
  const { params = [], results = [] } = type ?? {};
  const errno = params.length; // a local
  const transfer = results.length === 1 ? TRANSFERS.get(syscall) : undefined;
  return [
    ...(transfer ? [1, 1, I32] : [0]),
    ...[
      OP.i32Const0,
      OP.i32Const0,
      OP.f64Load(SLOT.calls),
      OP.f64Const1,
      OP.f64Add,
      OP.f64Store(SLOT.calls),
    ].flat(),
    ...params.flatMap((_, index) => [OP.localGet, ...unsigned(index)]),
    ...[OP.call, ...unsigned(callee)],
    ...(transfer ? countTransfer(transfer, errno) : []),
    OP.end,
  ];
}

/** After the call: where it succeeded, `t(slot, address)`. @param {{ slot: number, result: number }} transfer @param {number} errno */
function countTransfer({ slot, result }, errno) {
  return [
    ...[OP.localTee, errno, OP.i32Eqz, ...OP.if],
    ...[...OP.i32Const(slot), OP.localGet, result, OP.call, 0, OP.end],
    ...[OP.localGet, errno],
  ];
}

module.exports = { SLOT, meterModule };
