// A program written for node:wasi, with what @types/node knows of it.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WASI, type WASIOptions } from 'node:wasi';

class Runner {
  readonly #wasi: WASI;
  readonly #imports: WebAssembly.Imports;

  constructor(options: WASIOptions) {
    this.#wasi = new WASI({ returnOnExit: true, stdin: 0, stderr: 2, ...options });
    const exit: (code: number) => void = this.#wasi.wasiImport.proc_exit;
    this.#wasi.wasiImport.proc_exit = (code: number) => exit(code + 1);
    this.#imports = this.#wasi.getImportObject() as WebAssembly.Imports;
  }

  async run(binary: Uint8Array<ArrayBuffer>): Promise<number> {
    const { instance } = await WebAssembly.instantiate(binary, this.#imports);
    return this.#wasi.start(instance);
  }
}

class Silent extends WASI {
  constructor(options: Partial<WASIOptions> = {}) {
    super({ version: 'preview1', ...options });
  }

  override start(instance: object): number {
    return super.start(instance);
  }
}

const folder: string = mkdtempSync(join(tmpdir(), 'wasi-rs-typescript-'));
try {
  writeFileSync(join(folder, 'greeting'), 'hello from TypeScript\n');
  const options: WASIOptions = {
    version: 'preview1',
    args: ['guest', 'greeting'],
    env: process.env as NodeJS.Dict<string>,
    preopens: { '/': folder },
  };
  const binary = readFileSync(process.argv[2]);
  console.log(await new Runner(options).run(binary));

  const silent: WASI = new Silent();
  silent.initialize({ exports: { memory: new WebAssembly.Memory({ initial: 1 }) } });
  console.log(silent.wasiImport.random_get(0, 8));
} finally {
  rmSync(folder, { recursive: true });
}
