// Inputs are given to both classes, and what comes of them is compared.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { WASI as Ours } from '../../../compat.js';
import { Theirs, outcome } from './classes.mjs';
import { KILLS_NODE, ON_PURPOSE } from './differences.mjs';

/** The entries of ON_PURPOSE that an input has needed. */
export const needed = new Set();

/** How many inputs. */
export let compared = 0;

/** Compares one input; what differs, unless it is meant to. */
function difference(name, input) {
  const ours = outcome(Ours, input);
  if (KILLS_NODE.has(name)) return undefined;
  compared += 1;
  const theirs = outcome(Theirs, input);
  if (inspect(ours, { depth: 9 }) === inspect(theirs, { depth: 9 })) return undefined;
  const purpose = ON_PURPOSE.find(({ applies }) => applies(ours, theirs, name));
  if (purpose) {
    needed.add(purpose);
    return undefined;
  }
  const shown = (all) => {
    const differing = Object.entries(all).filter(
      ([key, value]) =>
        inspect(value, { depth: 9 }) !== inspect(own[all === ours ? 1 : 0][key], { depth: 9 }),
    );
    return inspect(Object.fromEntries(differing), {
      depth: 9,
      breakLength: Infinity,
      maxArrayLength: 200,
    });
  };
  const own = [ours, theirs];
  return `${name}\n    ours:   ${shown(ours)}\n    theirs: ${shown(theirs)}`;
}

/** One test of many inputs: all differences are listed. @param {Iterable<[string, Function]>} inputs */
export function sameOutcomes(name, inputs) {
  test(name, () => {
    const differences = [...inputs].flatMap((input) => difference(...input) ?? []);
    assert.equal(differences.length, 0, differences.join('\n'));
  });
}
