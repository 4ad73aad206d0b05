// Machine code, from compile() and serialize() to deserialize(): what runs it, and what it says where it can not.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compile, deserialize } from '../../index.js';
import { ROWS, moduleOf } from '../support/odd-modules.mjs';
import { cat } from '../support/programs.mjs';

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

test('a compiled program runs, also from its machine code', async () => {
  const compiled = await compile(cat(), { cache: false });
  const again = await deserialize(await compiled.serialize());
  for (const one of [compiled, again]) {
    assert.equal(String((await one.run({ input: 'here' })).stdout), 'here');
    const child = one.spawn();
    child.stdin.end('there');
    assert.equal(String(await child.stdout.toArray()), 'there');
  }
  const limited = compiled.run({ input: 'x', limits: { fuel: 1 } });
  await assert.rejects(limited, { code: 'ERR_WASI_FUEL' });
  const code = await compiled.serialize();
  for (const bytes of [cat(), Buffer.from('text'), Buffer.alloc(0), code.subarray(0, 100)]) {
    await assert.rejects(deserialize(bytes), {
      code: 'ERR_WASI_PROGRAM',
      message: /^the program is no machine code of wasi-rs, or is cut off: /,
    });
  }
  await assert.rejects(deserialize('x'), { code: 'ERR_INVALID_ARG_TYPE' });
  await assert.rejects(compile(Buffer.from('x'), { cache: false }), { code: 'ERR_WASI_PROGRAM' });
  await assert.rejects(compile(cat(), { cache: 5 }), { code: 'ERR_INVALID_ARG_TYPE' });
});
