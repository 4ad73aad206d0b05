/// <reference lib="esnext.disposable" />

import type { EventEmitter } from 'node:events';
import type { Readable, Writable } from 'node:stream';

// After Node's documentation of node:wasi (https://nodejs.org/api/wasi.html); errors carry Node's codes and words.

/** A function of `wasiImport`: takes WebAssembly's numbers and returns an errno. */
export type WASIFunction = (...args: any[]) => any;

/**
 * Something with the `write()` of a stream.Writable. In `run()` and `spawn()`, one that is no stream (it has no `on()`) is called
 * like a function: what it throws ends the program, and a promise that it returns is waited for.
 */
export interface OutputStream {
  write(chunk: Buffer): unknown;
}

/**
 * Where a program's output goes:
 * - a number: a file descriptor of this process, used as it is: keep it open while the program may use it;
 * - `'inherit'`: this process's own; `'ignore'`: nowhere;
 * - `'pipe'`: it is captured, up to `limits.stdout` bytes, and read at `wasi.stdout` or `wasi.stderr`;
 * - a function: called with a Buffer for each write of the program, before the program goes on. What it throws ends the
 *   program and comes out of `start()`;
 * - a Writable: written to in the same way. Nobody waits for it: while the program runs, it holds what it can't pass on.
 */
export type OutputOption =
  number | 'inherit' | 'ignore' | 'pipe' | ((chunk: Buffer) => void) | OutputStream;

/** Where the input of a program in the class comes from. */
export type InputOption =
  number | 'inherit' | 'ignore' | Uint8Array | ((maxBytes: number) => Uint8Array | null);

/** The whole input of a program: a text, in UTF-8, or bytes. */
export type Input = string | NodeJS.ArrayBufferView | ArrayBuffer;

export interface WASILimits {
  /**
   * How many bytes are captured of each output that is `'pipe'`. A program that writes more ends with the RangeError
   * ERR_WASI_STDIO_MAXBUFFER, which comes out of `start()`; what was captured stays.
   * @default 67108864
   */
  stdout?: number | undefined;
  /**
   * How many descriptors the program may have open, its standard streams and preopens included; beyond, it gets EMFILE.
   * All programs together leave the host a quarter: while the process has three quarters of what it may have open
   * (`ulimit -n`), no program opens anything, and one that would have to in order to start fails with EMFILE.
   * @default half of what the process may have, and 16384 at most
   */
  openFiles?: number | undefined;
}

/** A directory the program may use. */
export interface Preopen {
  /** Its real path. */
  path: string;
  /**
   * Whether the program may only read in it, and in all that it opens through it. (Where another of its directories leads
   * to the same files, it may there what that one allows.)
   * @default false
   */
  readOnly?: boolean | undefined;
}

