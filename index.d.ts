import type { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable, Writable } from 'node:stream';
import type { WritableStream } from 'node:stream/web';
import type { URL } from 'node:url';
import type { SystemCalls } from './lib/system-calls.js';

export type { SystemCalls };

// After Node's documentation of node:wasi (https://nodejs.org/api/wasi.html); errors have Node's codes and
// messages.

/** A function that a program imports: takes WebAssembly's numbers and returns an errno. */
export type WASIFunction = (...args: any[]) => any;

/** The system calls by their names. Others may be added. */
export type WASIImport = SystemCalls & Record<string, WASIFunction>;

/**
 * An object with the `write()` of a stream.Writable. In `run()` and `spawn()`, the `write()` of one that is
 * no stream (it has no `on()`) is called like a function: an error that it throws ends the program, and a
 * promise that it returns is waited for.
 */
export interface OutputStream {
  write(chunk: Buffer): unknown;
}

/**
 * The receiver of a program's output:
 * - a number: a file descriptor of this process, used as it is: keep it open while the program may use it;
 * - `'inherit'`: this process's own; `'ignore'`: nowhere;
 * - `'pipe'`: it is captured, up to `limits.stdout` bytes, and read at `wasi.stdout` or `wasi.stderr`;
 * - a function: called with a Buffer for each write of the program, before the program goes on. An error that
 *   it throws ends the program and is thrown by `start()`;
 * - a Writable: written to in the same way. It is not waited for: while the program runs, it buffers all that
 *   it can't pass on.
 */
export type OutputOption =
  number | 'inherit' | 'ignore' | 'pipe' | ((chunk: Buffer) => void) | OutputStream;

/**
 * The type of an option that is not there. TypeScript infers it, among all others that there could be, where
 * the options do not have the property.
 */
declare const absent: unique symbol;
type Absent = typeof absent;

type AnyOutput = OutputOption | undefined;

/** The source of input for a program in the class. */
export type InputOption =
  number | 'inherit' | 'ignore' | Uint8Array | ((maxBytes: number) => Uint8Array | null);

/** The whole input of a program: a text, in UTF-8, or bytes. */
export type Input = string | NodeJS.ArrayBufferView | ArrayBuffer;

type AnyInput = Input | undefined;

export interface WASILimits {
  /**
   * The bytes that are captured of each output that is `'pipe'`. A program that writes more ends with the
   * RangeError ERR_WASI_STDIO_MAXBUFFER, thrown by `start()`; the output captured so far stays.
   * @default 67108864
   */
  stdout?: number | undefined;
  /**
   * The descriptors that the program may have open, its standard streams and preopens included; beyond, it
   * gets EMFILE. All programs together leave a quarter of the process's descriptors (`ulimit -n`) to the
   * host: while three quarters are open, no program opens anything, and a program that has to in order to
   * start fails with EMFILE.
   * @default half of the descriptors that the process may have, and 16384 at most
   */
  openFiles?: number | undefined;
}

/** A directory the program may use: of the host, by its path, or one in memory. */
export type Preopen = HostPreopen | MemoryPreopen;

export interface HostPreopen extends PreopenRights {
  /** Its real path, or the URL of that. */
  path: string | URL;
  directory?: undefined;
}

export interface MemoryPreopen extends PreopenRights {
  /** A directory that `memory()` has made. */
  directory: MemoryDirectory;
  path?: undefined;
}

export interface PreopenRights {
  /**
   * True if the program may only read in it, and in all that it opens through it. (If another of its
   * directories contains the same files, the rights of that directory hold there.)
   * @default false
   */
  readOnly?: boolean | undefined;
}

/** A stretch of time, or a time: a number in milliseconds, as in Node, or a bigint in nanoseconds. */
export type Time = number | bigint;

/**
 * Clocks that show the same in each run: they move only by what the program does. Each look at one, of the
 * program, moves all by `step`; and the time that it waits passes at once, in which it takes none (with a
 * descriptor to wait for as well, it is waited for so long in earnest). The clocks of the processor show what
 * the monotonic one shows. Times of the years 1970 to 2262.
 */
export interface FixedClock {
  /** The time of day with which it begins. @default the year 2000: 946684800000, in UTC */
  now?: Time | Date | undefined;
  /** The time that the monotonic clock begins with. @default 86400000, a day */
  monotonic?: Time | undefined;
  /**
   * The time that passes with each look. With 0 a program that waits for a clock to move, without sleeping,
   * waits for ever.
   * @default 0.001, a microsecond
   */
  step?: Time | undefined;
}

/**
 * The same, where functions may tell the time: called at each look, and what they return is shown, with the
 * time that the program has waited on top. An error that one throws ends the program.
 */
export interface ClassClock extends Omit<FixedClock, 'now' | 'monotonic'> {
  now?: FixedClock['now'] | (() => Time | Date);
  monotonic?: FixedClock['monotonic'] | (() => Time);
}

/**
 * The seed of a program's random bytes: a text (in UTF-8), bytes, or a whole number, which stands for its
 * decimal text. They are the stream of ChaCha20 under its SHA-256, the same for ever, however the program
 * asks for them. **They are not random**: who knows the seed knows them.
 */
export type Seed = string | number | bigint | Uint8Array;

/** Bytes of a file; a text is stored in UTF-8. */
export type FileData = string | NodeJS.ArrayBufferView | ArrayBuffer | SharedArrayBuffer;

/**
 * The files of a directory by their names, with their bytes, or the entries of a directory in it. A name may
 * be a path, such as `'lib/a.txt'`; that of a directory may end in a slash.
 */
export interface MemoryEntries {
  [name: string]: FileData | MemoryLink | MemoryEntries | undefined;
}

/** A symbolic link, made by `memory.link()`. */
export interface MemoryLink {
  readonly target: string;
}

export interface MemoryOptions {
  /**
   * Bytes that its files, names and directories may take together. Programs get ENOSPC beyond. A file counts
   * by the room that is made for its bytes, which may be twice these, at most 64 KiB more; a name 128 bytes
   * and its length, each file, directory and link 256. Holes in files take nothing.
   * @default 268435456, 256 MiB
   */
  limit?: number | undefined;
}

/**
 * Makes a directory in memory, with these files: a preopen that is no directory of the host. Programs have
 * the same system calls on it, with the same errors, in the class and in both engines. Several may have it at
 * the same time, also in other threads.
 *
 * @throws ERR_INVALID_ARG_VALUE: a name with `..`, `.`, an empty part or a null byte, or given twice
 * @throws ERR_OUT_OF_RANGE: the entries take more than the limit
 */
export function memory(entries?: MemoryEntries, options?: MemoryOptions): MemoryDirectory;
export namespace memory {
  /** A symbolic link, as an entry. Its target is relative to the directory it is in. */
  function link(target: string): MemoryLink;
  /**
   * A copy of a directory of the host: of its files, directories and links. Of another kind of file it is
   * ERR_INVALID_ARG_VALUE.
   */
  function from(path: string | URL, options?: MemoryOptions): MemoryDirectory;
  /**
   * The files of an archive of tar, which is not compressed. Owners, times and modes are left out; a name
   * with `..` is refused.
   */
  function fromTar(
    archive: NodeJS.ArrayBufferView | ArrayBuffer,
    options?: MemoryOptions,
  ): MemoryDirectory;
  /**
   * The directory of this token, which `share()` has made in any thread of the process: the same directory,
   * no copy. It must still be there.
   */
  function shared(token: string): MemoryDirectory;
}

/** The options of `overlay()`. */
export interface OverlayOptions {
  /**
   * The directory of the host: all in it can be read, and nothing in it is changed. It may change meanwhile:
   * what is not in `upper` is read when a program asks for it.
   */
  lower: string | URL;
  /**
   * The directory that gets all changes, within its limit. It may have files, which are in the place of the
   * host's with their paths. From now on they are those of the overlay, and `upper` is not to be used any
   * more.
   * @default an empty one, `memory()`
   */
  upper?: MemoryDirectory | undefined;
}

/**
 * Makes a directory in memory above one of the host, for preopens as one of `memory()`. Programs find the
 * host's files in it, and change, rename and remove them, and all that they do stays in memory: the host's
 * directory is as it was. A file is copied when it is first opened for writing, linked, renamed, or given
 * other times; what is only read takes nothing of the limit. No link leads out of it.
 *
 * `changed()` has what is new or different above, with whole directories that were renamed; `removed()` the
 * host's names that are not there any more. `tree()`, `toTar()` and `copyTo()` read all of it, the host's
 * files too. Pipes, sockets and devices of the host can be listed and removed, and not opened (EACCES). Names
 * that are no UTF-8 can be read, and not changed (EILSEQ).
 *
 * @throws ERR_INVALID_STATE: `upper` is in use by a program, another thread or an overlay
 * @throws ERR_ACCESS_DENIED: the permission model does not let this process read `lower`
 */
