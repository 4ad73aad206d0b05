// Types that several files of lib/ share.

/** A memory that a program imports. */
export interface ImportedMemory {
  module: string;
  name: string;
  type: WebAssembly.MemoryDescriptor;
  isWide: boolean;
}

/** A program as the addon has prepared it for V8. */
export interface V8Program {
  /** Its number, which no other program of the process ever has. */
  id: number;
  /**
   * Calls a function with the bytes of a module that keeps to its limits, and can be ended at any point. The
   * function must not write to them; they are detached when it returns.
   */
  withBytes<T>(use: (bytes: ArrayBuffer) => T): T;
  memories: ImportedMemory[];
  /** The version of WASI. */
  version: 'preview1' | 'unstable';
  /** True if V8's optimiser must not compile it. */
  isBaseline: boolean;
  /** The name under which its start function is exported. */
  start?: string;
  /**
   * Bytes that its garbage-collected objects may have, if it makes any and is limited. For the main thread:
   * set if it makes any.
   */
  objects?: number;
}

/** A program that runs can begin with. */
export interface Prepared {
  program: V8Program;
  /** Its module, if workers are not to compile it. */
  module?: WebAssembly.Module;
  /** True if the user has passed the module: nothing has been changed in it. */
  isGiven?: boolean;
}

/** A run as a worker gets it. */
export interface Job {
  /** The number of the run in the addon. */
  number: number;
  /** The module, if this worker is not to compile it. */
  module?: WebAssembly.Module;
  /** True if the user has passed the module. */
  isGiven?: boolean;
}

/** A compiled program, described as by `wasi-rs inspect --json`. */
export interface Description {
  kind: 'command' | 'reactor' | 'unknown';
  version: 'preview1' | 'unstable' | null;
  /** The functions that the embedder has to give, in words. */
  missing: readonly string[];
  imports: readonly { module: string; name: string; kind: string; type?: string }[];
  exports: readonly { name: string; kind: string; type?: string }[];
  memory: readonly {
    imported: boolean;
    shared: boolean;
    wide: boolean;
    min: number;
    max: number | null;
  }[];
}

/** The description of a component's functions and types (`crates/components/src/description.rs`). */
export interface Interface {
  /** True if functions may be called at the same time. */
  isConcurrent: boolean;
  types: readonly ComponentType[];
  imports: readonly ComponentFunction[];
  exports: readonly ComponentFunction[];
  resources: readonly { interface?: string; name: string; isImported: boolean }[];
  /** The names of types that have any, by their indices. */
  names: Readonly<Record<string, readonly { interface?: string; name: string }[]>>;
}

/** A type; those that it is made of are indices. */
export type ComponentType =
  | { kind: 'bool' | 'char' | 'string' }
  | { kind: 's8' | 'u8' | 's16' | 'u16' | 's32' | 'u32' | 's64' | 'u64' | 'f32' | 'f64' }
  | { kind: 'list' | 'option'; of: number }
  | { kind: 'fixed-list'; of: number; length: number }
  | { kind: 'record'; fields: readonly [name: string, of: number][] }
  | { kind: 'tuple'; types: readonly number[] }
  | { kind: 'variant'; cases: readonly [name: string, of: number | null][] }
  | { kind: 'enum' | 'flags'; names: readonly string[] }
  | { kind: 'result'; ok: number | null; err: number | null }
  | { kind: 'own' | 'borrow'; resource: number }
  | { kind: 'stream' | 'future'; of: number | null }
  | { kind: 'unsupported'; name: string };

export interface ComponentFunction {
  interface?: string;
  name: string;
  params: readonly [name: string, type: number][];
  result: number | null;
  isAsync: boolean;
}

export interface Limits {
  /** Bytes of all memories, tables and objects. */
  memory?: number;
  /** Elements of all tables. */
  tableElements?: number;
  /** Bytes. */
  stack?: number;
  /** Units of work; only in wasmtime. */
  fuel?: number;
  openFiles?: number;
  /** True if results are fixed that WebAssembly leaves open; only in wasmtime. */
  deterministic?: boolean;
}

/** The parts of a program's surroundings that are the same in each run, as the addon has read them. */
export interface Fixed {
  /** Nanoseconds, in decimal digits; these and `step`. */
  now: string;
  monotonic: string;
  step: string;
  seed?: Uint8Array;
  /** True if directories are listed in order, and times of files hidden. */
  files: boolean;
}

/** The number of a ticket, or the treatment of the output. */
export type Output = number | 'capture' | 'ignore';

