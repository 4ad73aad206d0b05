// Directories in memory in run(), spawn(), load() and the class at once.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Runner, WASI, compile, load, loadSync, memory, run, spawn } from '../../index.js';
import { forEachEngine, makeRun } from '../support/engine.mjs';
import { assemble } from '../support/wat.mjs';
import { SPIN, creates, program, reflectWithFile } from '../support/programs.mjs';

/** Makes the directory `folder`. */
const LIBRARY = assemble(`(module
  (import "wasi_snapshot_preview1" "path_create_directory"
    (func $mkdir (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "folder")
  (func (export "make") (result i32) (call $mkdir (i32.const 3) (i32.const 0) (i32.const 6))))`);

forEachEngine(({ engine, run, spawn }) => {
  describe(engine, () => {
    test('a program reads and writes it', async () => {
      const work = memory({ file: 'of the host' });
      const read = await run(reflectWithFile(), { preopens: { '/': work } });
      assert.match(String(read.stdout), /of the host$/);
      const made = await run(creates(), { preopens: { '/work': work } });
      assert.equal(made.exitCode, 0);
      assert.deepEqual(work.changed(), { made: Buffer.from('made') });
    });

    test('for reading only', async () => {
      const work = memory();
      const preopens = { '/': { directory: work, readOnly: true } };
      const { exitCode } = await run(creates(), { preopens });
      assert.equal(exitCode, 69);
      assert.deepEqual(work.tree(), {});
    });

    test('several runs at once share one', async () => {
      const work = memory();
      const runs = Array.from({ length: 8 }, () => run(creates(), { preopens: { '/': work } }));
      for (const { exitCode } of await Promise.all(runs)) assert.equal(exitCode, 0);
      assert.equal(work.readFile('made', 'utf8'), 'made');
    });

    test('a run that is ended leaves it in order', async () => {
      const work = memory();
      const child = spawn(program(SPIN), { preopens: { '/': work } });
      child.kill();
      await assert.rejects(child.result);
      work.writeFile('file', 'text');
      assert.equal(work.readFile('file', 'utf8'), 'text');
    });
  });
});

test('two runs that are deterministic leave the same archive', async () => {
  const runOnce = async () => {
    const work = memory({ file: 'text', 'sub/': {} });
    const preopens = { '/': work, '/other': memory() };
    const { exitCode } = await run(creates(), { preopens, deterministic: true });
    assert.equal(exitCode, 0);
    return work.toTar();
  };
  const [one, other] = [await runOnce(), await runOnce()];
  assert.deepEqual(one, other);
  assert.deepEqual(Object.keys(memory.fromTar(one).tree()), ['file', 'made', 'sub/']);
});

describe('one directory', () => {
  test('is in the class and in both engines', async () => {
    const work = memory({ file: 'shared' });
    const preopens = { '/': work };
    const guest = new WASI({ version: 'preview1', preopens });
    const instance = new WebAssembly.Instance(
      new WebAssembly.Module(creates()),
      guest.getImportObject(),
    );
    assert.equal(guest.start(instance), 0);
    for (const engine of ['wasmtime', 'v8']) {
      work.rm('made');
      assert.equal((await makeRun(engine)(creates(), { preopens })).exitCode, 0);
      assert.equal(work.readFile('made', 'utf8'), 'made');
    }
  });

  test('is in a Runner, in spawn() and in load()', async () => {
    const work = memory();
    const preopens = { '/': work };
    const runner = new Runner({ preopens });
    assert.equal((await runner.run(creates())).exitCode, 0);
    work.rm('made');
    assert.equal((await spawn(creates(), { preopens }).result).exitCode, 0);
    work.rm('made');
    const program_ = await compile(creates());
    assert.equal((await program_.run({ preopens })).exitCode, 0);
    const instance = await load(LIBRARY, { preopens });
    assert.equal(await instance.exports.make(), 0);
    await instance.close();
    assert.deepEqual(work.tree(), { 'folder/': {}, made: Buffer.from('made') });
    const here = loadSync(LIBRARY, { preopens });
    assert.equal(here.exports.make(), 20, 'EEXIST');
    here.close();
  });

  test('is refused where it is none', async () => {
    await assert.rejects(run(creates(), { preopens: { '/': { directory: 5 } } }), {
      code: 'ERR_INVALID_ARG_TYPE',
      message: /preopens\['\/'\]\.directory/,
    });
    await assert.rejects(
      run(creates(), { preopens: { '/': { directory: memory(), path: '.' } } }),
      {
        code: 'ERR_INCOMPATIBLE_OPTION_PAIR',
      },
    );
  });
});