export function overlay(options: OverlayOptions): MemoryDirectory;

/**
 * A directory in memory. Errors of its methods are those of `node:fs` (`code`, `errno`, `syscall`, `path`);
 * paths have slashes on all systems, and one that leads out is ENOTCAPABLE.
 */
export class MemoryDirectory {
  private constructor();
  /** The bytes that its files, names and directories take, also of open files without a name. */
  readonly used: number;
  /** The bytes that they may take. */
  readonly limit: number;
  /** The bytes of a file; with an encoding, its text. */
  readFile(path: string, options?: { encoding?: null | undefined } | null): Buffer;
  readFile(path: string, options: BufferEncoding | { encoding: BufferEncoding }): string;
  /** Gives a file these bytes. It is made if it is not there, with the directories it is in. */
  writeFile(path: string, data: FileData): void;
  /** Removes a file, or a directory with all that is in it. */
  rm(path: string): void;
  /** All files, as `memory()` takes them: a copy. Of an overlay, the host's files too. */
  tree(): MemoryTree;
  /** The files, directories and links that were not there at the start, or are different now: a copy. */
  changed(): MemoryTree;
  /** The paths of the start that are not there any more. Those of directories end in a slash. */
  removed(): string[];
  /**
   * Writes all files into a directory of the host, which is made, or is empty. Nothing is written if a link
   * leads out of it.
   */
  copyTo(path: string | URL): void;
  /** An archive of tar, not compressed: the same bytes for the same files. */
  toTar(): Buffer;
  /** A token for `memory.shared()`, good as long as the directory is there. It is as secret as its files. */
  share(): string;
}

/** Files as `tree()` gives them. */
export interface MemoryTree {
  [name: string]: Buffer | MemoryLink | MemoryTree;
}

/** The options of the class. Others are ignored, as node:wasi ignores them. */
/** A parameter or a result of a system call, as it is shown. */
export type TracedValue = number | string | string[] | { buf: number; buf_len: number }[];

/**
 * A system call that a program has made. It is plain data, which JSON has as it is. Numbers of 64 bits beyond
 * 2**53 are the nearest that JavaScript has; lines of text have them as they are.
 */
export interface TracedCall {
  /** The standard's name, such as `'path_open'`; of a socket's, which preview 1 has not, `'sock_...'`. */
  name: string;
  /**
   * Its parameters when it began, by their names in the standard: descriptors, sizes and addresses as
   * numbers, `whence` and the like by name, flags as a list of names (those without one as a number, such as
   * `'0x40'`), paths as text, without their length (bytes that are no UTF-8 are U+FFFD), and of lists of
   * buffers the first 8 and their number. A path or a list that is not inside the memory is its address.
   */
  params: Record<string, TracedValue>;
  /** The numbers that it has left, by the names of the parameters that point to them; empty if it failed. */
  result: Record<string, number | string>;
  /**
   * The name of the error, as Node's codes are: `'ENOENT'`. Null if it has succeeded, or does not return
   * (`proc_exit`).
   */
  errno: string | null;
  /** The time that it took, with its wait. */
  nanoseconds: number;
}

/** The calls that are shown, and where. */
export interface TraceOptions {
  /**
   * The names of those that are shown, or patterns, in which `*` is any text: `['path_*', 'fd_close']`. One
   * that no system call has is ERR_INVALID_ARG_VALUE.
   * @default ['*']
   */
  calls?: readonly string[] | undefined;
  /** True if only calls that fail are shown. @default false */
  errors?: boolean | undefined;
  /**
   * Where they are shown. A path, or its URL, is a file to whose end they are written as lines of text; it is
   * made if there is none. One that can't be opened is an error, as for a preopen.
   * @default true, this process's stderr
   */
  to?: true | string | URL | TraceReceiver | undefined;
}

/**
 * A function that gets calls, or a Writable that gets lines of text. In the class and `loadSync()` each line
 * is a Buffer; otherwise Buffers are parts of the text, as they are of a program's output.
 */
export type TraceReceiver = ((call: TracedCall) => unknown) | OutputStream;

/**
 * - `true`: each call is a line on this process's stderr (descriptor 2), before the program goes on. A slow
 *   reader slows the program down: no line is lost. `false`: none is shown.
 * - A function, or a Writable: they get the calls.
 * - An object: which calls, and where. See {@link TraceOptions}.
 *
 * A program can't write lines of its own: its texts are quoted.
 */
export type TraceOption = boolean | TraceReceiver | TraceOptions;

export interface WASIOptions<
  Stdout extends AnyOutput = AnyOutput,
  Stderr extends AnyOutput = AnyOutput,
> {
  /** The version of WASI to provide. */
  version: 'unstable' | 'preview1';
  /**
   * The program's command line. The first argument is the path to the program itself, as in node:wasi.
   * @default []
   */
  args?: readonly string[] | undefined;
  /**
   * The program's environment: the value of each name, as a string. Entries that are undefined are left out.
   * @default {}
   */
  env?: object | undefined;
  /**
   * The directories the program may use: each key is a path as the program sees it, each value the real path
   * of that directory. No path, link or `..` leads the program out of them. In the root directory `/` (on
   * Linux), which has nothing outside, absolute links are followed; magic links, such as `/proc/self/fd/1`,
   * nowhere. A directory that can't be opened is an error whose `code` is `UVWASI_` and the errno's name,
   * such as `UVWASI_ENOENT`. In `{ path, readOnly: true }` the program can only read: all other calls are
   * EROFS. (An entry that is undefined, which node:wasi's types allow, is the path `undefined` here as
   * there.)
   * @default {}
   */
  preopens?:
    Readonly<Record<string, string | URL | MemoryDirectory | Preopen | undefined>> | undefined;
  /**
   * True if `start()` returns the exit code when the program calls `proc_exit`; if false, the process exits
   * with it.
   * @default true
   */
  returnOnExit?: boolean | undefined;
  /**
   * The program's standard input:
   * - a number: a file descriptor of this process, used as it is: keep it open while the program may use it.
   *   Of 0, 1 and 2, this process's own streams, the program has one direction (it reads stdin, and writes
   *   stdout and stderr) and nothing else; any other descriptor it may use as this process can: it may cut
   *   the file, or set and clear O_APPEND for all processes that share it;
   * - `'inherit'`: this process's own; `'ignore'`: no input; any other text is refused: it belongs into
   *   `input`;
   * - a Uint8Array: a copy of its bytes;
   * - a function: called with the number of bytes that the program wants, when none are left. It returns them
   *   (more are kept for the next reads), or `null` at the end; any other value is ERR_INVALID_RETURN_VALUE.
   * @default 0
   */
  stdin?: InputOption | undefined;
  /**
   * The whole standard input of the program, copied; in place of `stdin`, with which it can't be combined
   * (ERR_INCOMPATIBLE_OPTION_PAIR).
   */
  input?: Input | undefined;
  /**
   * The program's standard output.
   * @default 1
   */
  stdout?: Stdout | undefined;
  /**
   * The program's standard error.
   * @default 2
   */
  stderr?: Stderr | undefined;
  /** The most that the program may have. */
  limits?: WASILimits | undefined;
  /**
   * Where each system call is shown, to find out what a program does. See {@link TraceOption}.
   *
   * A function is called after the call, before the program goes on, as functions for streams are: what it
   * throws, `start()` throws. Its result is ignored, also if that is a promise; a Writable keeps what it has
   * no room for.
   * @default what the variable WASI_RS_TRACE says: 1 or true is stderr, another text a file; false without it
   */
  trace?: TraceOption | undefined;
  /**
   * Sockets that take connections, which the program is started with: their numbers come after those of the
   * directories, in this order. `listen` is one address and one port; a number is a descriptor of this
   * process with a socket that listens, such as a server's, of which the program gets a copy: each side may
   * close its own. The program takes connections by `sock_accept`, waits for them by `poll_oneoff`, and has
   * as many as `limits.openFiles` lets it. `sockets` of the object tells their ports. Calls that wait stop
   * the thread: for a server `spawn()` is better. Under Node's permission model (from Node 25 on) it needs
   * `--allow-net`. There are none on Windows.
   */
  sockets?: readonly (ServedRule | number)[] | undefined;
  /** Clocks that show the same in each run, or functions that tell the time. @default the system's */
  clock?: ClassClock | undefined;
  /** The seed of its random bytes. @default bytes of the system's */
  random?: Seed | undefined;
}

