// The description of a Program: the same as `wasi-rs inspect` gives, wherever the program comes from.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { compile, deserialize } from '../../index.js';
import { root, runNode, temporaryFolder } from '../support/host.mjs';
import { assemble } from '../support/wat.mjs';

const DESCRIBED = assemble(`(module
  (import "wasi_unstable" "proc_exit" (func (param i32)))
  (memory (export "memory") 3 4) (table (export "table") 1 funcref) (global (export "global") i32 (i32.const 0))
  (func (export "_start")) (func (export "other") (param i32 f64) (result i64) (i64.const 0)))`);

test('a program is described as by inspect, from a file, bytes and machine code', async (t) => {
  const file = path.join(temporaryFolder(t), 'program.wasm');
  fs.writeFileSync(file, DESCRIBED);
  const main = path.join(root, 'cli/main.js');
  const { stdout } = await runNode([main, 'inspect', '--json', file]);
  const expected = JSON.parse(stdout);
  const { version } = expected;
  for (const one of expected.imports) delete one.limits;
  assert.equal(version, 'unstable');
  const ofFile = await compile(file, { cache: false });
  const ofBytes = await compile(DESCRIBED, { cache: false });
  const ofCode = await deserialize(await ofBytes.serialize());
  for (const program of [ofFile, ofBytes, ofCode]) {
    const { kind, version, memory, imports, exports, missing } = program;
    const described = { kind, version, memory, imports, exports, missing };
    assert.deepEqual({ ...expected, ...described }, { ...expected });
    assert.equal(program.imports, program.imports);
  }
});

test('nobody changes the description', async () => {
  const program = await compile(DESCRIBED, { cache: false });
  for (const list of [program.imports, program.exports, program.memory]) {
    assert.ok(list.length > 0 && Object.isFrozen(list));
    for (const one of list) assert.ok(Object.isFrozen(one));
  }
  assert.throws(() => (program.memory[0].min = 0), TypeError);
  assert.throws(() => program.imports.push({}), TypeError);
});

test('memories are shared if the module says so, wherever the program comes from', async (t) => {
  const cache = path.join(temporaryFolder(t), 'cache');
  const wait = '(drop (memory.atomic.wait32 (i32.const 0) (i32.const 1) (i64.const 0)))';
  for (const body of ['', wait]) {
    const wasm = assemble(`(module (import "a" "m" (memory 1 2 shared)) (import "a" "n" (memory 1))
      (memory (export "memory") 1 3 shared) (memory (export "plain") 1)
      (func (export "_start") ${body}) (export "again" (memory 0)))`);
    const compiled = await compile(wasm, { cache });
    const kept = await compile(wasm, { cache });
    const revived = await deserialize(await kept.serialize());
    const again = await deserialize(await revived.serialize());
    for (const program of [compiled, kept, revived, again]) {
      const shared = program.memory.map(({ imported, shared }) => [imported, shared]);
      assert.deepEqual(shared, [
        [true, true],
        [true, false],
        [false, true],
        [false, false],
        [false, true],
      ]);
      const names = program.exports.map(({ name }) => name);
      assert.deepEqual(names, ['memory', 'plain', '_start', 'again'], 'none is added');
      assert.equal(program.imports.length, 2);
      assert.equal((await program.run()).exitCode, 0);
    }
  }
});

test('a program without WASI has no version', async () => {
  const { version, memory, imports } = await compile(assemble('(module (func (export "_start")))'));
  assert.deepEqual({ version, memory, imports }, { version: null, memory: [], imports: [] });
});

test('modules that are no commands, or lack imports, are described as well', async () => {
  const of = (text) => compile(assemble(`(module ${text})`), { cache: false });
  const reactor = await of('(func (export "_initialize"))');
  assert.deepEqual([reactor.kind, reactor.missing], ['reactor', []]);
  await assert.rejects(reactor.run(), {
    code: 'ERR_WASI_PROGRAM',
    message: /is not a command: it exports no function '_start'/,
  });
  const library = await of('(func (export "f") (result i32) (i32.const 5))');
  for (const one of [library, await deserialize(await library.serialize())]) {
    assert.equal(one.kind, 'unknown');
    assert.equal(await (await one.load()).exports.f(), 5);
  }
  const lacking = await of(
    '(import "env" "f" (func)) (import "env" "m" (memory 1)) (func (export "_start"))',
  );
  assert.deepEqual([lacking.kind, lacking.missing], ['command', ['env.f (function)']]);
  await assert.rejects(lacking.run(), { code: 'ERR_WASI_IMPORT', message: /env\.f/ });
  assert.equal((await lacking.run({ imports: { env: { f() {} } } })).exitCode, 0);
});
