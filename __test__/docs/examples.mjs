// The packages of examples/: each one's own test passes, in a copy of its folder with the packages that it names.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { read, shell } from '../support/documents.mjs';
import { root } from '../support/host.mjs';

/** Where packages are installed, and wasi-rs as a copy of the package: one that jest takes for a package. */
const homes = ['__test__/packages/node_modules', 'node_modules'].map((name) =>
  path.join(root, name),
);

/** @param {string} name @returns {string | undefined} the folder of a package */
const home = (name) =>
  homes.map((at) => path.join(at, name)).find((at) => fs.existsSync(at)) ??
  (name === 'wasi-rs' ? root : undefined);

const examples = fs
  .readdirSync(path.join(root, 'examples'))
  .filter((name) => fs.existsSync(path.join(root, 'examples', name, 'package.json')));

/** Declares the tests. @param {string} folder to work in @param {NodeJS.ProcessEnv} env */
export function declareExamples(folder, env) {
  for (const example of examples) {
    const source = path.join(root, 'examples', example);
    const { dependencies, devDependencies } = JSON.parse(
      fs.readFileSync(path.join(source, 'package.json'), 'utf8'),
    );
    const names = Object.keys({ ...dependencies, ...devDependencies });
    if (example === 'jest') names.push('@jest/globals');
    const missing = names.find((name) => !home(name));
    const skip = missing && `${missing} is not installed: node __test__/packages/install.js`;
    test(example, { skip }, async () => {
      const copy = path.join(folder, example);
      fs.cpSync(source, copy, { recursive: true });
      for (const name of names) {
        const link = path.join(copy, 'node_modules', name);
        fs.mkdirSync(path.dirname(link), { recursive: true });
        fs.symlinkSync(home(name), link, 'junction');
      }
      const bin = homes.map((at) => path.join(at, '.bin'));
      await shell('npm test', { cwd: copy, bin, env });
    });
  }

  test('README lists the examples', () => {
    const listed = [...read('examples/README.md').matchAll(/^- \[([\w-]+)\]/gm)].map(
      ([, name]) => name,
    );
    assert.deepEqual(listed.sort(), examples.sort());
  });
}