/** The options that node:wasi knows as well. */
export interface DescriptorOptions extends Omit<
  WASIOptions,
  'input' | 'limits' | 'preopens' | 'trace' | 'clock' | 'random' | 'sockets'
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

/**
 * The WASI system calls, and the methods that run a program with them. Each object is an environment of its
 * own.
 */
export class WASI<Stdout extends AnyOutput = AnyOutput, Stderr extends AnyOutput = AnyOutput> {
  /**
   * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE: an option is wrong
   * @throws UVWASI_EBADF, UVWASI_ENOENT, ...: a descriptor or a preopen can't be used
   * @throws ERR_ACCESS_DENIED: under Node's permission model without `--allow-wasi`
   */
  constructor(options: WASIOptions<Stdout, Stderr>);
  /** As node:wasi declares it, so that this class may be given where that one is expected. */
  constructor(options: DescriptorOptions);

  /**
   * The system calls, to be passed as the module's import `wasi_snapshot_preview1` (or `wasi_unstable`).
   * Called before the memory is bound they throw ERR_WASI_NOT_STARTED.
   */
  readonly wasiImport: WASIImport;

  /** A copy of the program's stdout so far, if `options.stdout` is `'pipe'`. */
  readonly stdout: Stdout extends 'pipe' ? Buffer : undefined;

  /** A copy of the program's stderr so far, if `options.stderr` is `'pipe'`. */
  readonly stderr: Stderr extends 'pipe' ? Buffer : undefined;

  /** The sockets that the program is started with, if `options.sockets` is given. */
  readonly sockets?: readonly ServedSocket[];

  /** `wasiImport` under the name the chosen version imports it by. */
  getImportObject(): Record<string, WASIImport>;

  /**
   * Runs `instance` as a command: calls its `_start()` export and returns the exit code. An exception of the
   * program passes through as it is. The exit code is a signed 32-bit integer. When the program exits, or one
   * of the functions in `options` throws, it ends: no handler of its own (`catch_all`) catches that, and the
   * error is thrown here.
   * @throws ERR_INVALID_ARG_TYPE: there is no `_start()`, there is an `_initialize()`, or no memory is
   * exported as `memory`
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

  /** Closes all that the program has open, at once rather than when the object is collected. */
  [Symbol.dispose](): void;
}

/** A WebAssembly.Module, whose own type is empty and would take anything. */
export interface WebAssemblyModule {
  readonly [Symbol.toStringTag]?: 'WebAssembly.Module';
}

/**
 * A program: a path, the URL of a file, its bytes, a `Program` of `compile()`, or a WebAssembly.Module. A
 * module runs in V8 as it is: its memory is bounded by its own maximum and V8's only, and `limits.memory`,
 * `limits.tableElements`, `limits.fuel`, `engine: 'wasmtime'`, `deterministic`, `cache`, `imports` and
 * `load()` are refused (ERR_INVALID_ARG_VALUE).
 */
export type ProgramSource =
  string | URL | NodeJS.ArrayBufferView | ArrayBufferLike | Program | WebAssemblyModule;

/**
 * The source of input for a program off the event loop: as in the class, or a Readable or another
 * AsyncIterable.
 */
export type RunInputOption =
  | InputOption
  | AsyncIterable<string | Uint8Array>
  | ((maxBytes: number) => Uint8Array | null | Promise<Uint8Array | null>);

type AnyEncoding = BufferEncoding | 'buffer' | null | undefined;

/** Captured output in an encoding. */
type Text<Encoding> = [Absent] extends [Encoding]
  ? Buffer
  : Encoding extends 'buffer' | null | undefined
    ? Buffer
    : string;

/** Captured output, as the options want it. */
type Captured<Encoding, Lines> = [Absent] extends [Lines]
  ? Text<Encoding>
  : Lines extends true
    ? string[]
    : Text<Encoding>;

/** The encodings whose text shows bytes: it has no lines. */
type EncodingOfBytes = 'hex' | 'base64' | 'base64url' | 'buffer' | null;

/** A type that no options are of which ask for lines in such an encoding. */
type Fitting<Encoding, Lines> = [Absent] extends [Lines]
  ? {}
  : [Lines] extends [true]
    ? [Absent] extends [Encoding]
      ? {}
      : [Encoding] extends [EncodingOfBytes]
        ? { lines: false }
        : {}
    : {};

/**
 * A type that all options are of. From it TypeScript infers that an option may be undefined, which it passes
 * over where the property may be missing.
 */
type Inferred<Stdout, Stderr, Stdin = never, Bytes = never, Encoding = never, Lines = never> =
  | {}
  | { stdout: Stdout }
  | { stderr: Stderr }
  | { stdin: Stdin }
  | { input: Bytes }
  | { encoding: Encoding }
  | { lines: Lines };

/** The same for `spawn()`, where `'pipe'` is a stream that this side writes to. */
export type SpawnInputOption = RunInputOption | 'pipe';

type AnyStdin = SpawnInputOption | undefined;

/** The receiver of a program's output. */
export type RunOutputOption = OutputOption | WritableStream;

type AnyRunOutput = RunOutputOption | undefined;

export interface RunLimits extends Pick<WASILimits, 'openFiles'> {
  /**
   * The bytes that the program may have: its memories, tables and garbage-collected objects together. Beyond,
   * `memory.grow` and `table.grow` fail, and the program goes on; if it makes one more object, it traps
   * (ERR_WASI_TRAP). A program that needs more to begin with does not start (ERR_WASI_PROGRAM). The process
   * may grow by this and an allowance: 32 MiB in wasmtime, 128 MiB in V8; captured output and machine code
   * come on top (docs/limits.md).
   *
   * V8 can't be asked while a program runs, so the limit is divided before: each memory and table has the
   * size that it begins with; an eighth of the rest is for tables to grow; half of the remainder is for
   * objects, if the program can make any; the remainder of that is for the memories, in their order, each as
   * far as it may grow. `docs/limits.md` says more.
   * @default the maxima of its module; all its memories together 4 GiB at most
   */
  memory?: number | undefined;
  /**
   * The elements that its tables may have together. Beyond, `table.grow` fails. In V8 the limit is divided
   * before: in their order, each table may grow as far as the limit allows.
   * @default 10000000, which is also the most; 1000000 in V8 for a program that makes objects
   */
  tableElements?: number | undefined;
  /**
   * The bytes of stack that it may use, from 4096 to 67108864 (64 MiB). Beyond, it traps (ERR_WASI_TRAP). The
   * same calls take more stack in V8 than in wasmtime.
   * @default 1048576
   */
  stack?: number | undefined;
  /**
   * The work that it may do: about one unit for each instruction, the same in each run. Beyond, it ends with
   * ERR_WASI_FUEL. Only wasmtime counts: a program with this limit runs in it.
   * @default no limit
   */
  fuel?: number | undefined;
}

/**
 * The options are read and copied, and relative paths resolved, before `run()` or `spawn()` returns. The type
 * of the result follows from the types of the streams. Options that are not known are refused
 * (ERR_INVALID_ARG_VALUE).
 */
export interface RunOptions<
  Stdout extends AnyRunOutput | Absent = AnyRunOutput,
  Stderr extends AnyRunOutput | Absent = AnyRunOutput,
  Stdin extends AnyStdin | Absent = RunInputOption | undefined,
  Bytes extends AnyInput | Absent = AnyInput,
  Encoding extends AnyEncoding | Absent = AnyEncoding,
  Lines extends boolean | undefined | Absent = boolean | undefined,
