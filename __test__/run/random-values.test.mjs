// Values of types at random come back from a component as they were given, by load() and loadSync().

import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { test } from 'node:test';
import { ComponentError, load, loadSync } from '../../index.js';
import { assembleComponent, echoing } from '../support/components.mjs';
import { coreOf, numbers, textOf, typeAtRandom, valueAtRandom } from '../support/random-types.mjs';

/** The functions of a component, each of a type of its own. */
const FUNCTIONS = 25;
/** The values that each is given. */
const VALUES = 10;

/** What a result is as the result of a function. */
const settle = ({ tag, val }) => {
  if (tag === 'ok') return val;
  throw new ComponentError(val);
};

const seeds = process.env.WASI_RS_SEED ? [Number(process.env.WASI_RS_SEED)] : [1, 2, 3, 4];
for (const seed of seeds) {
  test(`of seed ${seed}`, async () => {
    const below = numbers(seed);
    const named = [];
    const types = Array.from({ length: FUNCTIONS }, () => typeAtRandom(below, 4, named));
    const definitions = named.map(
      (type) =>
        `(type $${type.name}-is ${textOf(type, true)}) (import "${type.name}" (type $${type.name} (eq $${type.name}-is)))`,
    );
    const echoed = types.map((type, i) => [
      `f${i}`,
      { type: textOf(type), core: coreOf(type).join(' ') },
    ]);
    const source = assembleComponent(echoing(Object.fromEntries(echoed), '', definitions));
    let got;
    const imports = types.map(({ kind }, i) => [
      `echo-f${i}`,
      (value) => {
        got = value;
        return kind === 'result' ? settle(value) : value;
      },
    ]);
    const options = { imports: Object.fromEntries(imports), cache: false };
    for (const open of [load, loadSync]) {
      const instance = await open(source, options);
      for (const [i, type] of types.entries()) {
        for (let round = 0; round < VALUES; round++) {
          const [given, expected] = valueAtRandom(below, type);
          const place = `${open.name}() f${i}, ${textOf(type, true)}: ${inspect(given, { depth: 9 })}`;
          let returned;
          try {
            returned = await instance.exports[`runF${i}`](given);
            if (type.kind === 'result') returned = { tag: 'ok', val: returned };
          } catch (error) {
            if (!(error instanceof ComponentError)) throw new Error(place, { cause: error });
            returned = { tag: 'err', val: error.payload };
          }
          assert.deepEqual(got, expected, `given to the embedder, ${place}`);
          assert.deepEqual(returned, expected, `returned, ${place}`);
        }
      }
      await instance.close();
    }
  });
}