export interface WASIOptions {
  /** The version of WASI to provide. */
  version: 'unstable' | 'preview1';
  /**
   * What the program sees as its command line. The first is the path to the program itself.
   * @default []
   */
  args?: readonly string[] | undefined;
  /**
   * What the program sees as its environment: the value of each name, as a string. Entries that are undefined are left out.
   * @default {}
   */
  env?: object | undefined;
  /**
   * The directories the program may use: each key is a path as the program sees it, each value the real path of that directory.
   * No path, link or `..` leads the program out of them. In the root directory `/` (on Linux), which has nothing outside,
   * absolute links are followed; magic ones, such as `/proc/self/fd/1`, nowhere. One that can't be opened is an error whose `code` is `UVWASI_` and
   * the errno's name, such as `UVWASI_ENOENT`.
   * `{ path, readOnly: true }` is one in which the program can only read: all else is EROFS to it.
   * (An entry that is undefined, which node:wasi's types let through, is the path `undefined` here as there.)
   * @default {}
   */
  preopens?: Readonly<Record<string, string | Preopen | undefined>> | undefined;
  /**
   * Whether `start()` returns the exit code when the program calls `proc_exit`; if false, the process exits with it.
   * @default true
   */
  returnOnExit?: boolean | undefined;
  /**
   * The program's standard input:
   * - a number: a file descriptor of this process, used as it is: keep it open while the program may use it. Of 0, 1 and 2,
   *   this process's own streams, the program has one direction (it reads stdin, and writes stdout and stderr) and nothing
   *   else; with any other it may do what this process can, such as cut the file, or set and clear O_APPEND for all who
   *   share it;
   * - `'inherit'`: this process's own; `'ignore'`: nothing; any other text is refused: it belongs into `input`;
   * - a Uint8Array: a copy of its bytes;
   * - a function: called with how many bytes the program wants, when it wants some and none are left. It returns them (more
   *   are kept for the next reads), or `null` at the end; anything else is ERR_INVALID_RETURN_VALUE.
   * @default 0
   */
  stdin?: InputOption | undefined;
  /**
   * All that the program finds on its standard input, copied; in place of `stdin`, with which it can't be combined
   * (ERR_INCOMPATIBLE_OPTION_PAIR).
   */
  input?: Input | undefined;
  /**
   * The program's standard output.
   * @default 1
   */
  stdout?: OutputOption | undefined;
  /**
   * The program's standard error.
   * @default 2
   */
  stderr?: OutputOption | undefined;
  /** How much the program may have. */
  limits?: WASILimits | undefined;
  /**
   * Whether each system call is shown as a line on this process's stderr (descriptor 2), for finding out what a program does.
   * Whoever reads it slowly slows the program down: no line is lost.
   * @default false
   */
  trace?: boolean | undefined;
}

/** The options that node:wasi knows as well. */
export interface DescriptorOptions extends Omit<
  WASIOptions,
  'input' | 'limits' | 'preopens' | 'trace'
> {
  preopens?: Readonly<Record<string, string | undefined>> | undefined;
  stdin?: number | undefined;
  stdout?: number | undefined;
  stderr?: number | undefined;
}

export interface FinalizeBindingsOptions {
  /**
   * The memory the system calls work on.
   * @default instance.exports.memory
   */
  memory?: object | undefined;
}

/** The WASI system calls, and what it takes to run a program with them. Each object is an environment of its own. */
export class WASI {
  /**
   * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE: an option is not what it must be
   * @throws UVWASI_EBADF, UVWASI_ENOENT, ...: a descriptor or a preopen can't be used
   * @throws ERR_ACCESS_DENIED: under Node's permission model without `--allow-wasi`
   */
  constructor(options: WASIOptions);
  /** As node:wasi declares it, so that this class may be given where that one is expected. */
  constructor(options: DescriptorOptions);

  /**
   * The system calls, to be passed as the module's import `wasi_snapshot_preview1` (or `wasi_unstable`). Called before the
   * memory is bound they throw ERR_WASI_NOT_STARTED.
   */
  readonly wasiImport: Record<string, WASIFunction>;

  /** A copy of what the program has written to stdout so far, if `options.stdout` is `'pipe'`. */
  readonly stdout?: Buffer;

  /** A copy of what the program has written to stderr so far, if `options.stderr` is `'pipe'`. */
  readonly stderr?: Buffer;

  /** `wasiImport` under the name the chosen version imports it by. */
  getImportObject(): Record<string, Record<string, WASIFunction>>;

  /**
   * Runs `instance` as a command: calls its `_start()` export and returns the exit code.
   * What the program throws passes through as it is. The exit code is a signed 32-bit integer. When the program exits, or one
   * of the functions in `options` throws, it ends: no handler of its own (`catch_all`) catches that, and the error comes out here.
   * @throws ERR_INVALID_ARG_TYPE: there is no `_start()`, there is an `_initialize()`, or no memory is exported as `memory`
   * @throws ERR_WASI_ALREADY_STARTED: a second call
   */
  start(instance: object): number;

  /**
   * Sets `instance` up as a reactor: calls its `_initialize()` export, if it has one.
   * @throws ERR_INVALID_ARG_TYPE: there is a `_start()`, or no memory is exported as `memory`
   * @throws ERR_WASI_ALREADY_STARTED: a second call
   */
  initialize(instance: object): void;