> {
  /**
   * The program's arguments **without its name**, as in child_process; the class has the name among them. No
   * NUL is allowed in them.
   * @default []
   */
  args?: readonly string[] | undefined;
  /**
   * The program's name, which it finds before its arguments.
   * @default the name of its file without the folders; for bytes and modules, 'program.wasm'
   */
  argv0?: string | undefined;
  /**
   * As in the class, but without NUL in them, and with names that are not empty and have no `=`.
   * @default {}
   */
  env?: Readonly<Record<string, string | undefined>> | undefined;
  /**
   * As in the class, but without NUL in them, and a value that is no path is ERR_INVALID_ARG_TYPE; the
   * directories are opened when the program begins.
   * @default {}
   */
  preopens?: Readonly<Record<string, string | URL | MemoryDirectory | Preopen>> | undefined;
  /**
   * The functions that the program imports from elsewhere than WASI, by module and name. One may return a
   * promise: the program waits, and this thread does not. If one throws, the program is ended with
   * ERR_WASI_HOST. Such a program runs in wasmtime.
   */
  imports?: Imports | undefined;
  /**
   * Makes the requests of a component that imports wasi:http: `globalThis.fetch`, or a
   * function that looks at `request.url` first. Redirects are left to the component. If it throws, the
   * request has an error: the `payload` of a ComponentError, which is a code of wasi:http, or the nearest
   * code to that of the network's error. Without it, or if it returns nothing, the request is denied.
   */
  fetch?: Fetch | undefined;
  /**
   * Where a program may connect and listen, and which names it may look up. Without it, and for all that no
   * rule permits, a component gets `access-denied`.
   *
   * A module of preview 1 has no call that makes a socket. It is started with one for each `listen`, which
   * takes connections there, as in the class; an address that can't be had is an error, such as
   * UVWASI_EADDRINUSE. Rules to connect give it nothing. A number is a descriptor of this process with a
   * socket that listens, of which a module gets a copy, made when `run()` is called; a component has no use
   * for one. `child.sockets` and `instance.sockets` tell the ports.
   *
   * Under Node's permission model (from Node 25 on) the option needs `--allow-net`.
   * @default []
   */
  sockets?: readonly (SocketRule | number)[] | undefined;
  /**
   * True if another exit code than 0 is an error, ERR_WASI_EXIT: `run()` and `result` reject. **Without it
   * they are fulfilled for any exit code.** (`spawn()` emits no 'error' for it.)
   * @default false
   */
  check?: boolean | undefined;
  /** Need not be given: the program's imports tell it. */
  version?: 'unstable' | 'preview1' | undefined;
  /**
   * The program's standard input. The program gets a copy of a descriptor: it may be closed when `run()` has
   * returned. A stream is read as fast as the program reads, and destroyed if the program ends before it; an
   * error of it, when it is opened or later, ends the program.
   * @default 'ignore' in run(), 'pipe' in spawn(): a stream that this side writes to
   */
  stdin?: Stdin | undefined;
  /** The whole standard input of the program, in place of `stdin`, as in the class. */
  input?: Bytes | undefined;
  /**
   * The program's standard output. `'pipe'` is captured in run(), and a stream that this side reads in
   * spawn(). A Writable, a WritableStream, or a function that returns a promise, makes the program wait, and
   * the run ends when they have taken the last byte; an error of theirs ends it. A stream is not ended; if it
   * is ended or destroyed elsewhere, the program ends with EPIPE.
   * @default 'pipe'
   */
  stdout?: Stdout | undefined;
  /** The program's standard error, likewise. @default 'pipe' */
  stderr?: Stderr | undefined;
  /**
   * The encoding of captured output, which is then a string, and of the streams of `spawn()`. Functions and
   * streams of yours get bytes all the same.
   * @default 'buffer'; 'utf8' with `lines`
   */
  encoding?: Encoding | undefined;
  /**
   * True if captured output is an array of lines, without their ends: `\n`, or `\r\n`. An encoding that shows
   * bytes has none ('hex', 'base64', 'base64url', 'buffer', null: ERR_INCOMPATIBLE_OPTION_PAIR).
   * @default false
   */
  lines?: Lines | undefined;
  /**
   * The bytes of output that are captured, of stdout and stderr each. A program that writes more is ended
   * with ERR_WASI_STDIO_MAXBUFFER, whose `stdout` and `stderr` have what was captured.
   * @default 67108864 (64 MiB); or limits.memory if that is less, but 1048576 at least
   */
  maxBuffer?: number | { stdout?: number | undefined; stderr?: number | undefined } | undefined;
  /**
   * The milliseconds after which the program is ended with ERR_WASI_TIMEOUT, counted from the call: they
   * include the time in which it is compiled or waits for a thread. 0 is never.
   * @default 0
   */
  timeout?: number | undefined;
  /**
   * Ends the program with an AbortError, whose `cause` is the signal's reason. If it has been aborted before,
   * nothing is opened, and the program ends in the same way, without having begun.
   */
  signal?: AbortSignal | undefined;
  /**
   * The number of programs that may have begun in its engine and not ended, this one included. A program that
   * is one too many when its turn comes is not begun: it ends with ERR_WASI_BUSY. So programs that wait for
   * input or a clock, each of which takes a thread and no processor, can't stop all others for ever.
   * (wasmtime counts the programs of the process, V8 those of this thread.)
   * @default 512 in wasmtime, 64 in V8
   */
  concurrency?: number | undefined;
  /** The most that the program may have. */
  limits?: RunLimits | undefined;
  /**
   * Where each system call is shown, to find out what a program does. See {@link TraceOption}.
   *
   * Functions and Writables get the calls in their order, all before the result is there (those of an
   * instance, when it is closed), and the program waits where it makes them faster than they are taken: while
   * a Writable has no room, or a promise that the function returns is pending. One that fails ends the
   * program with ERR_WASI_STREAM. (`loadSync()` calls them as the class does.)
   * @default what the variable WASI_RS_TRACE says: 1 or true is stderr, another text a file; false without it
   */
  trace?: TraceOption | undefined;
  /** Amounts that are counted beside the usual. */
  usage?: UsageOptions | undefined;
  /** Clocks that show the same in each run. @default the system's */
  clock?: FixedClock | undefined;
  /** The seed of its random bytes. @default bytes of the system's */
  random?: Seed | undefined;
  /**
   * True if two runs of the program do the same, byte for byte, where they have the same arguments,
   * environment, input and files: `clock` and `random` are fixed (by default with the seed 0), directories
   * are listed in the order of their names' bytes, times at which the system says that files were changed in
   * the future of `clock` are shown as its beginning, and the bits of a NaN and relaxed SIMD, which
   * WebAssembly leaves open, are those of every processor. So it runs in wasmtime, from machine code of its
   * own. `engine: 'v8'`, a WebAssembly.Module, `fetch`, `sockets` and, with `preopens`, a `clock.now` in the
   * future are refused. The numbers of files (`ino`, `dev`) stay the system's; what functions and streams of
   * yours give, and when, is yours; `timeout` and `signal` end a program at any point; and `usage` tells what
   * was used. docs/decisions/deterministic.md says more.
   * @default false
   */
  deterministic?: boolean | undefined;
  /**
   * The engine that runs the program:
   * - `'wasmtime'`: from machine code that is kept on disk;
   * - `'v8'`: in a worker thread;
   * - `'auto'`: wasmtime if there is machine code or little to compile, otherwise V8. When a run in V8 is
   *   over, or after a second, a thread of low priority makes the machine code for the next time, unless the
   *   process ends before: `compile()` makes it at once. A program that one engine can't run (wasmtime has no
   *   garbage-collected types and no exceptions, and refuses modules that are too hard to compile; some
   *   versions of V8 have no memories of 64 bits) runs in the other.
   *
   * V8 computes faster, up to twice as fast, once it has run for a second or so; wasmtime starts sooner,
   * takes less memory and counts fuel.
   * @default 'auto'
   */
  engine?: 'auto' | 'wasmtime' | 'v8' | undefined;
  /**
   * The folder that keeps machine code, at most 1 GiB. It must be this user's and closed to others (mode 700,
   * as it is made), no symbolic link, and on a file system with extended attributes: otherwise nothing is
   * kept, and a warning says so; it is no error. A program that may write to the folder can't change the code
   * that is run. `true` is the folder of the variable WASI_RS_CACHE (empty: none), or else `wasi-rs` in
   * XDG_CACHE_HOME, ~/.cache, ~/Library/Caches or LOCALAPPDATA. `false` keeps none. For a program from
   * `compile()`, the option of that call counts.
   * @default the folder of the variable WASI_RS_CACHE; none without it
   */
  cache?: boolean | string | URL | undefined;
}

/** The options of `spawn()`. */
export type SpawnOptions<
  Stdin extends AnyStdin | Absent = AnyStdin,
  Bytes extends AnyInput | Absent = AnyInput,
  Stdout extends AnyRunOutput | Absent = AnyRunOutput,
  Stderr extends AnyRunOutput | Absent = AnyRunOutput,
> = RunOptions<Stdout, Stderr, Stdin, Bytes>;

