// Types that several files of lib/ share.

/** A memory that a program imports. */
export interface ImportedMemory {
  module: string;
  name: string;
  type: WebAssembly.MemoryDescriptor;
  isWide: boolean;
}

/** A program as the addon has prepared it for V8. */
export interface V8Module {
  /** Of a module that keeps to its limits, and can be ended whatever it does. */
  bytes: BufferSource;
  memories: ImportedMemory[];
  /** Of WASI. */
  version: 'preview1' | 'unstable';
  /** True if V8's optimiser is not to have it. */
  isBaseline: boolean;
  /** The name under which its start function is exported. */
  start?: string;
  /**
   * Bytes that its garbage-collected objects may have, if it makes any and is limited; for the main thread, if it makes
   * any.
   */
  objects?: number;
}

/** A program as a worker gets it. */
export type Prepared = Omit<V8Module, 'bytes' | 'isBaseline'> & { module: WebAssembly.Module };

/** A run as a worker gets it; `number` is that of the run in the addon. */
export type Job = Omit<Prepared, 'objects'> & { number: number };

export interface Limits {
  /** Bytes of all memories, tables and objects. */
  memory?: number;
  /** Elements of all tables. */
  tableElements?: number;
  /** Bytes. */
  stack?: number;
  /** Of which V8 has none. */
  fuel?: number;
  openFiles?: number;
  /** Bytes of each captured stream. */
  stdout?: number;
}

/** The number of a ticket, or what is done with the output. */
export type Output = number | 'capture' | 'ignore';

/** What a run is asked for. */
export interface Plan {
  args: string[];
  /** `NAME=value` */
  env: string[];
  preopens: { guest: string; path: string; readOnly: boolean }[];
  /** Numbers are those of tickets. */
  stdio: [stdin: number | Uint8Array, stdout: Output, stderr: Output];
  limits: Limits & { stdout: number };
  /** How many may have begun at a time, this one included. */
  concurrency?: number;
  trace: boolean;
}

export interface Usage {
  /** Milliseconds. */
  wall: number;
  /** Milliseconds of the guest's thread. */
  cpu: number;
  /** Bytes at most; in V8, of a guest that was killed, when it last made a call. */
  memory: number;
  calls: number;
  /** Bytes. */
  read: number;
  /** Bytes. */
  written: number;
  fuel?: number;
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

/** An answer of the addon. */
export interface Answer {
  /** How a run ended, or that a question could not be answered. */
  end?:
    | 'exit'
    | 'ended'
    | 'busy'
    | 'exception'
    | 'fuel'
    | 'overflow'
    | 'trap'
    | 'unusable'
    | 'unopened'
    | 'failed';
  message: string;
  code?: string;
  /** Of an error of the operating system. */
  errno?: number;
  /** Of an exception. */
  name?: string;
  stack?: string;
  exitCode: number;
  stdout?: Buffer;
  stderr?: Buffer;
  usage: Usage;
  /** The answer to a question. */
  value?: any;
  /** The number of a run in V8 that is to begin. The answer comes later. */
  begin?: number;
}
