/// <reference lib="esnext.disposable" />

// After Node's documentation of node:wasi (https://nodejs.org/api/wasi.html); errors carry Node's codes and words.

/** A function of `wasiImport`: takes WebAssembly's numbers and returns an errno. */
export type WASIFunction = (...args: any[]) => any;

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
   * The file descriptor that is the program's standard input. It is used as it is: keep it open while the program may use it.
   * @default 0
   */
  stdin?: number | undefined;
  /**
   * The file descriptor that is the program's standard output.
   * @default 1
   */
  stdout?: number | undefined;
  /**
   * The file descriptor that is the program's standard error.
   * @default 2
   */
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

  /**
   * The system calls, to be passed as the module's import `wasi_snapshot_preview1` (or `wasi_unstable`). Called before the
   * memory is bound they throw ERR_WASI_NOT_STARTED.
   */
  readonly wasiImport: Record<string, WASIFunction>;

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
