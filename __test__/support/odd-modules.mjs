// Odd modules, each with one outcome: in wasmtime, in V8 in a worker, in `auto` with and without machine code, and through the
// command line on the main thread and beside it.

import { assemble } from './wat.mjs';

const P1 = 'wasi_snapshot_preview1';
const TYPES = {
  proc_exit: '(param i32)',
  fd_write: '(param i32 i32 i32 i32) (result i32)',
  fd_seek: '(param i32 i64 i32 i32) (result i32)',
  fd_close: '(param i32) (result i32)',
};
const imports = (name, namespace = P1, type = TYPES[name]) =>
  `(import "${namespace}" "${name}" (func $${name} ${type}))`;
const EXIT = imports('proc_exit');
const WRITE = imports('fd_write');
const MEMORY = '(memory (export "memory") 1)';
const TEXT = '(data (i32.const 0) "\\10\\00\\00\\00\\03\\00\\00\\00") (data (i32.const 16) "abc")';
const SAY = '(drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))';
const exit = (code) => `(call $proc_exit (i32.const ${code}))`;
const start = (body = '') => `(func (export "_start") ${body})`;
const wide = (text) => text.replaceAll('(i32.const', '(i64.const');

/** Bytes that are no text of a module. */
const HEAD = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
/** `(func (export "_start"))`, with these sections before. */
const COMMAND = [
  1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 7, 10, 1, 6, 0x5f, 0x73, 0x74, 0x61, 0x72, 0x74, 0, 0, 10, 4, 1,
  2, 0, 0x0b,
];
const bytes = (...parts) => Uint8Array.from(parts.flat());

const trap = (message) => ({ code: 'ERR_WASI_TRAP', message: `wasm trap: ${message}` });
const refused = (message) => ({ code: 'ERR_WASI_PROGRAM', message: `the program ${message}` });
const missing = (what) => ({
  code: 'ERR_WASI_IMPORT',
  message: `the program imports what WASI preview 1 does not have: ${what}; give it what it imports by options.imports, or build it for wasm32-wasip1`,
});
const exits = (code, stdout = '') => ({ code, stdout });
export const UNCOMPILED = refused(
  "can't be compiled: it is not valid, or needs what this engine does not have",
);
const IS_TEXT = refused(
  "is not a WebAssembly module: it is WebAssembly's text; assemble it first, for instance with wat2wasm",
);
const EMPTY = refused('is not a WebAssembly module: it is empty');
const OOB = trap('out of bounds memory access');
const OOB_TABLE = trap('out of bounds table access');
const NULL = trap('null function or signature mismatch');
const OVERFLOW = trap('integer overflow or invalid conversion to integer');
const DIVIDE = trap('integer divide by zero');

