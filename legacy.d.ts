import type * as standard from './index.js';

export type { FinalizeBindingsOptions, SystemCalls, WASIFunction, WASIImport } from './index.js';

type AnyOutput = standard.OutputOption | undefined;

export interface WASIOptions<
  Stdout extends AnyOutput = AnyOutput,
  Stderr extends AnyOutput = AnyOutput,
> extends Omit<standard.WASIOptions<Stdout, Stderr>, 'version' | 'returnOnExit'> {
  /**
   * The version of WASI to provide.
   * @default 'preview1'
   */
  version?: standard.WASIOptions['version'] | undefined;
  /**
   * True if `start()` returns the exit code when the program calls `proc_exit`; if false, the process exits
   * with it.
   * @default false
   */
  returnOnExit?: boolean | undefined;
}

export interface WASI<
  Stdout extends AnyOutput = AnyOutput,
  Stderr extends AnyOutput = AnyOutput,
> extends standard.WASI<Stdout, Stderr> {}
export class WASI<Stdout extends AnyOutput = AnyOutput, Stderr extends AnyOutput = AnyOutput> {
  constructor(options?: WASIOptions<Stdout, Stderr>);
}