  /** Binds the system calls to `instance` without calling it: the part `start()` and `initialize()` share. */
  finalizeBindings(instance: object, options?: FinalizeBindingsOptions): void;

  /** Closes all that the program has open, at once; otherwise that happens when the object is collected. */
  [Symbol.dispose](): void;
}

/** A program: a path, the URL of a file, its bytes, or what `compile()` made of one. */
export type ProgramSource = string | URL | NodeJS.ArrayBufferView | ArrayBufferLike | Program;

/**
 * Where the input of a program off the event loop comes from: as in the class, or a Readable or another AsyncIterable; `'pipe'`
 * in `spawn()`.
 */
export type RunInputOption =
  | InputOption
  | 'pipe'
  | AsyncIterable<string | Uint8Array>
  | ((maxBytes: number) => Uint8Array | null | Promise<Uint8Array | null>);

export interface RunLimits extends WASILimits {
  /**
   * As in the class.
   * @default 67108864; or limits.memory if that is less, but 1048576 at least
   */
  stdout?: number | undefined;
  /**
   * How many bytes the program may have: its memories, tables and garbage-collected objects together. Beyond, `memory.grow`
   * and `table.grow` fail, and the program goes on; where it makes one object more, it traps (ERR_WASI_TRAP). One that needs
   * more to begin with does not start (ERR_WASI_PROGRAM). The process may grow by this and an allowance: 32 MiB in wasmtime,
   * 128 MiB in V8; what is captured of its output comes on top, and what its machine code takes (docs/limits.md).
   *
   * V8 can't be asked while a program runs, so each gets its share before: what they begin with; of the rest an eighth for
   * tables to grow, half of what that leaves for objects if the program can make any, and what is left then for the
   * memories, the first as far as it may grow, the next by what that leaves. `docs/limits.md` says more.
   * @default what its module says; all its memories together 4 GiB at most
   */
  memory?: number | undefined;
  /**
   * How many elements its tables may have together. Beyond, `table.grow` fails. In V8 they are allotted: the first may grow
   * as far as the limit allows, the next by what that leaves.
   * @default 10000000, which is the most also if more is said; 1000000 in V8 for a program that makes objects
   */
  tableElements?: number | undefined;
  /**
   * How many bytes of stack it may use, from 4096 to 67108864 (64 MiB). Beyond, it traps (ERR_WASI_TRAP). V8's code takes
   * more of it for the same calls than wasmtime's.
   * @default 1048576
   */
  stack?: number | undefined;
  /**
   * How much it may calculate: about one unit for each instruction, the same in each run. Then it ends with ERR_WASI_FUEL.
   * Only wasmtime counts; a program that is limited so runs in it.
   * @default no limit
   */
  fuel?: number | undefined;
}