/** `text` or `bytes` of a module, and its `outcome`; `engines` that have what it needs, if not both. */
export const ROWS = {
  // How it begins
  'a start function that calls WASI': {
    text: `${WRITE} ${MEMORY} ${TEXT} (func $i ${SAY}) (start $i) ${start(SAY)}`,
    outcome: exits(0, 'abcabc'),
  },
  'a start function that exits': {
    text: `${WRITE} ${EXIT} ${MEMORY} ${TEXT} (func $i ${SAY} ${exit(3)}) (start $i) ${start(SAY)}`,
    outcome: exits(3, 'abc'),
  },
  'a start function that traps': {
    text: `${WRITE} ${MEMORY} ${TEXT} (func $i ${SAY} unreachable) (start $i) ${start(SAY)}`,
    outcome: { ...trap('unreachable'), stdout: 'abc' },
  },
  'a start function that is an import': {
    text: `(import "${P1}" "sched_yield" (func $y)) ${MEMORY} (start $y) ${start()}`,
    outcome: refused(
      'imports wasi_snapshot_preview1.sched_yield as a function of type () -> (); its type is () -> i32',
    ),
  },
  'a start function that is _start': {
    text: `${WRITE} ${MEMORY} ${TEXT} (func $s (export "_start") ${SAY}) (start $s)`,
    outcome: exits(0, 'abcabc'),
  },
  'an imported memory and a start function': {
    text: `${WRITE} (import "env" "memory" (memory 1 1)) (export "memory" (memory 0)) ${TEXT} (func $i ${SAY}) (start $i) ${start()}`,
    outcome: exits(0, 'abc'),
  },
  '_start and _initialize': {
    text: `${MEMORY} ${start()} (func (export "_initialize"))`,
    outcome: refused(
      "is not a command: it exports '_initialize' as well as '_start', and a program is one or the other",
    ),
  },
  '_start with parameters': {
    text: `${MEMORY} (func (export "_start") (param i32))`,
    outcome: refused(
      "is not a command: its '_start' is of type (i32) -> (); it must take nothing and return nothing",
    ),
  },
  '_start with a result': {
    text: `${MEMORY} (func (export "_start") (result i64) (i64.const 1))`,
    outcome: refused(
      "is not a command: its '_start' is of type () -> i64; it must take nothing and return nothing",
    ),
  },
  'no _start': {
    text: MEMORY,
    outcome: refused("is not a command: it exports no function '_start'; load() gives its exports"),
  },
  'only _initialize': {
    text: `${MEMORY} (func (export "_initialize"))`,
    outcome: refused("is not a command: it exports no function '_start'; load() gives its exports"),
  },
  '_start that is a memory': {
    text: '(memory (export "_start") 1)',
    outcome: refused("is not a command: it exports no function '_start'; load() gives its exports"),
  },

  // Its memory
  'a memory that is imported': {
    text: `${EXIT} (import "env" "memory" (memory 1 3)) (export "memory" (memory 0)) ${start('(call $proc_exit (memory.grow (i32.const 1)))')}`,
    outcome: exits(1),
  },
  'a memory named as a syscall': {
    text: `${EXIT} (import "${P1}" "fd_close" (memory 1)) (export "memory" (memory 0)) ${start(exit(4))}`,
    outcome: exits(4),
  },
  'a shared memory': {
    text: `${WRITE} (memory (export "memory") 1 3 shared) ${TEXT} ${start(SAY)}`,
    outcome: exits(0, 'abc'),
  },
  'a shared memory that is imported': {
    text: `${WRITE} (import "env" "memory" (memory 1 3 shared)) (export "memory" (memory 0)) ${TEXT} ${start(SAY)}`,
    outcome: exits(0, 'abc'),
  },
  'a memory of 64 bits': {
    text: `${WRITE} (memory (export "memory") i64 1) ${wide(TEXT)} ${start(SAY)}`,
    outcome: exits(0, 'abc'),
  },
  'a memory of 64 bits that is imported': {
    text: `${WRITE} (import "env" "memory" (memory i64 1 9)) (export "memory" (memory 0)) ${wide(TEXT)} ${start(SAY)}`,
    outcome: exits(0, 'abc'),
  },
  'a memory that grows to 4 GiB, and no further': {
    text: `${EXIT} ${MEMORY} ${start('(drop (memory.grow (i32.const 65535))) (drop (memory.grow (i32.const 1))) (call $proc_exit (memory.size))')}`,
    outcome: exits(65536),
  },
  'a memory of 64 bits that grows beyond 4 GiB': {
    text: `${EXIT} (memory (export "memory") i64 1) ${start('(drop (memory.grow (i64.const 65536))) (drop (memory.grow (i64.const 65535))) (call $proc_exit (i32.wrap_i64 (memory.size)))')}`,
    outcome: exits(65536),
  },
  'two memories': {
    text: `${WRITE} ${MEMORY} (memory 1) ${TEXT} ${start(SAY)}`,
    outcome: exits(0, 'abc'),
  },
  'no memory, and no call that needs one': {
    text: `${EXIT} ${imports('fd_close')} ${start(`(drop (call $fd_close (i32.const 1))) ${exit(9)}`)}`,
    outcome: exits(9),
  },
  'a memory that is not exported': {
    text: `${WRITE} (memory 1) ${TEXT} ${start(SAY)}`,
    outcome: refused(
      "can't make its system calls (fd_write): it does not export its memory; it must do so as 'memory'",
    ),
  },
  'a memory that is exported as something else': {
    text: `${WRITE} (memory (export "mem") 1) ${start(SAY)}`,
    outcome: refused(
      "can't make its system calls (fd_write): it does not export its memory; it must do so as 'memory'",
    ),
  },
  'a memory that is not exported, and no call that needs one': {
    text: `${EXIT} (memory 1) ${start(exit(2))}`,
    outcome: exits(2),
  },
  'no memory': {
    text: `${WRITE} ${start(SAY)}`,
    outcome: refused(
      "can't make its system calls (fd_write): it has no memory, which it would have to export as 'memory'",
    ),
  },
  'an export memory that is a function': {
    text: `${WRITE} (memory 1) (func (export "memory")) ${start(SAY)}`,
    outcome: refused("can't make its system calls (fd_write): its export 'memory' is a function"),
  },
  'an export memory that is a global': {
    text: `${EXIT} (global (export "memory") i32 (i32.const 0)) ${start(exit(2))}`,
    outcome: exits(2),
  },
  'a page size of its own': {
    bytes: bytes(HEAD, COMMAND.slice(0, 10), [5, 4, 1, 8, 1, 0], COMMAND.slice(10)),
    outcome: UNCOMPILED,
  },

  // Traps
  unreachable: {
    text: `${WRITE} ${MEMORY} ${TEXT} ${start(`${SAY} unreachable`)}`,
    outcome: { ...trap('unreachable'), stdout: 'abc' },
  },
  'a load outside': {
    text: `${MEMORY} ${start('(drop (i32.load (i32.const -4)))')}`,
    outcome: OOB,
  },
  'a fill outside': {
    text: `${MEMORY} ${start('(memory.fill (i32.const 65530) (i32.const 0) (i32.const 100000))')}`,
    outcome: OOB,
  },
  'data outside': { text: `${MEMORY} (data (i32.const 65536) "x") ${start()}`, outcome: OOB },
  'elements outside': {
    text: `${MEMORY} (table 1 funcref) (func $f) (elem (i32.const 1) $f) ${start()}`,
    outcome: OOB_TABLE,
  },
  'a call outside of the table': {
    text: `${MEMORY} (table 1 funcref) (type $t (func)) ${start('(call_indirect (type $t) (i32.const 9))')}`,
    outcome: OOB_TABLE,
  },
  'an element segment that is no more': {
    text: `${MEMORY} (table 1 funcref) (func $f) (elem $e func $f) ${start('(elem.drop $e) (table.init $e (i32.const 0) (i32.const 0) (i32.const 1))')}`,
    outcome: OOB_TABLE,
  },
  'a memory that is imported twice, once as a shared one': {
    text: `${EXIT} (import "env" "memory" (memory 1 5)) (import "env" "memory" (memory 1 5 shared)) (export "memory" (memory 0)) ${start(exit(4))}`,
    outcome: refused('imports the memory env.memory twice'),
  },
  'a memory of a name that objects have': {
    text: `${EXIT} (import "__proto__" "constructor" (memory 1 5)) (export "memory" (memory 0)) ${start(exit(4))}`,
    outcome: exits(4),
  },
  'table.get outside': {
    text: `${MEMORY} (table 1 funcref) ${start('(drop (table.get 0 (i32.const 5)))')}`,
    outcome: OOB_TABLE,
  },
  'table.set outside': {
    text: `${MEMORY} (table 1 funcref) ${start('(table.set 0 (i32.const 5) (ref.null func))')}`,
    outcome: OOB_TABLE,
  },
  'table.fill outside': {
    text: `${MEMORY} (table 1 funcref) ${start('(table.fill 0 (i32.const 5) (ref.null func) (i32.const 5))')}`,
    outcome: OOB_TABLE,
  },
  'table.copy outside': {
    text: `${MEMORY} (table 1 funcref) ${start('(table.copy (i32.const 5) (i32.const 0) (i32.const 5))')}`,
    outcome: OOB_TABLE,
  },
  'a call of no function': {
    text: `${MEMORY} (table 1 funcref) (type $t (func)) ${start('(call_indirect (type $t) (i32.const 0))')}`,
    outcome: NULL,
  },
  'a call of a function of another type': {
    text: `${MEMORY} (table funcref (elem $f)) (type $t (func (param i32))) (func $f) ${start('(call_indirect (type $t) (i32.const 1) (i32.const 0))')}`,
    outcome: NULL,
  },
  'i32.div_s by 0': {
    text: `${MEMORY} ${start('(drop (i32.div_s (i32.const 1) (i32.const 0)))')}`,
    outcome: DIVIDE,
  },
  'i64.rem_u by 0': {
    text: `${MEMORY} ${start('(drop (i64.rem_u (i64.const 1) (i64.const 0)))')}`,
    outcome: DIVIDE,
  },
  'a quotient that is too large': {
    text: `${MEMORY} ${start('(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))')}`,
    outcome: OVERFLOW,
  },
  'a float that is too large': {
    text: `${MEMORY} ${start('(drop (i32.trunc_f32_s (f32.const 1e20)))')}`,
    outcome: OVERFLOW,
  },
  'a float that is no number': {
    text: `${MEMORY} ${start('(drop (i32.trunc_f64_s (f64.const nan)))')}`,
    outcome: OVERFLOW,
  },
  'recursion without end': {
    text: `${MEMORY} (func $f (call $f)) ${start('(call $f)')}`,
    outcome: trap('call stack exhausted'),
  },
  'an atomic load that is not aligned': {
    text: `(memory (export "memory") 1 1 shared) ${start('(drop (i32.atomic.load (i32.const 1)))')}`,
    outcome: trap('unaligned atomic'),
  },
  'an atomic wait on a memory of one thread': {
    text: `${MEMORY} ${start('(drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 0)))')}`,
    outcome: trap('atomic wait on non-shared memory'),
  },
  'an exception that nobody catches': {
    text: `${WRITE} ${MEMORY} ${TEXT} (tag $e) ${start(`${SAY} (throw $e)`)}`,
    outcome: { ...trap('an exception that the program does not catch'), stdout: 'abc' },
    engines: ['v8', 'auto', 'cold'],
  },

  // Exits, and what is written before
  ...Object.fromEntries(
    [0, 1, 255, 256, 2 ** 31, -1].map((code) => [
      `exit code ${code}`,
      {
        text: `${WRITE} ${EXIT} ${MEMORY} ${TEXT} ${start(`${SAY} ${exit(code)} ${SAY}`)}`,
        outcome: exits(code | 0, 'abc'),
      },
    ]),
  ),
  'no exit': { text: `${WRITE} ${MEMORY} ${TEXT} ${start(SAY)}`, outcome: exits(0, 'abc') },
  'an exit that the program catches': {
    text: `${WRITE} ${EXIT} ${MEMORY} ${TEXT} ${start(`(try (do ${exit(3)}) (catch_all)) ${SAY}`)}`,
    outcome: exits(3),
    engines: ['v8', 'auto', 'cold'],
  },

  // Imports
  wasi_unstable: {
    text: `${imports('proc_exit', 'wasi_unstable')} ${imports('fd_write', 'wasi_unstable')} ${MEMORY} ${TEXT} ${start(`${SAY} ${exit(5)}`)}`,
    outcome: exits(5, 'abc'),
  },
  'both editions': {
    text: `${imports('fd_seek', 'wasi_unstable')} ${EXIT} ${MEMORY} ${start(exit(1))}`,
    outcome: {
      code: 'ERR_WASI_IMPORT',
      message:
        'the program imports system calls of wasi_unstable and of wasi_snapshot_preview1, which lay out their records differently; build all of it for one of them',
    },
  },
  'a syscall with other parameters': {
    text: `(import "${P1}" "fd_close" (func (param i64) (result i32))) ${MEMORY} ${start()}`,
    outcome: refused(
      'imports wasi_snapshot_preview1.fd_close as a function of type (i64) -> i32; its type is (i32) -> i32',
    ),
  },
  'a syscall without a result': {
    text: `(import "${P1}" "fd_close" (func (param i32))) ${MEMORY} ${start()}`,
    outcome: refused(
      'imports wasi_snapshot_preview1.fd_close as a function of type (i32) -> (); its type is (i32) -> i32',
    ),
  },
  'a global named as a syscall': {
    text: `(import "${P1}" "fd_close" (global i32)) ${MEMORY} ${start()}`,
    outcome: missing('wasi_snapshot_preview1.fd_close (global)'),
  },
  'a table named as a syscall': {
    text: `(import "${P1}" "fd_close" (table 1 funcref)) ${MEMORY} ${start()}`,
    outcome: missing('wasi_snapshot_preview1.fd_close (table)'),
  },
  'a tag': {
    text: `(import "env" "t" (tag)) ${MEMORY} ${start()}`,
    outcome: missing('env.t (tag)'),
  },
  'a syscall that there is not': {
    text: `(import "${P1}" "fd_fly" (func)) ${MEMORY} ${start()}`,
    outcome: missing('wasi_snapshot_preview1.fd_fly (function)'),
  },
  'what is not known': {
    text: `(import "env" "f" (func)) (import "" "" (func)) ${MEMORY} ${start()}`,
    outcome: missing('env.f (function), . (function)'),
  },
  'one call twice': {
    text: `${EXIT} (import "${P1}" "proc_exit" (func (param i32))) ${MEMORY} ${start('(call 1 (i32.const 4))')}`,
    outcome: exits(4),
  },
  'one name as two things': {
    text: `${EXIT} (import "${P1}" "proc_exit" (memory 1)) (export "memory" (memory 0)) ${start()}`,
    outcome: refused(
      'imports wasi_snapshot_preview1.proc_exit as two different things, one of them a function',
    ),
  },

  // What is no module, or an odd one
  'no bytes': { bytes: bytes(), outcome: EMPTY, cli: false },
  text: { bytes: Buffer.from('(module)'), outcome: IS_TEXT, cli: false },
  'an empty module': {
    bytes: bytes(HEAD),
    outcome: refused("is not a command: it exports no function '_start'; load() gives its exports"),
  },
  'a command of no import': { bytes: bytes(HEAD, COMMAND), outcome: exits(0) },
  'custom sections anywhere, of any bytes': {
    bytes: bytes(
      HEAD,
      [0, 1, 0],
      [0, 4, 1, 0x61, 0xfe, 0],
      COMMAND,
      [0, 5, 4, 0x6e, 0x61, 0x6d, 0x65],
    ),
    outcome: exits(0),
  },
  'a name that is not UTF-8': {
    bytes: bytes(HEAD, [1, 4, 1, 0x60, 0, 0], [2, 7, 1, 1, 0xff, 1, 0x61, 0, 0]),
    outcome: UNCOMPILED,
  },
  'a custom section whose name is not UTF-8': {
    bytes: bytes(HEAD, [0, 2, 1, 0xff], COMMAND),
    outcome: UNCOMPILED,
  },
  'a module that is cut off': { bytes: bytes(HEAD, COMMAND.slice(0, -2)), outcome: UNCOMPILED },
  'a section of a gigantic count': {
    bytes: bytes(HEAD, [1, 5, 0xff, 0xff, 0xff, 0xff, 0x0f]),
    outcome: UNCOMPILED,
  },
  'a section of a gigantic length': {
    bytes: bytes(HEAD, [1, 0xff, 0xff, 0xff, 0xff, 0x0f, 1]),
    outcome: UNCOMPILED,
  },
  'an unknown section': { bytes: bytes(HEAD, [99, 1, 0], COMMAND), outcome: UNCOMPILED },
};

/** The bytes of a row's module. */
export const moduleOf = ({ text, bytes: given }) =>
  Buffer.from(given ?? assemble(`(module ${text})`));

/** Whether a row's module comes as far as to begin, and whether this V8 has what it needs. */
export function prospects({ outcome }, module) {
  const began = outcome.code === 'ERR_WASI_TRAP' || typeof outcome.code === 'number';
  return { began, inV8: !began || WebAssembly.validate(module) };
}
