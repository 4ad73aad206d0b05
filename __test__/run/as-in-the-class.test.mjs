// A program does the same in the class and in each engine of run().

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { WASI } from '../../index.js';
import { forEachEngine } from '../support/engine.mjs';
import { temporaryFolder } from '../support/host.mjs';
import { cat, creates, program, reflect, writes } from '../support/programs.mjs';

const folder = temporaryFolder({ after });

/** The same program in the class, in this thread. */
function inClass(wasm, { input = '', argv0 = 'program.wasm', args = [], env, preopens }) {
  const options = { version: 'preview1', input, args: [argv0, ...args], env, preopens };
  const wasi = new WASI({ ...options, stdout: 'pipe', stderr: 'pipe' });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(wasm), wasi.getImportObject());
  return { exitCode: wasi.start(instance), stdout: wasi.stdout, stderr: wasi.stderr };
}

forEachEngine(({ engine, run }) => {
  test(`a program does the same in the class and in ${engine}`, async () => {
    const { items, body } = writes('to both\n');
    const programs = {
      'copies its input': [cat(), { input: 'žluť 🐎\n'.repeat(1000) }],
      'writes to stderr': [cat(2), { input: 'error' }],
      'shows its arguments': [
        reflect(),
        { argv0: 'name', args: ['a', '', 'č'], env: { A: '1', B: '' } },
      ],
      'makes a file': [creates(), { preopens: { '/': folder } }],
      'has no directory': [creates(), {}],
      writes: [program(body, { items }), {}],
    };
    for (const [name, [wasm, options]] of Object.entries(programs)) {
      const files = [];
      const outcomes = [];
      for (const go of [inClass, run]) {
        fs.rmSync(path.join(folder, 'made'), { force: true });
        const { exitCode, stdout, stderr } = await go(wasm, options);
        outcomes.push({ exitCode, stdout: String(stdout), stderr: String(stderr) });
        const made = path.join(folder, 'made');
        files.push(fs.existsSync(made) && fs.readFileSync(made, 'utf8'));
      }
      assert.deepEqual(outcomes[0], outcomes[1], name);
      assert.equal(files[0], files[1], name);
    }
  });
});