/** All of it is read and copied, and relative paths are resolved, by the time that `run()` or `spawn()` returns. */
export interface RunOptions {
  /** As in the class, but without NUL in them. @default [] */
  args?: readonly string[] | undefined;
  /** As in the class, but without NUL in them, and with names that are not empty and have no `=`. @default {} */
  env?: Readonly<Record<string, string | undefined>> | undefined;
  /** As in the class, but without NUL in them; the directories are opened when the program begins. @default {} */
  preopens?: Readonly<Record<string, string | Preopen>> | undefined;
  /** Need not be given: the program's imports tell it. */
  version?: 'unstable' | 'preview1' | undefined;
  /**
   * The program's standard input. The program gets a copy of a descriptor: it may be closed when `run()` has returned. A stream
   * is read as fast as the program reads, and destroyed if the program ends before it; what it throws, when it is opened or
   * later, ends the program.
   * @default 'ignore' in run(), 'pipe' in spawn(): a stream that this side writes to
   */
  stdin?: RunInputOption | undefined;
  /** As in the class: all that the program finds on its standard input, in place of `stdin`. */
  input?: Input | undefined;
  /**
   * The program's standard output. `'pipe'` is captured in run(), and a stream that this side reads in spawn(). A Writable,
   * or a function that returns a promise, makes the program wait, and the run ends when they have taken the last byte; what they
   * throw ends it. A Writable is not ended; if somebody else ends or destroys it, the program ends with EPIPE.
   * @default 'pipe'
   */
  stdout?: OutputOption | undefined;
  /** The program's standard error, likewise. @default 'pipe' */
  stderr?: OutputOption | undefined;
  /**
   * After how many milliseconds the program is ended with ERR_WASI_TIMEOUT, counted from the call: the time in which it is
   * compiled or waits for a thread is part of it. 0 is never.
   * @default 0
   */
  timeout?: number | undefined;
  /** Ends the program with an AbortError, whose `cause` is the signal's reason. */
  signal?: AbortSignal | undefined;
  /**
   * How many programs may have begun in its engine and not ended, this one included. One that would be one too many when its
   * turn comes is not begun: it ends with ERR_WASI_BUSY. So programs that wait for input or a clock, which take no processor
   * but a thread each, can't stop all others for ever. (wasmtime counts those of the process, V8 those of this thread.)
   * @default 512 in wasmtime, 64 in V8
   */
  concurrency?: number | undefined;
  /** How much the program may have. */
  limits?: RunLimits | undefined;
  /**
   * Whether each system call is shown as a line on this process's stderr (descriptor 2), for finding out what a program does.
   * Whoever reads it slowly slows the program down: no line is lost.
   * @default false
   */
  trace?: boolean | undefined;
  /**
   * What runs it: `'wasmtime'`, from machine code that is kept on disk; `'v8'`, in a worker thread; or `'auto'`, wasmtime if
   * there is machine code or little to compile, otherwise V8; and when the run is over, or after a second, a thread of low
   * priority makes the machine code for the next time, unless the process ends before: `compile()` makes it at once. A program
   * that one of them can't run (wasmtime has no garbage-collected types and no exceptions, and refuses what is too hard to
   * compile; some versions of V8 have no memories of 64 bits) runs in the other.
   * V8 calculates faster, up to twice as fast, once it has run for a second or so; wasmtime starts sooner, takes less memory
   * and counts fuel.
   * @default 'auto'
   */
  engine?: 'auto' | 'wasmtime' | 'v8' | undefined;
  /**
   * The folder in which machine code is kept, at most 1 GiB. It must be this user's and closed to others (mode 700, as it is
   * made), no symbolic link, and on a file system with extended attributes: otherwise nothing is kept, with a warning. A
   * program that may write to it can't change what is run. A folder that can't be used is no error. `false` keeps none. Of a
   * program from `compile()` that call decides.
   * @default the variable WASI_RS_CACHE (empty: none); or `wasi-rs` in XDG_CACHE_HOME, ~/.cache, ~/Library/Caches, LOCALAPPDATA
   */
  cache?: boolean | string | undefined;
}

/** What a program has used. */
export interface RunUsage {
  /** Milliseconds from its beginning to its end. */
  wall: number;
  /**
   * Milliseconds of processor time. Of a program that was ended in the middle of a long instruction: as far as the system
   * tells (Linux), otherwise the same as `wall`.
   */
  cpu: number;
  /** Bytes of memory, at most. */
  memory: number;
  /** Fuel, if it was limited. */
  fuel?: number;
  /** How many system calls it made. */
  calls: number;
  /** Bytes it read. */
  read: number;
  /** Bytes it wrote. */
  written: number;
}

/** What came of a program. */
export interface RunResult {
  /** A signed 32-bit integer. */
  exitCode: number;
  /** What it wrote, if that was captured. */
  stdout: Buffer | null;
  stderr: Buffer | null;
  usage: RunUsage;
}

