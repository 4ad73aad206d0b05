// Components of JavaScript, as componentize-qjs makes them from WIT: values of types at random go in and come back.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { inspect } from 'node:util';
import { ComponentError, compile } from '../../index.js';
import { temporaryFolder } from '../support/host.mjs';
import { numbers, typeAtRandom, valueAtRandom, witOf } from '../support/random-types.mjs';

const { componentize } = createRequire(import.meta.url)('componentize-qjs');

const folder = temporaryFolder({ after });
const SEED = Number(process.env.WASI_RS_SEED ?? 1);
const FUNCTIONS = 25;
/** The values that each function is given, by load() and by loadSync(). */
const VALUES = 20;

/** What a result is as the result of a function, in the guest as in this program. */
const SETTLE = `(v) => {
  if (v.tag === 'ok') return v.val;
  throw Object.assign(new Error('refused'), { payload: v.val });
}`;
const settle = new Function(`return ${SETTLE}`)();

const below = numbers(SEED);
/** @type {import('../support/random-types.mjs').Type[]} */
const named = [];
const types = Array.from({ length: FUNCTIONS }, () => typeAtRandom(below, 4, named));
// To componentize-qjs a number of 64 bits is one of JavaScript, which does not have them all.
for (const type of [...types, ...named]) narrow(type);

/** @param {import('../support/random-types.mjs').Type | undefined} type */
function narrow(type) {
  if (!type) return;
  type.kind = type.kind.replace(/^([su])64$/, '$132');
  type.parts.forEach(narrow);
}

const echoes = types.map((type, i) => `f${i}: func(v: ${witOf(type)}) -> ${witOf(type)};`);
const used = `use types.{${named.map(({ name }) => name).join(', ')}};`;
const WIT = `package test:values;
interface types { ${named.map((type) => witOf(type, true)).join('\n')} }
interface host { ${used} ${echoes.join('\n')} }
interface api { ${used} ${echoes.join('\n')} }
world echo { import host; export api; }`;

/** The guest: half of its functions return what the embedder returns, the others do so themselves. */
const GUEST = `import * as host from 'test:values/host';
const settle = ${SETTLE};
export const api = { ${types
  .map(({ kind }, i) => {
    if (i % 2 === 0) return `f${i}: (v) => host.f${i}(v)`;
    return `f${i}: ${kind === 'result' ? 'settle' : '(v) => v'}`;
  })
  .join(', ')} };`;

describe(`values of seed ${SEED}`, () => {
  /** @type {import('../../index.js').Program} */
  let program;
  before(async () => {
    const witPath = path.join(folder, 'echo.wit');
    fs.writeFileSync(witPath, WIT);
    const { component } = await componentize({ witPath, jsSource: GUEST, sync: true });
    program = await compile(component, { cache: false });
  });

  for (const open of /** @type {const} */ (['load', 'loadSync'])) {
    test(`are the same after ${open}()`, async () => {
      /** @type {unknown} */
      let got;
      const host = types.map(({ kind }, i) => [
        `f${i}`,
        (/** @type {any} */ value) => {
          got = value;
          return kind === 'result' ? settle(value) : value;
        },
      ]);
      const imports = { 'test:values/host': Object.fromEntries(host) };
      const instance = await program[open]({ imports });
      for (const [i, type] of types.entries()) {
        for (let round = 0; round < VALUES; round++) {
          const [given, expected] = valueAtRandom(below, type);
          const place = `f${i}(v: ${witOf(type)}): ${inspect(given, { depth: 9 })}`;
          /** @type {unknown} */
          let returned;
          try {
            returned = await instance.exports.api[`f${i}`](given);
            if (type.kind === 'result') returned = { tag: 'ok', val: returned };
          } catch (error) {
            if (!(error instanceof ComponentError)) throw new Error(place, { cause: error });
            returned = { tag: 'err', val: error.payload };
          }
          assert.deepEqual(returned, expected, place);
          if (i % 2 === 0) assert.deepEqual(got, expected, `to the embedder, ${place}`);
        }
      }
      await instance.close();
    });
  }
});
