/// <reference lib="esnext.disposable" />

// After Node's documentation of node:wasi (https://nodejs.org/api/wasi.html); errors carry Node's codes and words.

/** A function of `wasiImport`: takes WebAssembly's numbers and returns an errno. */
export type WASIFunction = (...args: any[]) => any;

/** Something with the `write()` of a stream.Writable. */
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
  | number
  | 'inherit'
  | 'ignore'
  | (string & {})
  | Uint8Array
  | ((maxBytes: number) => Uint8Array | null);

export interface WASILimits {
  /**
   * How many bytes are captured of each output that is `'pipe'`. A program that writes more ends with the RangeError
   * ERR_WASI_STDIO_MAXBUFFER, which comes out of `start()`; what was captured stays.
   * @default 67108864
   */
  stdout?: number | undefined;
  /**
   * How many descriptors the program may have open, its standard streams and preopens included; beyond, it gets EMFILE.
   * @default half of what the process may have, and 16384 at most
   */
  openFiles?: number | undefined;
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
   * What the program sees as its environment. Entries that are undefined are left out.
   * @default {}
   */
  env?: Readonly<Record<string, string | undefined>> | undefined;
  /**
   * The directories the program may use: each key is a path as the program sees it, each value the real path of that directory.
   * No path, link or `..` leads the program out of them. One that can't be opened is an error whose `code` is `UVWASI_` and
   * the errno's name, such as `UVWASI_ENOENT`.
   * @default {}
   */
  preopens?: Readonly<Record<string, string>> | undefined;
  /**
   * Whether `start()` returns the exit code when the program calls `proc_exit`; if false, the process exits with it.
   * @default true
   */
  returnOnExit?: boolean | undefined;
  /**
   * The program's standard input:
   * - a number: a file descriptor of this process, used as it is: keep it open while the program may use it;
   * - `'inherit'`: this process's own; `'ignore'`: nothing;
   * - any other string: that text, in UTF-8 (`'pipe'` is refused); a Uint8Array: a copy of its bytes;
   * - a function: called with how many bytes the program wants, when it wants some and none are left. It returns them (more
   *   are kept for the next reads), or `null` at the end; anything else is ERR_INVALID_RETURN_VALUE.
   * @default 0
   */
  stdin?: InputOption | undefined;
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
}

/** The options that node:wasi knows as well. */
export interface DescriptorOptions extends Omit<WASIOptions, 'limits'> {
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
   * What the program throws passes through as it is. The exit code is a signed 32-bit integer.
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
