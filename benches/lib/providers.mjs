import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** The two sides: module specifiers of packages that export the same class. */
export const PROVIDERS = {
  ours: fileURLToPath(new URL('../../', import.meta.url)),
  theirs: 'node:wasi',
};

export const SIDES = /** @type {const} */ (['ours', 'theirs']);

const require = createRequire(import.meta.url);

/** @param {'ours' | 'theirs'} side */
export function wasiOf(side) {
  return require(PROVIDERS[side]).WASI;
}