/** The plan of a run: its options, in the form for an engine. */
export interface Plan {
  args: string[];
  /** `NAME=value` */
  env: string[];
  preopens: {
    guest: string;
    path?: string;
    directory?: InstanceType<typeof import('./memory.js').MemoryDirectory>;
    readOnly: boolean;
  }[];
  /** Numbers are those of tickets. */
  stdio: [stdin: number | Uint8Array, stdout: Output, stderr: Output];
  /** The functions that the program is given. */
  host?: Host;
  limits: Limits;
  /** The most bytes of each captured stream. */
  maxBuffer: { stdout: number; stderr: number };
  /** The most runs that may have begun and not ended, this one included. */
  concurrency?: number;
  trace?: PlannedTrace;
  /** True if calls are counted by name. */
  byCall: boolean;
  /** The numbers of the tickets for the request that it is to answer. */
  exchange?: import('./http.js').Ends;
  /** Makes the requests of a component. */
  fetch?: (request: Request) => any;
  /** The rules of the network of a component. */
  sockets?: import('./sockets.js').Rule[];
  /** The parts of its surroundings that are the same in each run. */
  fixed?: Fixed;
  /** Called when the run has begun. */
  onBegin?: () => void;
}

/** The calls of a program that are shown, and where: without `to` and `path`, on stderr. */
export interface Trace {
  /** A function, or a Writable. */
  to?: any;
  /** The path of a file. */
  path?: string;
  /** The option or variable that tells the path. */
  option?: string;
  /** True for lines of text, false for lines of JSON. */
  isText: boolean;
  /** The calls that are shown: a bit for each. */
  selection: { low: number; high: number; errors: boolean };
}

/** The same for an engine. */
export interface PlannedTrace extends Pick<Trace, 'isText' | 'selection'> {
  /** The number of a ticket, if it is not stderr. */
  ticket?: number;
  /** True if calls are shown on the thread of the embedder. */
  isHere?: boolean;
}

/** The calls of a program by the names of the system calls. */
export type CallTable = Record<string, { calls: number; errors: number; nanoseconds: number }>;

export interface Usage {
  /** Milliseconds from its request to its beginning, without those of `compiled`. */
  queued: number;
  /** Milliseconds that it waited for its program to be compiled. */
  compiled: number;
  /** Milliseconds. */
  wall: number;
  /** Milliseconds of the guest's thread. */
  cpu: number;
  /** The most bytes; in V8, for a guest that was killed, the bytes at its last call. */
  memory: number;
  calls: number;
  /** Bytes. */
  read: number;
  /** Bytes. */
  written: number;
  fuel?: number;
  byCall?: CallTable;
}

export interface Result {
  exitCode: number;
  stdout?: Buffer;
  stderr?: Buffer;
  usage: Usage;
}

/** A run in an engine; `kill` ends it, and `result` with that error. */
export interface Running {
  result: Promise<Result>;
  kill(error: unknown): void;
}

/** The methods of a Runner that run programs. */
export interface Runs {
  run(source: unknown, options?: unknown): Promise<any>;
  spawn(source: unknown, options?: unknown): any;
}

/** The parts of an exception. Another thread makes the same exception of them. */
export interface Exception {
  /** The name of its class. */
  name: string;
  message: string;
  stack?: string;
  code?: string;
}

/** An answer of the addon. */
export interface Answer {
  /** The end of a run, or the failure of a question. */
  end?:
    | 'exit'
    | 'ended'
    | 'busy'
    | 'exception'
    | 'fuel'
    | 'overflow'
    | 'thrown'
    | 'trap'
    | 'programError'
    | 'openError'
    | 'failed';
  message: string;
  code?: string;
  /** The number of an error of the operating system. */
  errno?: number;
  /** The path of a file that can't be read. */
  path?: string;
  /** The name of an exception's class. */
  name?: string;
  stack?: string;
  /** The engine's error behind a trap. */
  cause?: Exception;
  exitCode: number;
  stdout?: Buffer;
  stderr?: Buffer;
  usage: Usage;
  /** The answer to a question. */
  value?: any;
  /** The number of a run in V8 that is to begin. The answer comes later. */
  begin?: number;
  /** True if the run has begun. The answer comes later. */
  hasBegun?: boolean;
  /** The number of a call of the embedder's function. The answer comes later. */
  hostCall?: number;
  /** The descriptors by which a request of the guest comes. The answer comes later. */
  exchange?: import('./http.js').Ends;
}

/** Functions of the embedder that a guest calls. */
export type Host = import('./host.js').Host;

/** A message that asks for a call of a function of the embedder. */
export interface HostCall {
  /** The number of the call, for its answer. */
  hostCall: number;
  /** The index of the function. */
  function: number;
  /** The types of its parameters, and of its results, a letter each (`lib/cells.js`). */
  params?: string;
  results?: string;
  /** The number of the guest's call that it is made in, if several are made at the same time. */
  caller?: number;
  bytes: ArrayBuffer;
}

/** The message for a call of an export that is over. */
export interface Returned {
  /** True if the guest goes on: a message tells when it does not. */
  goesOn?: boolean;
  /** The number of the call. */
  returned: number;
  bytes?: ArrayBuffer;
  /** The number of the call of the embedder's function that has thrown. */
  thrown?: number;
  /** True if the call was not made. */
  isBusy?: boolean;
  /** The reason why the call was not made: what is wrong with its parameters. */
  refused?: string;
}

/** An exported function; without types if it can't be called. */
export interface ExportedFunction {
  name: string;
  params?: string;
  results?: string;
}
