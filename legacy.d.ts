import type * as standard from './index.js';

export type { FinalizeBindingsOptions, WASIFunction } from './index.js';

export interface WASIOptions extends Omit<standard.WASIOptions, 'version' | 'returnOnExit'> {
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

export interface WASI extends standard.WASI {}
export class WASI {
  constructor(options?: WASIOptions);
}
