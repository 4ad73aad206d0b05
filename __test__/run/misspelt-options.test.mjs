// An option that is misspelt is refused, with the name that was meant, wherever options are this package's own.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, test } from 'node:test';
import { compile, run, spawn } from '../../index.js';
import { Guest } from '../support/guest.mjs';
import { exits } from '../support/programs.mjs';

const PROGRAM = exits(0);

/** The functions that take options, each as one that rejects. */
const TAKERS = {
  'run()': (options) => run(PROGRAM, options),
  'spawn()': async (options) => spawn(PROGRAM, options).result,
  'Program.run()': async (options) => (await compile(PROGRAM, { cache: false })).run(options),
};

const refused = (name, meant, value) => ({
  name: 'TypeError',
  code: 'ERR_INVALID_ARG_VALUE',
  message: `The property '${name}' is not known (did you mean '${meant}'?). Received ${value}`,
});

for (const [taker, take] of Object.entries(TAKERS)) {
  describe(`misspelt options of ${taker}`, () => {
    test('are refused', async () => {
      await assert.rejects(take({ timout: 5 }), refused('options.timout', 'timeout', '5'));
      await assert.rejects(take({ Args: [] }), refused('options.Args', 'args', '[]'));
      await assert.rejects(take({ cahce: null }), refused('options.cahce', 'cache', 'null'));
      await assert.rejects(take({ std: 1 }), {
        code: 'ERR_INVALID_ARG_VALUE',
        message: /^The property 'options.std' is not known: options may have 'args', .*Received 1$/,
      });
      await assert.rejects(
        take({ limits: { memry: 1 } }),
        refused('options.limits.memry', 'memory', '1'),
      );
      await assert.rejects(
        take({ limits: { mem: 1 } }), // only one name begins so
        refused('options.limits.mem', 'memory', '1'),
      );
      await assert.rejects(
        take({ preopens: { '/d': { path: '.', readonly: true } } }),
        refused("options.preopens['/d'].readonly", 'readOnly', 'true'),
      );
    });

    test('are of no interest while they are undefined', async () => {
      const options = {
        timout: undefined,
        limits: { mem: undefined },
        preopens: { '/': { path: '.', readonly: undefined } },
      };
      assert.equal((await take(options)).exitCode, 0);
    });
  });
}

test('compile() knows the cache and nothing else', async () => {
  await assert.rejects(
    compile(PROGRAM, { cach: false }),
    refused('options.cach', 'cache', 'false'),
  );
  await assert.rejects(compile(PROGRAM, { timeout: 5 }), {
    code: 'ERR_INVALID_ARG_VALUE',
    message: /'options.timeout' is not known: options may have 'cache'. Received 5$/,
  });
  await assert.rejects(compile(PROGRAM, []), { code: 'ERR_INVALID_ARG_TYPE' });
  await compile(PROGRAM, { cache: false, engine: undefined });
});

test('the class checks what node:wasi does not know, and takes the rest as node:wasi does', () => {
  const preopens = { '/d': { path: '.', readonly: true } };
  assert.throws(
    () => new Guest({ preopens }),
    refused("options.preopens['/d'].readonly", 'readOnly', 'true'),
  );
  assert.throws(
    () => new Guest({ limits: { openfiles: 5 } }),
    refused('options.limits.openfiles', 'openFiles', '5'),
  );
  new Guest({ timout: 5, Args: [], preopens: { '/': { path: '.', readonly: undefined } } });
});

test('every option of the types is known', async () => {
  const types = fs.readFileSync(new URL('../../index.d.ts', import.meta.url), 'utf8');
  const optionsOf = (name) => {
    const [, body] = new RegExp(`export interface ${name}\\b.*?{\\n(.*?)\\n}\\n`, 's').exec(types);
    return [...body.matchAll(/^ {2}(\w+)\?:/gm)].map(([, option]) => option);
  };
  const options = optionsOf('RunOptions');
  assert.ok(options.length > 10 && options.includes('args'));
  const isKnown = ({ message }) => !message.includes('is not known');
  for (const option of options) {
    // No option is a symbol.
    const promise = run(PROGRAM, { [option]: Symbol('odd'), timeout: -1 });
    await assert.rejects(promise, isKnown, option);
  }
  for (const limit of optionsOf('RunLimits')) {
    await assert.rejects(run(PROGRAM, { limits: { [limit]: Symbol('odd') } }), isKnown, limit);
  }
});