/** `End` for a stream that is `'pipe'`, as it is by default; null for others. */
type Piped<Option, End> = [Absent] extends [Option]
  ? End
  : Option extends 'pipe' | undefined
    ? End
    : null;

/** This side's end of a program's standard input. */
type InputEnd<Stdin, Bytes> = [Absent] extends [Bytes]
  ? Piped<Stdin, Writable>
  : Bytes extends undefined
    ? Piped<Stdin, Writable>
    : null;

/** Amounts that are counted of a program beside the usual. */
export interface UsageOptions {
  /**
   * True if its system calls are counted by name, in `usage.byCall`. Each call then takes some 100 ns more.
   * @default false
   */
  byCall?: boolean | undefined;
}

/** The calls of one name. */
export interface CallUsage {
  /** Their number. */
  calls: number;
  /** The number of those that have failed. */
  errors: number;
  /** The nanoseconds that they have taken together, with their waits. */
  nanoseconds: number;
}

/** The resources that a program has used. */
export interface RunUsage {
  /** Milliseconds from its request until there was a place for it, without those of `compiled`. */
  queued: number;
  /** Milliseconds that it waited for its program to be compiled; 0 if that had been done before. */
  compiled: number;
  /** Milliseconds from its beginning to its end. */
  wall: number;
  /**
   * Milliseconds of processor time; of each call of an export, one too many at most. For a program that was
   * ended in the middle of a long instruction, where the system does not tell (all but Linux), the same as
   * `wall`.
   */
  cpu: number;
  /** The most bytes of memory that it had. */
  memory: number;
  /** Fuel, if it was limited. */
  fuel?: number;
  /** The number of system calls it made. */
  calls: number;
  /** Bytes it read. */
  read: number;
  /** Bytes it wrote. */
  written: number;
  /** The system calls it made, by their names, if the option `usage.byCall` is true. */
  byCall?: Record<string, CallUsage>;
}

/** The outcome of a program. */
export interface RunResult<
  Stdout extends Buffer | string | string[] | null = Buffer | null,
  Stderr extends Buffer | string | string[] | null = Buffer | null,
> {
  /** A signed 32-bit integer. */
  exitCode: number;
  /** Its output, if that was captured. */
  stdout: Stdout;
  stderr: Stderr;
  usage: RunUsage;
}

/**
 * The codes of a {@link WasiError}:
 * - ERR_WASI_EXIT: its exit code is not 0, with `check`
 * - ERR_WASI_TIMEOUT, ABORT_ERR, ERR_WASI_KILLED: it was ended by `timeout`, `signal`, `kill()`
 * - ERR_WASI_FUEL, ERR_WASI_STDIO_MAXBUFFER: it reached a limit
 * - ERR_WASI_TRAP: it trapped; the first line of the message has the reason, in the same words in both
 *   engines, and the lines below have the names of the functions on the stack
 * - ERR_WASI_STREAM: a stream or function that was given as `stdin`, `stdout` or `stderr` has failed; `cause`
 *   is its error
 * - EPIPE: a Writable for its output was ended or destroyed
 * - ERR_WASI_HOST: a function of `imports` has thrown; `cause` is what it has thrown
 * - ERR_WASI_HTTP: a handler has given no response, one that is none, or an error
 * - ERR_WASI_BUSY: it was not begun: as many as `concurrency` allows had begun and not ended
 * - ERR_WASI_PROGRAM: it is no program that runs here: no module, or none that the engine can compile; it has
 *   no `_start` without parameters and results, or an `_initialize` as well; or it makes system calls and
 *   exports no memory as `memory`
 * - ERR_WASI_IMPORT: an import of it does not exist, or it imports system calls of both editions of WASI
 * - ERR_WASI_RS: there was no thread or memory for it, or a mistake in this package
 * - UVWASI_ENOENT, UVWASI_EBADF, ...: a directory or descriptor can't be used
 * - ENOENT, EISDIR, ...: its file can't be read; `path`, `syscall` and `errno` are set as in Node's errors
 */
export type WasiErrorCode =
  | 'ERR_WASI_EXIT'
  | 'ERR_WASI_TIMEOUT'
  | 'ABORT_ERR'
  | 'ERR_WASI_KILLED'
  | 'ERR_WASI_FUEL'
  | 'ERR_WASI_STDIO_MAXBUFFER'
  | 'ERR_WASI_TRAP'
  | 'ERR_WASI_STREAM'
  | 'EPIPE'
  | 'ERR_WASI_HOST'
  | 'ERR_WASI_HTTP'
  | 'ERR_WASI_BUSY'
  | 'ERR_WASI_PROGRAM'
  | 'ERR_WASI_IMPORT'
  | 'ERR_WASI_RS'
  | `UVWASI_E${string}`
  | 'EACCES'
  | 'EAGAIN'
  | 'EIO'
  | 'EISDIR'
  | 'ELOOP'
  | 'EMFILE'
  | 'ENAMETOOLONG'
  | 'ENFILE'
  | 'ENOENT'
  | 'ENOMEM'
  | 'ENOTDIR'
  | 'EPERM';

/**
 * The error of a program off the event loop, with its output and usage so far. Wrong options are TypeErrors
 * and RangeErrors instead, with Node's codes.
 */
export class WasiError extends Error {
  private constructor();
  /** `'AbortError'` for ABORT_ERR. */
  name: 'WasiError' | 'AbortError';
  code: WasiErrorCode;
  /** True if `timeout` has ended it. */
  timedOut: boolean;
  /** True if `signal` has ended it. */
  isCanceled: boolean;
  /** True if it wrote more than is captured. */
  isMaxBuffer: boolean;
  /**
   * True if it has ended as a process does that a signal ends: `signal` is the signal. So has one that
   * `kill()`, `timeout` or `signal` has ended before it had begun.
   */
  isTerminated: boolean;
  /** Its exit code, if it has ended by itself. */
  exitCode: number | undefined;
  /**
   * The signal of `kill()`; SIGTERM if `timeout`, `signal`, a stream or its Runner's `close()` has ended it,
   * before it had begun or later; SIGABRT if it has trapped or reached a limit, or for ERR_WASI_RS. Undefined
   * if it has ended by itself, or could not begin.
   */
  signal: NodeJS.Signals | undefined;
  /**
   * Its output so far, if that is captured, as the options want it: of a program that has not begun as well,
   * which has none. Null if it is not captured.
   */
  stdout: Buffer | string | string[] | null;
  stderr: Buffer | string | string[] | null;
  /** Undefined if it was not asked for an engine. */
  usage: RunUsage | undefined;
  /**
   * The error behind it, as it was thrown: of the embedder's stream or function, of `kill()`, of V8; the
   * reason of the AbortSignal. Of a trap it is the engine's error, with its message: a
   * WebAssembly.RuntimeError, or V8's RangeError, whose `stack` has the functions of the program, innermost
   * first (64 at most, without control characters; wasmtime has 20).
   */
  cause?: unknown;
  /** For EPIPE, and where a file can't be read or opened. */
  errno?: number;
  syscall?: string;
  path?: string;
}

/**
 * Runs a program (a command: it exports `_start`) off the event loop, and resolves when it has ended and all
 * its output has been delivered. As many run at a time as there are processors, but 4 at least, not counting
 * those that wait for input or a clock; the others wait for their turn. If all that run compute for long,
 * and none of the others gets a turn for a second, one more may run; the next one after two seconds more,
 * then four, and so on.
 * A path is read again by each call, and in wasmtime without a cache compiled again: `compile()` does both
 * once for any number of runs.
 * **It is fulfilled for any exit code**: look at `exitCode`, or ask for `check: true`, with which another
 * one than 0 is a rejection.
 * @throws WasiError, as a rejection
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE, ERR_ACCESS_DENIED, as in the class;
 * rejections too
 */
export function run<
  Stdout extends AnyRunOutput | Absent,
  Stderr extends AnyRunOutput | Absent,
  Encoding extends AnyEncoding | Absent,
  Lines extends boolean | undefined | Absent,
>(
  source: ProgramSource,
  options?: RunOptions<Stdout, Stderr, RunInputOption | undefined, AnyInput, Encoding, Lines> &
    Inferred<Stdout, Stderr, never, never, Encoding, Lines> &
    Fitting<Encoding, Lines>,
): Promise<
  RunResult<Piped<Stdout, Captured<Encoding, Lines>>, Piped<Stderr, Captured<Encoding, Lines>>>
>;