/** An error that ended a program, with what had come of it so far. */
export interface RunError extends Error {
  /**
   * - EPIPE: a Writable that was to take its output was ended or destroyed
   * - ERR_WASI_TIMEOUT, ABORT_ERR, ERR_WASI_KILLED: it was ended
   * - ERR_WASI_FUEL, ERR_WASI_STDIO_MAXBUFFER: it met a limit
   * - ERR_WASI_BUSY: it was not begun, since as many had begun as `concurrency` allows
   * - ERR_WASI_TRAP: it trapped; the first line of the message says why, in the same words in both engines, and below it are
   *   the functions that were being called, by name
   * - ERR_WASI_PROGRAM: it is no program that runs here: no module, none that the engine can compile, without a `_start` of no
   *   parameters and results or with an `_initialize` beside it, without a memory exported as `memory` for its system calls
   * - ERR_WASI_IMPORT: it imports what is not there, or system calls of both editions of WASI
   * - UVWASI_ENOENT, UVWASI_EBADF, ...: a directory or descriptor can't be used; ENOENT, ...: its file can't be read
   */
  code: string;
  stdout?: Buffer | null;
  stderr?: Buffer | null;
  usage?: RunUsage;
}

/**
 * Runs a program (a command: it exports `_start`) off the event loop, and resolves when it has ended and all its output has
 * been delivered. As many run at a time as there are processors, but 4 at least, not counting those that wait for input or a
 * clock; the others wait for their turn. Where for a second nobody has had one, because all that run calculate for long, one
 * more may run; for the next one two seconds have to pass, then four, and so on.
 * @throws RunError, as a rejection
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE, ERR_ACCESS_DENIED, as in the class; rejections too
 */
export function run(source: ProgramSource, options?: RunOptions): Promise<RunResult>;

/**
 * Starts a program that runs beside this one: its streams, events and `kill()` are those of Node's ChildProcess.
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE, ERR_ACCESS_DENIED, UVWASI_EBADF
 */
export function spawn(source: ProgramSource, options?: RunOptions): GuestProcess;

/**
 * Compiles a program, or finds its machine code in the cache: then also a short-lived program starts warm.
 * @throws ERR_WASI_PROGRAM, ERR_WASI_IMPORT, ENOENT, ..., as a rejection
 */
export function compile(
  source: ProgramSource,
  options?: Pick<RunOptions, 'cache'>,
): Promise<Program>;

/**
 * A program from what `program.serialize()` gave, by the same version of this package on the same kind of processor.
 * **Machine code is trusted**: bytes from anywhere else can do anything to this process.
 * It runs in wasmtime and does not count: with `engine: 'v8'` or `limits.fuel` it is refused (ERR_WASI_PROGRAM).
 * @throws ERR_WASI_PROGRAM, as a rejection: another version, another processor, or damaged where that shows
 */
export function deserialize(bytes: NodeJS.ArrayBufferView | ArrayBufferLike): Promise<Program>;

/** A compiled program, to be run any number of times. */
export interface Program {
  run(options?: RunOptions): Promise<RunResult>;
  spawn(options?: RunOptions): GuestProcess;
  /** Its machine code, for `deserialize()`. */
  serialize(): Promise<Buffer>;
}

/** A program that runs beside this one. */
export interface GuestProcess extends EventEmitter {
  /** Where it is `'pipe'`, a stream to write the program's input to. */
  readonly stdin: Writable | null;
  /** Where it is `'pipe'`, a stream of what the program writes. */
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  readonly stdio: readonly [Writable | null, Readable | null, Readable | null];
  /** Set when it has ended by itself. */
  readonly exitCode: number | null;
  /** `'SIGTERM'` when `kill()` has ended it. */
  readonly signalCode: NodeJS.Signals | null;
  /** Whether `kill()` was called while it ran. */
  readonly killed: boolean;
  /** What comes of it. Who reads this property, and does not listen to `'error'`, gets errors as rejections only. */
  readonly result: Promise<RunResult>;
  /** Ends it; `result` rejects with `reason` (by default ERR_WASI_KILLED). Whether it was running. */
  kill(reason?: unknown): boolean;
  on(event: 'spawn', listener: () => void): this;
  on(
    event: 'exit' | 'close',
    listener: (code: number | null, signal: NodeJS.Signals | null) => void,
  ): this;
  on(event: 'error', listener: (error: RunError) => void): this;
  on(event: string | symbol, listener: (...args: any[]) => void): this;
  /** Ends it. */
  [Symbol.dispose](): void;
  /** Ends it, and waits for its end. */
  [Symbol.asyncDispose](): Promise<void>;
}
