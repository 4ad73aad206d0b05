// import of files of WebAssembly, with wasi-rs/register.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import module from 'node:module';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { assembleComponent, echoing } from '../support/components.mjs';
import { root, temporaryFolder } from '../support/host.mjs';
import { assemble } from '../support/wat.mjs';

const skip = module.registerHooks ? false : 'needs module.registerHooks()';
const core = `(core module $m (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))
  (core instance $i (instantiate $m))
  (func $add (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "add")))`;

describe('import', { skip }, () => {
  const folder = temporaryFolder({ after });
  before(() => {
    const files = {
      'component.wasm': assembleComponent(
        `(component ${core} (export "add-up" (func $add)) (instance $api (export "add" (func $add)))
          (export "my:pack/api@1.0.0" (instance $api)))`,
      ),
      'foreign.wasm': assembleComponent(echoing({ u32: { type: 'u32', core: 'i32' } })),
      'reactor.wasm': assemble(`(module
        (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
        (import "./host.mjs" "twice" (func $twice (param i32) (result i32)))
        (memory (export "memory") 1) (global $ready (mut i32) (i32.const 0))
        (func (export "_initialize") (global.set $ready (i32.const 40)) (drop (call $random (i32.const 0) (i32.const 8))))
        (func (export "get") (result i32) (i32.add (global.get $ready) (call $twice (i32.const 1)))))`),
      'plain.wasm': assemble('(module (func (export "five") (result i32) (i32.const 5)))'),
      'broken.wasm': Buffer.from('no module'),
      'command.wasm':
        assemble(`(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
        (memory (export "memory") 1) (func (export "_start")))`),
      'needy.wasm': assemble(
        '(module (import "env" "foo" (func)) (func (export "five") (result i32) (i32.const 5)))',
      ),
      'host.mjs': 'export const twice = (n) => 2 * n; export const other = 5;',
    };
    for (const [name, content] of Object.entries(files)) {
      fs.writeFileSync(path.join(folder, name), content);
    }
  });

  /** What a script in the folder writes, as JSON. */
  function evaluate(code, flags = ['--import', path.join(root, 'register.js')]) {
    const file = path.join(folder, 'main.mjs');
    fs.writeFileSync(file, code);
    const options = { encoding: 'utf8', cwd: folder };
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ['--no-warnings', ...flags, file],
      options,
    );
    assert.equal(stderr, '');
    return JSON.parse(stdout);
  }

  for (const flag of ['--import', '--require']) {
    test(`of a component and a reactor, with ${flag}`, () => {
      const code = `
        import { addUp, api } from './component.wasm';
        import * as all from './component.wasm?again';
        import { get, memory } from './reactor.wasm';
        console.log(JSON.stringify([addUp(1, 2), api.add(3, 4), Object.keys(all), get(), memory.byteLength]));`;
      const names = ['addUp', 'api', 'my:pack/api', 'my:pack/api@1.0.0'];
      const register = path.join(root, 'register.js');
      assert.deepEqual(evaluate(code, [flag, register]), [3, 7, names, 42, 65_536]);
    });
  }

  test('of other modules is what Node makes of it', () => {
    const code = `
      const told = [];
      for (const name of ['plain', 'broken', 'nothing']) {
        try {
          told.push(Object.keys(await import('./' + name + '.wasm')));
        } catch (error) {
          told.push(error.name + ' ' + error.message.split(/ of | [('"]/)[0]);
        }
      }
      console.log(JSON.stringify(told));`;
    assert.deepEqual(evaluate(code), evaluate(code, []));
    assert.deepEqual(evaluate(code)[0], ['five']);
  });

  test('fails where imports are missing, and for a command, with advice', () => {
    const code = `
      const told = [];
      for (const name of ['foreign', 'needy', 'command']) {
        try {
          await import('./' + name + '.wasm');
        } catch ({ code, message, cause }) {
          told.push([code, message, cause.code]);
        }
      }
      console.log(JSON.stringify(told));`;
    const [foreign, needy, command] = evaluate(code);
    assert.equal(foreign[0], 'ERR_WASI_IMPORT');
    assert.match(foreign[1], /echoU32\(\).* use load\(\), with options\.imports\)$/);
    // Versions of Node that don't import WebAssembly say so.
    const [plain] =
      evaluate(`const told = await import('./plain.wasm').then(() => true, () => false);
      console.log(JSON.stringify([told]));`);
    if (!plain) return;
    assert.equal(needy[0], 'ERR_WASI_IMPORT');
    assert.match(needy[1], /needy\.wasm: it imports from 'env', which is not found .*load\(\)/);
    assert.equal(command[0], 'ERR_WASI_PROGRAM');
    assert.match(command[1], /command\.wasm: it is a command: run\(\) and spawn\(\) run it$/);
    assert.deepEqual([needy[2], command[2]], ['ERR_MODULE_NOT_FOUND', 'ERR_MODULE_NOT_FOUND']);
  });
});
