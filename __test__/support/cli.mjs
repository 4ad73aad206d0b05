// The command wasi-rs, and what to run with it.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { main, runNode, temporaryFolder } from './host.mjs';
import { assemble } from './wat.mjs';

export const IS_WINDOWS = process.platform === 'win32' && 'needs a Unix';

/** The system calls that they import, and their types. */
export const IMPORTS = {
  fd_write: '(param i32 i32 i32 i32) (result i32)',
  fd_read: '(param i32 i32 i32 i32) (result i32)',
  fd_fdstat_get: '(param i32 i32) (result i32)',
  poll_oneoff: '(param i32 i32 i32 i32) (result i32)',
  args_sizes_get: '(param i32 i32) (result i32)',
  args_get: '(param i32 i32) (result i32)',
  environ_sizes_get: '(param i32 i32) (result i32)',
  environ_get: '(param i32 i32) (result i32)',
  fd_prestat_dir_name: '(param i32 i32 i32) (result i32)',
  proc_exit: '(param i32)',
};
/** The text of a command, whose `_start` does this; it can call what is imported, and `show`. */
export const command = (code, rest = '') => {
  const imports = Object.entries(IMPORTS).map(
    ([name, type]) => `(import "wasi_snapshot_preview1" "${name}" (func $${name} ${type}))`,
  );
  return `(module ${imports.join('\n')} (memory (export "memory") 1) ${rest}
    (func $show (param $from i32) (param $length i32)
      (i32.store (i32.const 0) (local.get $from)) (i32.store (i32.const 4) (local.get $length))
      (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
    (func (export "_start") ${code}))`;
};

/** The texts of programs. */
export const PROGRAMS = {
  hello: command('(call $show (i32.const 64) (i32.const 6))', '(data (i32.const 64) "hello\\n")'),
  exit: command('(call $proc_exit (i32.const 7))'),
  // Writes a dot, so that one can wait for it.
  spin: command(
    '(call $show (i32.const 64) (i32.const 1)) (loop (br 0))',
    '(data (i32.const 64) ".")',
  ),
  trap: command('unreachable'),
  grow: command(`(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
    (call $proc_exit (memory.size))`),
  show: command(`
    (drop (call $args_sizes_get (i32.const 16) (i32.const 20)))
    (drop (call $args_get (i32.const 100) (i32.const 1000)))
    (call $show (i32.const 1000) (i32.load (i32.const 20)))
    (drop (call $environ_sizes_get (i32.const 16) (i32.const 20)))
    (drop (call $environ_get (i32.const 100) (i32.const 1000)))
    (call $show (i32.const 1000) (i32.load (i32.const 20)))`),
  preopens: command(`
    (drop (call $fd_prestat_dir_name (i32.const 3) (i32.const 1000) (i32.const 5)))
    (call $show (i32.const 1000) (i32.const 5))
    (drop (call $fd_prestat_dir_name (i32.const 4) (i32.const 1000) (i32.const 2)))
    (call $show (i32.const 1000) (i32.const 2))`),
  cat: command(`(loop (i32.store (i32.const 0) (i32.const 1000)) (i32.store (i32.const 4) (i32.const 4096))
    (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (if (i32.load (i32.const 8)) (then (call $show (i32.const 1000) (i32.load (i32.const 8))) (br 1))))`),
  // Exits with the file types of its standard streams, 2 for a character device, as three digits in base 4.
  types: command(`
    (drop (call $fd_fdstat_get (i32.const 0) (i32.const 100)))
    (drop (call $fd_fdstat_get (i32.const 1) (i32.const 200)))
    (drop (call $fd_fdstat_get (i32.const 2) (i32.const 300)))
    (call $proc_exit (i32.or (i32.load8_u (i32.const 100)) (i32.or
      (i32.shl (i32.load8_u (i32.const 200)) (i32.const 2)) (i32.shl (i32.load8_u (i32.const 300)) (i32.const 4)))))`),
  alien:
    '(module (import "env" "foo" (func)) (memory (export "memory") 1) (func (export "_start")))',
  misfit: `(module (import "wasi_snapshot_preview1" "fd_close" (func (param i64)))
    (memory (export "memory") 1) (func (export "_start")))`,
  shared:
    '(module (import "env" "memory" (memory 2 9 shared)) (export "memory" (memory 0)) (func (export "_start")))',
  library: '(module (memory (export "memory") 1 4) (func (export "_initialize")))',
  old: '(module (import "wasi_unstable" "proc_exit" (func (param i32))) (memory (export "memory") 1) (func (export "_start")))',
};

/** Puts the programs into a folder, and files that are none. */
function fill(folder) {
  for (const [name, text] of Object.entries(PROGRAMS)) {
    fs.writeFileSync(path.join(folder, `${name}.wasm`), assemble(text));
  }
  fs.writeFileSync(path.join(folder, 'component'), Buffer.from('0061736d0d000100', 'hex'));
  fs.writeFileSync(path.join(folder, 'text'), 'just a text');
  fs.writeFileSync(path.join(folder, 'empty'), '');
  fs.writeFileSync(path.join(folder, 'elf'), '\x7fELF and so on', 'latin1');
  fs.writeFileSync(path.join(folder, 'cut.wasm'), assemble(PROGRAMS.hello).slice(0, 100));
  fs.writeFileSync(path.join(folder, 'broken.wat'), '(module\n  func)');
  fs.mkdirSync(path.join(folder, 'data'));
}

/**
 * A folder with the programs, and the command in it: machine code is kept there, too, and not where the user's is.
 *
 * @param {{ after(fn: () => void): void }} t
 */
export function commandLine(t) {
  const folder = temporaryFolder(t);
  fill(folder);
  process.env.WASI_RS_CACHE = path.join(folder, 'machine-code');

  /** Runs `wasi-rs` in the folder. */
  const cli = (args, options) => runNode([main, ...args], { cwd: folder, ...options });

  /** What `wasi-rs` says, in a line, when it has not started anything. */
  async function refusal(...args) {
    const { code, stdout, stderr } = await cli(args);
    assert.equal(code, 2, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, /^wasi-rs: [^\n]+\n$/);
    return stderr.slice('wasi-rs: '.length, -1);
  }

  return { folder, cli, refusal };
}