/**
 * Starts a program off the event loop. Its streams, events and `kill()` are those of Node's ChildProcess. A
 * pipe that nobody reads fills up and stops the program, as there: that of stderr as well.
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE, ERR_ACCESS_DENIED, UVWASI_EBADF
 */
export function spawn<
  Stdin extends AnyStdin | Absent,
  Bytes extends AnyInput | Absent,
  Stdout extends AnyRunOutput | Absent,
  Stderr extends AnyRunOutput | Absent,
>(
  source: ProgramSource,
  options?: SpawnOptions<Stdin, Bytes, Stdout, Stderr> & Inferred<Stdout, Stderr, Stdin, Bytes>,
): GuestProcess<InputEnd<Stdin, Bytes>, Piped<Stdout, Readable>, Piped<Stderr, Readable>>;

/**
 * Compiles a program, or finds its machine code in the cache, so that it starts soon also the first time. It
 * need not be a command, nor need its imports be there. Machine code is wasmtime's: a module that only V8
 * can compile (it has exception tags, references to JavaScript's objects) is refused, and runs by `run()`.
 * @throws ERR_WASI_PROGRAM, ERR_WASI_IMPORT, ENOENT, ..., as a rejection
 */
export function compile(
  source: ProgramSource,
  options?: Pick<RunOptions, 'cache'>,
): Promise<Program>;

/**
 * Makes a program of the bytes of `program.serialize()`, by the same version of this package on the same kind
 * of processor. **Machine code is trusted**: bytes from anywhere else can do anything to this process. It
 * runs in wasmtime without counting fuel: with `engine: 'v8'`, `limits.fuel` or `deterministic` it is refused
 * (ERR_WASI_PROGRAM).
 * @throws ERR_WASI_PROGRAM, as a rejection: another version, another processor, or bytes that are seen to be
 * damaged
 */
export function deserialize(bytes: NodeJS.ArrayBufferView | ArrayBufferLike): Promise<Program>;

/** A number of WebAssembly: an `i64` is a bigint, an `i32`, `f32` or `f64` a number. */
export type WasmNumber = number | bigint;

/**
 * A function for a guest. The arguments have the guest's types; the result is converted to its type as
 * WebAssembly's JavaScript interface does it. A function with several results returns them as an iterable.
 */
export type ImportedFunction = (...args: any[]) => unknown;

/**
 * The functions for a guest, by module and name; or a function that makes them, which gets the guest's memory
 * for them.
 */
export type Imports = GivenImports | ((guest: { memory: GuestMemory }) => GivenImports);

/**
 * Items for a module, by module and name; or for a component, by the name of its interface, with
 * or without its version: functions in camelCase, and classes in PascalCase for resources. A function that a
 * component imports alone stands under its own name.
 */
export type GivenImports = Readonly<
  Record<string, ImportedItem | Readonly<Record<string, ImportedItem>>>
>;

/** A function, or a class for a resource. */
export type ImportedItem = ImportedFunction | (abstract new (...args: any) => any);

/** A rule of the option `sockets`: one place where a program may connect, or listen. */
export type SocketRule = ConnectRule | ListenRule;

/** A place where a component may connect to. */
export interface ConnectRule {
  /**
   * `HOST:PORT`. The host is a name (`db.example`), the names below one (`*.example.com`), an address
   * (`192.0.2.7`, `[2001:db8::7]`), a network (`10.0.0.0/8`, `[fd00::]/8`), or `*` for all. The port is a
   * number, a range (`8000-8010`), or `*` for all. A name may be looked up, and the addresses that the
   * component finds may be connected to at these ports; with an address, no name may be looked up.
   */
  connect: string;
  listen?: undefined;
  /** With `'udp'`, datagrams may be sent there, and received from there. @default 'tcp' */
  protocol?: 'tcp' | 'udp' | undefined;
}

/** A place where a program may listen. */
export interface ListenRule {
  /**
   * `ADDRESS:PORT`. The address is one of this host (`127.0.0.1`, `[::1]`), a network of them, `0.0.0.0` or
   * `[::]` for all at once, or `*` for any of these. The port is a number, a range, or `*`; port 0 is one of
   * the system's choice. For a module of preview 1 it is one address and one port, for TCP.
   */
  listen: string;
  connect?: undefined;
  /** With `'udp'`, the component receives datagrams there, from anybody. @default 'tcp' */
  protocol?: 'tcp' | 'udp' | undefined;
}

/** A place where a program of the class takes connections. */
export interface ServedRule extends ListenRule {
  protocol?: 'tcp' | undefined;
}

/** A socket that a program was started with. */
export interface ServedSocket {
  /** Its number for the program. */
  readonly fd: number;
  /** The address that it listens at; this, `family` and `port` are not there for one of the file system. */
  readonly address: string;
  readonly family: 'IPv4' | 'IPv6';
  readonly port: number;
}

/**
 * A function that makes a request of a component. `request.signal` is aborted when the component drops the
 * request, or ends. `request.trailers` are the fields that the component sends after the body, once that is
 * read; a response may have `trailers` for the component. (The fetch of Node knows of neither.)
 */
export type Fetch = (
  request: Request & { readonly trailers: Promise<Headers> },
) => FetchResult | Promise<FetchResult>;

/** Fields, in any form that Headers takes. */
export type Trailers = ConstructorParameters<typeof Headers>[0];

/** The answer of a function for a request; nothing, if it denies it. */
export type FetchResult =
  (Response & { readonly trailers?: Trailers | PromiseLike<Trailers> }) | null | undefined;

/**
 * The error of a component's function whose result is `result<_, E>`; thrown by a function of `imports`, it
 * is the error that the component gets.
 */
export class ComponentError<Payload = unknown> extends Error {
  constructor(payload: Payload);
  readonly name: 'ComponentError';
  /** The value of the error, of its type in the component's interface. */
  readonly payload: Payload;
}

/**
 * The memory of a guest, its export `memory`. Bytes are copied. It can be reached between calls of its
 * exports, and in functions of `imports`.
 * @throws ERR_INVALID_STATE: the guest is at work, or has ended
 * @throws ERR_OUT_OF_RANGE: beyond the end
 */
export interface GuestMemory {
  /** The size in bytes. */
  readonly byteLength: number;
  /** A copy of `length` bytes. */
  read(offset: number, length: number): Buffer;
  write(offset: number, bytes: NodeJS.ArrayBufferView | ArrayBuffer): void;
  /** The text of `length` bytes; without a length, of those before the first NUL. @default 'utf8' */
  readString(offset: number, length?: number, encoding?: BufferEncoding): string;
  /** Writes a text, without a NUL after it. Returns the number of its bytes. @default 'utf8' */
  writeString(offset: number, text: string, encoding?: BufferEncoding): number;
}

/** The options of `load()`; those that are not described here are as in `run()`. */
export interface LoadOptions extends Pick<
  RunOptions,
  | 'args'
  | 'argv0'
  | 'env'
  | 'preopens'
  | 'imports'
  | 'fetch'
  | 'sockets'
  | 'limits'
  | 'signal'
  | 'cache'
  | 'trace'
  | 'clock'
  | 'random'
  | 'deterministic'
  | 'usage'
> {
  /** @default 'ignore' */
  stdin?: RunInputOption | undefined;
  /** @default 'inherit' */
  stdout?: Exclude<RunOutputOption, 'pipe'> | undefined;
  /** @default 'inherit' */
  stderr?: Exclude<RunOutputOption, 'pipe'> | undefined;
  /**
   * The milliseconds that each call may take, and `_initialize`; then the instance is ended with
   * ERR_WASI_TIMEOUT. Waits for functions of `imports`, and for a processor, count.
   * @default 0, no timeout
   */
  timeout?: number | undefined;
  /** Modules are loaded in wasmtime. */
  engine?: 'auto' | 'wasmtime' | undefined;
  /**
   * True for an instance of its own for each call: nothing that one call leaves in memory is there for the
   * next, calls are made at the same time, and a trap or timeout ends no other call. The instance for the
   * next call is loaded ahead, when a call is over. `close()` resolves when the output of all is delivered.
   * `memory` is null, and `usage` that of all calls that are over. A component
   * that exports resources, or returns streams or futures, is refused.
   * @default false
   */
  fresh?: boolean | undefined;
  /** The calls that are made at a time, with `fresh`; others wait. @default 64 */
  concurrency?: number | undefined;
}

/**
 * An export: a function, which returns a promise; or a class or an interface of a component. Arguments of a
 * module's functions are converted as WebAssembly's JavaScript interface does it; several results come as an
 * array. Its `length` is the number of its parameters.
 */
