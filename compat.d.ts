import type * as standard from './index.js';

export type {
  DescriptorOptions as WASIOptions,
  FinalizeBindingsOptions,
  SystemCalls,
  WASIFunction,
  WASIImport,
} from './index.js';

/** The class as node:wasi's own: its standard streams are descriptors. */
export interface WASI extends standard.WASI {}
export class WASI {
  constructor(options: standard.DescriptorOptions);
}
