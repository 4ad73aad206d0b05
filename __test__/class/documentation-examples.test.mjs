// The examples of node:wasi's documentation work, with the module's name changed.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { root, runNode, temporaryFolder } from '../support/host.mjs';
import { assemble } from '../support/wat.mjs';

const demo = assemble(fs.readFileSync(path.join(root, 'examples/demo.wat'), 'utf8'));

describe("the documentation's examples", () => {
  const options = `{
      version: 'preview1',
      args: argv,
      env,
      preopens: {
        '/local': argv[2],
      },
    }`;
  const examples = {
    'cjs of the newer edition': `
      'use strict';
      const { readFile } = require('node:fs/promises');
      const { WASI } = require(${JSON.stringify(root)});
      const { argv, env } = require('node:process');
      const { join } = require('node:path');

      const wasi = new WASI(${options});

      (async () => {
        const wasm = await WebAssembly.compile(
          await readFile(join(__dirname, 'demo.wasm')),
        );
        const instance = await WebAssembly.instantiate(wasm, wasi.getImportObject());

        wasi.start(instance);
      })();`,
    'mjs of the newer edition': `
      import { readFile } from 'node:fs/promises';
      import { WASI } from ${JSON.stringify(path.join(root, 'index.js'))};
      import { argv, env } from 'node:process';

      const wasi = new WASI(${options});

      const wasm = await WebAssembly.compile(
        await readFile(new URL('./demo.wasm', import.meta.url)),
      );
      const instance = await WebAssembly.instantiate(wasm, wasi.getImportObject());

      wasi.start(instance);`,
    'cjs of the older edition, with a version': `
      'use strict';
      const fs = require('fs');
      const { WASI } = require(${JSON.stringify(root)});
      const wasi = new WASI({
        version: 'preview1',
        args: process.argv,
        env: process.env,
        preopens: {
          '/sandbox': process.argv[2]
        }
      });
      const importObject = { wasi_snapshot_preview1: wasi.wasiImport };

      (async () => {
        const wasm = await WebAssembly.compile(fs.readFileSync('./demo.wasm'));
        const instance = await WebAssembly.instantiate(wasm, importObject);

        wasi.start(instance);
      })();`,
  };
  for (const [name, script] of Object.entries(examples)) {
    test(`${name}: says hello world and warns of nothing`, async (t) => {
      const folder = temporaryFolder(t);
      const file = path.join(folder, `example.${name.slice(0, 3)}`);
      fs.writeFileSync(file, script);
      fs.writeFileSync(path.join(folder, 'demo.wasm'), demo);
      assert.deepEqual(await runNode([file, folder], { cwd: folder }), {
        code: 0,
        signal: null,
        stdout: 'hello world\n',
        stderr: '',
      });
    });
  }
});
