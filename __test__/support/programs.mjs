// Whole programs, to be run by any engine.

import { assemble } from './wat.mjs';

const TYPES = {
  fd_read: '(param i32 i32 i32 i32) (result i32)',
  fd_write: '(param i32 i32 i32 i32) (result i32)',
  args_sizes_get: '(param i32 i32) (result i32)',
  args_get: '(param i32 i32) (result i32)',
  environ_sizes_get: '(param i32 i32) (result i32)',
  environ_get: '(param i32 i32) (result i32)',
  fd_close: '(param i32) (result i32)',
  fd_filestat_get: '(param i32 i32) (result i32)',
  path_open: '(param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)',
  poll_oneoff: '(param i32 i32 i32 i32) (result i32)',
  proc_exit: '(param i32)',
  random_get: '(param i32 i32) (result i32)',
  sched_yield: '(result i32)',
  sock_accept: '(param i32 i32 i32) (result i32)',
  sock_recv: '(param i32 i32 i32 i32 i32 i32) (result i32)',
  sock_send: '(param i32 i32 i32 i32 i32) (result i32)',
};

/**
 * The bytes of a program. All system calls that `body` or `items` name can be called.
 *
 * @param {string} body what `_start` does
 * @param {{ items?: string, memory?: string, namespace?: string }} [rest]
 */
export function program(body, rest = {}) {
  const { items = '', memory = '(memory (export "memory") 2)' } = rest;
  const { namespace = 'wasi_snapshot_preview1' } = rest;
  const used = Object.entries(TYPES).filter(([name]) => `${body}${items}`.includes(`$${name}`));
  const imports = used.map(
    ([name, type]) => `(import "${namespace}" "${name}" (func $${name} ${type}))`,
  );
  return assemble(`(module ${imports.join('\n')} ${memory} ${items}
    (func $main (export "_start") ${body}))`);
}

/** Text that lies at address 4096. */
const text = (string) => {
  const bytes = [...Buffer.from(string)].map((byte) => `\\${byte.toString(16).padStart(2, '0')}`);
  return { items: `(data (i32.const 4096) "${bytes.join('')}")`, length: bytes.length };
};

const iovec = (at, address, length) =>
  `(i32.store (i32.const ${at}) (i32.const ${address})) (i32.store (i32.const ${at + 4}) ${length})`;

/** What writes a text, once. */
export function writes(string, fd = 1) {
  const { items, length } = text(string);
  const body = `${iovec(0, 4096, `(i32.const ${length})`)}
    (drop (call $fd_write (i32.const ${fd}) (i32.const 0) (i32.const 1) (i32.const 8)))`;
  return { body, items };
}

/** Writes a text to stdout, then does this. */
export function after(string, body, memory) {
  const first = writes(string);
  return program(`${first.body} ${body}`, { items: first.items, ...(memory && { memory }) });
}

/** Copies stdin to `fd`, until the end or an error of writing; then exits with that error. */
export const cat = (fd = 1) =>
  program(`(local $errno i32) (local $left i32) (local $from i32)
  (loop $more
    ${iovec(0, 65536, '(i32.const 65536)')}
    (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (local.set $left (i32.load (i32.const 8)))
    (local.set $from (i32.const 65536))
    (if (i32.eqz (local.get $left)) (then (return)))
    (loop $rest
      (i32.store (i32.const 0) (local.get $from))
      (i32.store (i32.const 4) (local.get $left))
      (local.set $errno (call $fd_write (i32.const ${fd}) (i32.const 0) (i32.const 1) (i32.const 8)))
      (if (local.get $errno) (then (call $proc_exit (local.get $errno))))
      (local.set $left (i32.sub (local.get $left) (i32.load (i32.const 8))))
      (local.set $from (i32.add (local.get $from) (i32.load (i32.const 8))))
      (br_if $rest (local.get $left)))
    (br $more))`);

/** Copies stdin to stdout and to stderr, 60000 bytes at a time. */
export const tee = () =>
  program(
    `(loop $more
      ${iovec(0, 64, '(i32.const 60000)')}
      (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
      (i32.store (i32.const 4) (i32.load (i32.const 8)))
      (if (i32.load (i32.const 4)) (then
        (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
        (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
        (br $more))))`,
    { memory: '(memory (export "memory") 1)' },
  );

const REFLECT = ['args', 'environ']
  .map(
    (what) => `
      (drop (call $${what}_sizes_get (i32.const 16) (i32.const 20)))
      (drop (call $${what}_get (i32.const 1024) (i32.const 8192)))
      ${iovec(0, 8192, '(i32.load (i32.const 20))')}
      (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))`,
  )
  .join('');

/** Writes its arguments and then its environment, each ended by a NUL. */
export const reflect = () => program(REFLECT);

/** Writes the same, and then the file `file` of its directory. */
export const reflectWithFile = () => {
  const { items, length } = text('file');
  return program(
    `${REFLECT}
    (drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 4096) (i32.const ${length})
      (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 24)))
    ${iovec(0, 8192, '(i32.const 100)')}
    (drop (call $fd_read (i32.load (i32.const 24)) (i32.const 0) (i32.const 1) (i32.const 8)))
    (i32.store (i32.const 4) (i32.load (i32.const 8)))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))`,
    { items },
  );
};

export const exits = (code) => program(`(call $proc_exit (i32.const ${code}))`);

/** Creates the file `made` in its directory and writes `text` to it; exits with the error. */
export const creates = () => {
  const { items, length } = text('made');
  return program(
    `(local $errno i32)
    (local.set $errno (call $path_open (i32.const 3) (i32.const 0) (i32.const 4096) (i32.const ${length})
      (i32.const 1) (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 16)))
    (if (local.get $errno) (then (call $proc_exit (local.get $errno))))
    ${iovec(0, 4096, `(i32.const ${length})`)}
    (drop (call $fd_write (i32.load (i32.const 16)) (i32.const 0) (i32.const 1) (i32.const 8)))`,
    { items },
  );
};

export const SPIN = '(loop $l (br $l))';
export const FILL = `(loop $l
  (memory.fill (i32.const 65536) (i32.const 1) (i32.const 60000000)) (br $l))`;
export const BIG = '(memory (export "memory") 1000)';
export const WAIT = '(drop (memory.atomic.wait32 (i32.const 60000) (i32.const 0) (i64.const -1)))';
export const SHARED = '(memory (export "memory") 1 2 shared)';
export const SLEEP = `
  (i64.store (i32.const 1024) (i64.const 0)) (i64.store (i32.const 1032) (i64.const 0))
  (i64.store (i32.const 1040) (i64.const 1)) (i64.store (i32.const 1048) (i64.const 100000000000))
  (drop (call $poll_oneoff (i32.const 1024) (i32.const 2048) (i32.const 1) (i32.const 2560)))`;
export const READ = `${iovec(0, 1024, '(i32.const 100)')}
  (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))`;
export const WRITE_FOR_EVER = `(loop $l ${iovec(0, 65536, '(i32.const 65536)')}
  (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))) (br $l))`;

/** So long that V8 has it first where there is no machine code. */
const FIRST_IN_V8 = 70_000;

/** The module with a long custom section. */
export function lengthened(module) {
  const content = Buffer.concat([
    Buffer.from([3, ...Buffer.from('pad')]),
    Buffer.alloc(FIRST_IN_V8),
  ]);
  const length = [
    (content.length & 0x7f) | 0x80,
    ((content.length >> 7) & 0x7f) | 0x80,
    content.length >> 14,
  ];
  return Buffer.concat([
    module.subarray(0, 8),
    Buffer.from([0, ...length]),
    content,
    module.subarray(8),
  ]);
}
