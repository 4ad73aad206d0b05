// Odd modules have the same outcome through the command line, on the main thread and beside it.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { HANGS, main, runNode, temporaryFolder } from '../support/host.mjs';
import { ROWS, UNCOMPILED, moduleOf, prospects } from '../support/odd-modules.mjs';
import { lengthened } from '../support/programs.mjs';

const folder = temporaryFolder({ after });
process.env.WASI_RS_CACHE = ''; // no machine code is kept

/** Runs the command; what it wrote and how it ended. */
async function command(...args) {
  const { code, stdout, stderr } = await runNode([main, ...args]);
  // What the engine itself says of a module that it does not compile stands behind it.
  const message = stderr.split('\n')[0].replace(/(this engine does not have); .*/, '$1');
  return { code, stdout, message };
}

/** As the command line tells it. */
function told({ code, message, stdout = '' }, file) {
  if (typeof code === 'number') return { code: code & 0xff, stdout, message: '' };
  const said = /^the program (.*)/
    .exec(message)?.[1]
    .replace('give it what it imports by options.imports, or ', ''); // no flag does
  const named = said === undefined ? `${file}: ${message}` : `${file} ${said}`;
  return { code: code === 'ERR_WASI_TRAP' ? 134 : 2, stdout, message: `wasi-rs: ${named}` };
}

describe('odd modules on the command line', { concurrency: 2 }, () => {
  for (const [name, row] of Object.entries(ROWS)) {
    if (row.cli === false) continue;
    test(name, { timeout: HANGS }, async () => {
      const module = moduleOf(row);
      const file = path.join(folder, `${name.replaceAll(/[^a-z0-9]/gi, '-')}.wasm`);
      fs.writeFileSync(file, module);
      const { inV8 } = prospects(row, module);
      const expected = told(inV8 ? row.outcome : UNCOMPILED, file);
      assert.deepEqual(await command('--engine', 'v8', file), expected, 'on the main thread');
      assert.deepEqual(
        await command('--engine', 'v8', '--timeout', '1m', file),
        expected,
        'in a worker',
      );
    });
  }

  test('inspect says which can not be run', { timeout: HANGS }, async () => {
    for (const name of [
      'a memory that is not exported',
      '_start and _initialize',
      'both editions',
      'no exit',
    ]) {
      const file = path.join(folder, 'inspected.wasm');
      fs.writeFileSync(file, moduleOf(ROWS[name]));
      const { code } = await command('inspect', file);
      assert.equal(code, name === 'no exit' ? 0 : 1, name);
    }
  });

  test(
    'without a word about the engine: what V8 lacks, wasmtime has',
    { timeout: HANGS },
    async () => {
      for (const name of [
        'two memories',
        'a memory of 64 bits',
        'both editions',
        'exit code 256',
      ]) {
        const file = path.join(folder, 'auto.wasm');
        fs.writeFileSync(file, lengthened(moduleOf(ROWS[name])));
        assert.deepEqual(await command(file), told(ROWS[name].outcome, file), name);
      }
    },
  );
});
