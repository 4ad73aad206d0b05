// Machine code, from compile() and serialize() to deserialize(): what runs it, and what it says where it can not.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compile, deserialize } from '../../index.js';
import { ROWS, moduleOf } from '../support/odd-modules.mjs';

const cache = false;

test('machine code runs in wasmtime only, as it was made', async () => {
  const module = moduleOf(ROWS['exit code 1']);
  const program = await deserialize(await (await compile(module, { cache })).serialize());
  for (const options of [
    {},
    { engine: 'auto' },
    { engine: 'wasmtime' },
    { limits: { stack: 65536, memory: 65536 } },
  ]) {
    assert.equal((await program.run(options)).exitCode, 1);
  }
  await assert.rejects(program.run({ engine: 'v8' }), {
    code: 'ERR_WASI_PROGRAM',
    message:
      'the program is machine code of wasmtime, from deserialize(), which no other engine runs',
  });
  await assert.rejects(program.run({ limits: { fuel: 1000 } }), {
    code: 'ERR_WASI_PROGRAM',
    message:
      /^the program is machine code that does not count, .*limits\.fuel needs the module itself$/,
  });
});
