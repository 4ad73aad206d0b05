// What the command can not run is said in a line, with what to do.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { IS_WINDOWS, commandLine } from '../support/cli.mjs';
import { CHOICES, forEachEngine } from '../support/engine.mjs';
import { HANGS, main } from '../support/host.mjs';
import { assemble } from '../support/wat.mjs';

const { folder, refusal } = commandLine({ after });

describe('what can not be run is said in a line, with what to do', () => {
  forEachEngine(({ engine }) => {
    test(engine, async () => {
      const told = (...args) => refusal(`--engine=${engine}`, ...args);
      assert.match(await told('nowhere.wasm'), /^can't read nowhere\.wasm: there is no such file/);
      assert.match(await told('data'), /^can't read data: it is a directory$/);
      assert.match(
        await told('text'),
        /^text is not a WebAssembly module: it does not begin with /,
      );
      assert.match(await told('empty'), /^empty is not .*: it is empty$/);
      assert.match(await told('elf'), /^elf is not .*; build it for wasm32-wasip1$/);
      assert.match(
        await told('component'),
        engine === 'v8'
          ? /^component is a component, which V8 does not run; wasmtime does$/
          : /^component is a component that is no command, since it exports no wasi:cli\/run: /,
      );
      assert.match(await told('cut.wasm'), /^cut\.wasm can't be compiled: /);
      assert.match(
        await told('alien.wasm'),
        /^alien\.wasm imports .*: env\.foo \(function\); build it for /,
      );
      assert.match(await told('broken.wat'), /^broken\.wat: line 2, column 3: expected/);
      assert.match(await told('misfit.wasm'), /^misfit\.wasm .* type/);
      assert.match(
        await told('library.wasm'),
        /^library\.wasm is not a command: it exports no function '_start'; load\(\) gives its exports$/,
      );
      assert.match(
        await told('--dir', 'nowhere', 'hello.wasm'),
        /^--dir nowhere: there is no such /,
      );
      assert.match(
        await told('--dir', 'text', 'hello.wasm'),
        /^--dir text: it is not a directory$/,
      );
      const data =
        '--dir data:/data: there is no such file or directory. It is HOST::GUEST: did you mean data::/data?';
      assert.equal(await told('--dir', 'data:/data', 'hello.wasm'), data);
      assert.equal(await told('--dir', 'data:/data:ro', 'hello.wasm'), data);
    });
  }, CHOICES);

  test(
    'without permission',
    { skip: process.getuid?.() === 0 && 'root may read anything' },
    async () => {
      fs.writeFileSync(path.join(folder, 'secret.wasm'), '', { mode: 0 });
      assert.match(await refusal('secret.wasm'), /^can't read secret\.wasm: permission denied$/);
    },
  );

  test('also where nobody reads it, the process ends', { skip: IS_WINDOWS }, async (t) => {
    const loops = path.join(folder, 'full.wasm');
    const write = '(drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))';
    const text = `(module (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1) (data (i32.const 0) "\\10\\00\\00\\00\\00\\ff\\00\\00")
      (func (export "_start") (loop ${write} (br 0))))`;
    fs.writeFileSync(loops, assemble(text));
    for (const engine of ['wasmtime', 'v8']) {
      const child = spawn(process.execPath, [main, '--engine', engine, '--timeout=200ms', loops], {
        stdio: ['ignore', 'ignore', 'pipe'], // of child_process: a socket
        timeout: HANGS,
      });
      t.after(() => child.stderr.destroy());
      assert.deepEqual(await once(child, 'exit'), [124, null]);
    }
  });

  test('a command that is misspelt', async () => {
    assert.match(await refusal('inspct'), /did you mean the command inspect\?$/);
  });
});