export interface ExportedFunction {
  (...args: any[]): Promise<any>;
  new (...args: any[]): any;
  [name: string]: any;
}

/** The same of `loadSync()`: a function returns its value. */
export interface SyncExportedFunction {
  (...args: any[]): any;
  new (...args: any[]): any;
  [name: string]: any;
}

/** A module or component that lives on. */
export interface Instance<Exports = Record<string, ExportedFunction>> {
  /**
   * The functions that it exports, but for `_initialize`; of a component, functions in camelCase, and
   * objects of functions and classes for its interfaces, under the names `api`, `ns:pkg/api` and
   * `ns:pkg/api@1.0.0`. Its values are those of jco; `wasi-rs types FILE` writes their types. Calls are
   * made one after the other, off the event loop: this thread waits for 200 microseconds at most. A
   * function of `imports` may call them too, while the guest waits for it, also after an `await` (its calls
   * are told by its async context, that of AsyncLocalStorage: code that it hands work to elsewhere has to
   * be bound with `AsyncResource.bind()`; otherwise its calls wait until the first one is over). If it
   * throws, the same comes out of the call, and the instance lives on; a trap, a limit or `proc_exit` ends
   * it. A component can't be called while it waits for a function of `imports` (ERR_INVALID_STATE), and
   * ends where one throws something else than the error of its `result`. Of one with asynchronous functions
   * (WASI 0.3), calls are made at the same time, and asynchronous functions of `imports` may call it. Its
   * streams are AsyncIterables (of `u8`, of Uint8Arrays), its futures promises.
   * @throws WasiError, as a rejection: the instance has ended in the call
   * @throws ERR_INVALID_STATE, as a rejection: it had ended before the call began; `cause` is the reason
   */
  readonly exports: Readonly<Exports>;
  /** Its memory, if it exports one as `memory`. */
  readonly memory: GuestMemory | null;
  /** The sockets that it was started with (`options.sockets`). */
  readonly sockets: readonly ServedSocket[];
  /** The amounts that it has used by now. */
  readonly usage: RunUsage;
  /**
   * Ends it, and its calls with ERR_WASI_KILLED. Resolves when its files are closed and its output is
   * delivered. An instance that nobody refers to any more is ended as well, sooner or later.
   */
  close(): Promise<void>;
  /** The same. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Loads a module or component that lives on: instantiates it off the event loop, in wasmtime, calls the
 * `_initialize` of a module that exports it, and lets its other exports be called, under the same limits as
 * `run()`. A command is loaded like any other: its `_start` is among the exports, and nobody calls it.
 * (`run()` runs a command.)
 * @throws ERR_WASI_IMPORT, as a rejection: it imports a function that `imports` does not have
 * @throws WasiError, as a rejection; what a function of `imports` has thrown
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE, ERR_ACCESS_DENIED, as rejections
 */
export function load<Exports = Record<string, ExportedFunction>>(
  source: ProgramSource,
  options?: LoadOptions,
): Promise<Instance<Exports>>;

/**
 * The options of `loadSync()`. Options that need the event loop are refused: streams and functions as
 * standard streams, and `signal`. `limits.stack` is at most 1 MiB, as the guest uses the stack of the thread.
 */
export interface LoadSyncOptions extends Omit<
  LoadOptions,
  'concurrency' | 'fetch' | 'fresh' | 'signal' | 'stdin' | 'stdout' | 'stderr'
> {
  /** @default 'ignore' */
  stdin?: 'inherit' | 'ignore' | number | Uint8Array | undefined;
  /** @default 'inherit' */
  stdout?: 'inherit' | 'ignore' | number | undefined;
  /** @default 'inherit' */
  stderr?: 'inherit' | 'ignore' | number | undefined;
}

/** A module or component that lives on, on the thread of its caller. */
export interface SyncInstance<Exports = Record<string, SyncExportedFunction>> {
  /**
   * As those of `Instance`, but they return values, and the event loop waits meanwhile; functions of
   * `imports` have to return values too. One that calls an export of the same instance gets
   * ERR_INVALID_STATE.
   */
  readonly exports: Readonly<Exports>;
  /** Its memory, if it exports one as `memory`. */
  readonly memory: GuestMemory | null;
  /** The sockets that it was started with (`options.sockets`). */
  readonly sockets: readonly ServedSocket[];
  /** The amounts that it has used by now. */
  readonly usage: RunUsage;
  /** Ends it; if it is in a call, when that has returned. */
  close(): void;
  /** The same. */
  [Symbol.dispose](): void;
}

/**
 * Loads a module or component on the thread of the caller, which waits until it is compiled: a call of an
 * export takes microseconds, and returns its value. `timeout` ends a call that takes too long. Without it,
 * nothing ends a call that does not return, not even the `terminate()` of a worker.
 * @throws as `load()` rejects
 */
export function loadSync<Exports = Record<string, SyncExportedFunction>>(
  source: ProgramSource,
  options?: LoadSyncOptions,
): SyncInstance<Exports>;

/** The options of `handler()`; those that are not described here are as in `run()`. */
export interface HandlerOptions extends Pick<
  RunOptions,
  | 'args'
  | 'argv0'
  | 'env'
  | 'preopens'
  | 'imports'
  | 'fetch'
  | 'sockets'
  | 'limits'
  | 'cache'
  | 'trace'
  | 'clock'
  | 'random'
> {
  /** @default 'inherit' */
  stdout?: Exclude<RunOutputOption, 'pipe'> | undefined;
  /** @default 'inherit' */
  stderr?: Exclude<RunOutputOption, 'pipe'> | undefined;
  /**
   * The milliseconds that each request may take, with its wait for others and for a processor; then its
   * instance is ended with ERR_WASI_TIMEOUT.
   * @default 0, no timeout
   */
  timeout?: number | undefined;
  /** The requests that are answered at a time; others wait. @default 64 */
  concurrency?: number | undefined;
  /**
   * Gets the error of a request that has failed, and the request as it was passed. It may return the
   * response to send, if nothing of one has been sent; otherwise it is an empty one with the status 500. A
   * client that goes away is no error.
   * @default console.error
   */
  onError?:
    | ((
        error: WasiError,
        request: Request | IncomingMessage,
      ) => Response | void | Promise<Response | void>)
    | undefined;
}

/** A function that answers requests of HTTP, each by a new instance of a component. */
export interface Handler {
  (request: Request): Promise<Response>;
  /** As a listener of node:http. Resolves when the response has been handed over. */
  (request: IncomingMessage, response: ServerResponse): Promise<void>;
  /**
   * Ends all instances, also those that have not answered yet, and answers no more: a request is
   * ERR_INVALID_STATE then, or a 503 in node:http. Resolves when they have ended. (To let them answer, wait
   * for `server.close()` first.)
   */
  close(): Promise<void>;
  /** The same. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Makes a handler of HTTP of a component that exports wasi:http/incoming-handler or, in WASI 0.3,
 * wasi:http/handler. Bodies are streamed both ways; an instance is ended when its client is gone.
 * @throws WasiError, as a rejection: it is no such component, or can't be compiled
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE, ERR_ACCESS_DENIED, as rejections
 */
export function handler(source: ProgramSource, options?: HandlerOptions): Promise<Handler>;

/** A compiled program, to be run any number of times. Its description is frozen. */
export interface Program {
  /**
   * `'command'`: it exports `_start`, and is run. `'reactor'`: it exports `_initialize` instead, and is
   * loaded, as is a module that exports neither, which is `'unknown'`. A component is a `'command'` if it
   * exports `wasi:cli/run`; otherwise it is a `'component'`, and is loaded.
   */
  readonly kind: 'command' | 'reactor' | 'unknown' | 'component';
  /** The functions that `imports` has to give it, such as `env.log (function)`. */
  readonly missing: readonly string[];
  /**
   * The edition of WASI whose system calls it imports; null if it imports none. Of a component, the newest
   * version of WASI's interfaces among its imports and exports, and `'0.3'` at least if it has asynchronous
   * functions, streams or futures. One that is newer than `'0.3'` is told as well, and not run.
   */
  readonly version: 'preview1' | 'unstable' | '0.2' | '0.3' | `${number}.${number}` | null;
  /**
   * Its imports; `type` is a function's, such as `(i32, i64) -> i32`. (V8 does not tell it of a
   * WebAssembly.Module.)
   */
  readonly imports: readonly Readonly<{
    /** The module that it is of; empty for what a component imports. */
    module: string;
    name: string;
    kind: 'function' | 'memory' | 'interface' | 'resource' | 'type';
    type?: string;
  }>[];
  /** Its exports, likewise. */
  readonly exports: readonly Readonly<{
    name: string;
    kind: 'function' | 'memory' | 'table' | 'global' | 'tag' | 'interface' | 'resource' | 'type';
    type?: string;
  }>[];
  /**
   * The memories among its imports and exports: bytes at first, and at most if it says. Empty for a
   * WebAssembly.Module, of which V8 does not tell.
   */
  readonly memory: readonly Readonly<{
    imported: boolean;
    /** True if the module declares it as shared. (No thread shares it: a program has one.) */
    shared: boolean;
    /** True if its addresses have 64 bits. */
    wide: boolean;
    min: number;
    max: number | null;
  }>[];
  run<
    Stdout extends AnyRunOutput | Absent,
    Stderr extends AnyRunOutput | Absent,
    Encoding extends AnyEncoding | Absent,
    Lines extends boolean | undefined | Absent,
  >(
    options?: RunOptions<Stdout, Stderr, RunInputOption | undefined, AnyInput, Encoding, Lines> &
      Inferred<Stdout, Stderr, never, never, Encoding, Lines> &
      Fitting<Encoding, Lines>,
  ): Promise<
    RunResult<Piped<Stdout, Captured<Encoding, Lines>>, Piped<Stderr, Captured<Encoding, Lines>>>
  >;
  spawn<
    Stdin extends AnyStdin | Absent,
    Bytes extends AnyInput | Absent,
    Stdout extends AnyRunOutput | Absent,
    Stderr extends AnyRunOutput | Absent,
  >(
    options?: SpawnOptions<Stdin, Bytes, Stdout, Stderr> & Inferred<Stdout, Stderr, Stdin, Bytes>,
  ): GuestProcess<InputEnd<Stdin, Bytes>, Piped<Stdout, Readable>, Piped<Stderr, Readable>>;
  /** As the function of this name. */
  load<Exports = Record<string, ExportedFunction>>(
    options?: LoadOptions,
  ): Promise<Instance<Exports>>;
  loadSync<Exports = Record<string, SyncExportedFunction>>(
    options?: LoadSyncOptions,
  ): SyncInstance<Exports>;
  /**
   * A program that begins with the memory and the globals that an instance of this one has after `init`: the
   * name of a function without parameters (`api.init` for one of an interface; one with parameters is
   * ERR_INVALID_ARG_VALUE), or a function that gets the instance and may call any. So an interpreter is begun
   * once, and its instances begin in a millisecond. It is for reactors, libraries and components;
   * `_initialize` and start functions are not called again.
   *
   * Nothing is kept of the instance's surroundings: if `init` looks at arguments, variables or directories,
   * load the program with the same. Files and resources that it leaves open are gone. All that it has read,
   * and not overwritten, is in the program: in what `serialize()` gives, and in the folder of `cache`. A
   * program that changes its tables, or a component with a module twice, or with components in it that have
   * modules, can't be prepared (ERR_WASI_PROGRAM); everything is compiled twice.
   * @throws what `load()` throws, and `init`, as rejections
   */
  prepare(
    init: string | ((instance: Instance) => unknown),
    options?: Omit<LoadOptions, 'fresh' | 'concurrency'>,
  ): Promise<Program>;
  /** Its machine code, for `deserialize()`. A WebAssembly.Module has none: ERR_WASI_PROGRAM. */
  serialize(): Promise<Buffer>;
}

/** The options of a Runner: its size, and defaults for its programs. */
export interface RunnerOptions extends Pick<
  RunOptions,
  'engine' | 'cache' | 'limits' | 'preopens' | 'env' | 'clock' | 'random' | 'deterministic'
> {
  /**
   * The number of its programs that run at a time; the others wait for their turn. (Each of them also counts
   * among the programs of the process: see the option of `run()`.) One that waits for a function of `imports`
   * keeps its place: such a function must not wait for another program of this Runner.
   * @default the number of processors
   */
  concurrency?: number | undefined;
}

/** The programs of a Runner. */
export interface RunnerStats {
  /** Those that have a place. */
  running: number;
  /** Those that wait for one. */
  queued: number;
  /** Those that have ended by themselves, with any exit code, `check` or not. */
  completed: number;
  /** Those that have ended with another error, also before they had begun. */
  failed: number;
}

/**
 * A pool of one's own, with defaults for its programs. An option of a call takes the place of the default;
 * `limits`, `preopens` and `env` are merged, name by name. (Its methods, and those of a Program and a
 * GuestProcess, belong to their object: without it they fail with ERR_INVALID_THIS.)
 */
export class Runner {
  /** All options are checked here. @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
  constructor(options?: RunnerOptions);
  /** As the function of this name. @throws ERR_INVALID_STATE, as a rejection, when the Runner is closed */
  run: typeof run;
  /** As the function of this name. @throws ERR_INVALID_STATE when the Runner is closed */
  spawn: typeof spawn;
  /**
   * As the function of this name; the program is run by the Runner.
   * @throws ERR_INVALID_STATE, as a rejection, when the Runner is closed
   */
  compile: typeof compile;
  readonly stats: RunnerStats;
  /** Ends its programs with ERR_WASI_KILLED, and takes no more. Resolves when they have ended. */
  close(): Promise<void>;
  /** The same. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** The events of a GuestProcess, and what their listeners get. */
export interface GuestProcessEvents {
  spawn: [];
  exit: [code: number | null, signal: NodeJS.Signals | null];
  close: [code: number | null, signal: NodeJS.Signals | null];
  error: [error: WasiError];
}

/**
 * A program started by `spawn()`. Its events are those of a ChildProcess, in their order: 'spawn' when it has
 * begun, 'error', 'exit' with a code or a signal, 'close' when its output has been read too. If it can't
 * begin, 'error' and 'close' come alone. If it is ended before it has begun, all but 'spawn' come. The end by
 * `kill()` or by its Runner's `close()`, and an exit code with `check`, are no 'error'.
 */
export interface GuestProcess<
  Stdin extends Writable | null = Writable | null,
  Stdout extends Readable | null = Readable | null,
  Stderr extends Readable | null = Readable | null,
> extends EventEmitter<GuestProcessEvents> {
  /** A stream to write the program's input to, if the option is `'pipe'`. */
  readonly stdin: Stdin;
  /** A stream of the program's output, if the option is `'pipe'`. */
  readonly stdout: Stdout;
  readonly stderr: Stderr;
  readonly stdio: readonly [Stdin, Stdout, Stderr];
  /** The sockets that the program was started with (`options.sockets`), from its 'spawn' event on. */
  readonly sockets: readonly ServedSocket[];
  /**
   * The exit code, when it has ended by itself; a negative error number of the system, as in child_process,
   * when it could not begin.
   */
  readonly exitCode: number | null;
  /** The signal that has ended it; SIGABRT for a trap or a limit, SIGTERM for `timeout` and `signal`. */
  readonly signalCode: NodeJS.Signals | null;
  /** True if `kill()`, `timeout`, `signal` or its Runner's `close()` was to end it, also before it began. */
  readonly killed: boolean;
  /**
   * The future outcome. Reading it opts out of `'error'` events if there is no listener for them: the promise
   * rejects instead.
   */
  readonly result: Promise<RunResult<null, null>>;
  /**
   * Ends it, whichever signal that is, with ERR_WASI_KILLED; `error` is the `cause` of that. 0 only asks if
   * it is running. Returns true if it was running.
   * @param signal a name or number of `os.constants.signals`; by default `'SIGTERM'`
   * @throws ERR_UNKNOWN_SIGNAL
   */
  kill(signal?: NodeJS.Signals | number, error?: unknown): boolean;
  /**
   * The lines of its standard output, without their ends. When it has ended, its error is thrown, if it has
   * one; an error that comes before the loop has begun, and `result` has been read, is an `'error'` event, as
   * in child_process. `break` ends the reading: the program gets EPIPE when it writes more.
   * @throws ERR_INVALID_STATE, as a rejection: there are no lines to read. stdout is not `'pipe'`, a loop has
   * begun before, or output has been read in another way, or thrown away when the program had ended. Begin
   * the loop before it ends, and read stdout once.
   */
  [Symbol.asyncIterator](): AsyncIterator<string>;
  /** Ends it. */
  [Symbol.dispose](): void;
  /** Ends it, and waits for its end. */
  [Symbol.asyncDispose](): Promise<void>;
}
