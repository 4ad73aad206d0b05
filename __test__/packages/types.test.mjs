// The types, as the installed package has them: with the oldest TypeScript that is supported and the newest, in each kind
// of module, with and without the types of Node. The examples of README and docs/ compile.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { before, after, describe, test } from 'node:test';
import { WASI } from 'wasi-rs';
import { documents } from '../docs/pages.mjs';
import { sectionsOf, write } from '../support/documents.mjs';
import { node } from './node.mjs';

const root = path.join(import.meta.dirname, '..', '..');
const compiler = (/** @type {string} */ from, /** @type {string} */ name) =>
  path.join(createRequire(from).resolve(`${name}/package.json`), '..', 'bin', 'tsc');
const compilers = [
  {
    name: 'TypeScript 5.4 with the types of Node 20',
    tsc: compiler(import.meta.filename, 'typescript54'),
    types: 'types-node20',
  },
  {
    name: 'the newest TypeScript with the newest types of Node',
    tsc: compiler(path.join(root, 'index.js'), 'typescript'),
    types: '@types/node',
  },
];

// What index.d.ts lets through and what it refuses: of any package, and here of the installed one.
const checks = fs
  .readFileSync(path.join(root, '__test__', 'npm', 'types.test-d.ts'), 'utf8')
  .replaceAll(
    /'\.\.\/\.\.\/(?:index|(\w+))\.js'/g,
    (_, entry) => `'wasi-rs${entry ? `/${entry}` : ''}'`,
  );

/** The examples that use the package, as modules. They are JavaScript: not all of their values have types. */
const examples = documents
  .flatMap((document) => sectionsOf(document).flatMap(({ blocks }) => blocks))
  .filter(({ language, name, code }) => language === 'js' && !name && code.includes("'wasi-rs'"))
  .map(({ code }) => {
    const required = /^(?:const|import) (\w+|\{.*\}) = require\('([\w:/-]+)'\);.*\n/gm;
    const imported = /^import .* from '.*';.*\n/gm;
    const imports = [
      ...[...code.matchAll(required)].map(([, names, from]) => `import ${names} from '${from}';`),
      ...(code.match(imported) ?? []),
    ];
    const body = code.replaceAll(required, '').replaceAll(imported, '');
    return `${imports.join('\n')}
export async function example() {
${body}}
`;
  });

/** How many parameters each system call has. */
const { wasiImport } = new WASI({ version: 'preview1' });
const lengths = `import type { SystemCalls } from 'wasi-rs';
export const lengths: { [Name in keyof SystemCalls]: Parameters<SystemCalls[Name]>['length'] } = {
${Object.entries(wasiImport)
  .map(([name, call]) => `  ${name}: ${call.length},\n`)
  .join('')}};
`;

/** A user of the package who has no types of Node, or none of browsers. */
const withoutNode = `import { WASI, run, type RunOptions } from 'wasi-rs';
const wasi = new WASI({ version: 'preview1', args: ['app'] });
wasi.start({}) satisfies number;
wasi.wasiImport.fd_close(3) satisfies number;
// @ts-expect-error no such version
new WASI({ version: 'preview2' });
export async function main(options: RunOptions) {
  const { exitCode, usage } = await run('app.wasm', { ...options, timeout: 5 });
  [exitCode, usage.calls] satisfies [number, number];
  // @ts-expect-error no such option
  await run('app.wasm', { timout: 5 });
}
`;

const folder = path.join(import.meta.dirname, 'build', 'types');
/** A folder in which the types of Node are those of a package. @param {string} name */
const typesOf = (name) => path.join(folder, 'types', path.basename(name));

before(() => {
  fs.rmSync(folder, { recursive: true, force: true });
  const sources = { checks, lengths };
  const kinds = ['ts', 'mts', 'cts'];
  const files = kinds.flatMap((kind) =>
    Object.entries(sources).map(([name, code]) => [`all/${kind}/${name}.${kind}`, code]),
  );
  for (const [i, code] of examples.entries()) files.push([`examples/${i}.mts`, code]);
  write(folder, { ...Object.fromEntries(files), 'without/main.ts': withoutNode });
  for (const { types } of compilers) {
    const link = path.join(typesOf(types), 'node');
    fs.mkdirSync(path.dirname(link), { recursive: true });
    fs.symlinkSync(path.join(import.meta.dirname, 'node_modules', types), link, 'junction');
  }
});
after(() => fs.rmSync(folder, { recursive: true }));

/** Compiles a folder; what the compiler says is the error. */
async function compile(tsc, name, compilerOptions) {
  const config = path.join(folder, `${name}.${compilerOptions.moduleResolution}.json`);
  const text = {
    compilerOptions: { target: 'es2022', noEmit: true, ...compilerOptions },
    include: [name],
  };
  fs.writeFileSync(config, JSON.stringify(text));
  await node([tsc, '-p', config], { cwd: folder });
}

test('there are examples that are compiled', () => {
  assert.ok(examples.length > 30, String(examples.length));
});

test('the libraries of TypeScript are the choice of the program that imports the types', () => {
  const ours = path.join(import.meta.dirname, 'node_modules', 'wasi-rs');
  const files = fs.readdirSync(ours, { recursive: true }).filter((file) => file.endsWith('.d.ts'));
  assert.ok(files.includes('index.d.ts'));
  for (const file of files) {
    assert.doesNotMatch(
      fs.readFileSync(path.join(ours, file), 'utf8'),
      /^\/\/\/ *<reference/m,
      file,
    );
  }
});

for (const { name, tsc, types } of compilers) {
  describe(name, () => {
    test('without the types of browsers', () =>
      compile(tsc, 'without', {
        ...{ module: 'nodenext', moduleResolution: 'nodenext', strict: true },
        ...{ skipDefaultLibCheck: true, types: ['node'], typeRoots: [typesOf(types)] },
        lib: ['es2022'],
      }));

    test('the examples', () =>
      compile(tsc, 'examples', {
        ...{ module: 'nodenext', moduleResolution: 'nodenext', strict: true },
        ...{ skipDefaultLibCheck: true, types: ['node'], typeRoots: [typesOf(types)] },
        ...{ noImplicitAny: false, useUnknownInCatchVariables: false, lib: ['es2022', 'dom'] },
      }));

    for (const [module, moduleResolution] of [
      ['nodenext', 'nodenext'],
      ['esnext', 'bundler'],
    ]) {
      test(`modules as in ${moduleResolution}, strict: .ts, .mts and .cts`, () =>
        compile(tsc, 'all', {
          ...{ module, moduleResolution, strict: true, skipDefaultLibCheck: true },
          ...{ types: ['node'], typeRoots: [typesOf(types)], lib: ['es2022', 'dom'] },
          esModuleInterop: true,
        }));

      test(`modules as in ${moduleResolution}, without the types of Node`, () =>
        compile(tsc, 'without', {
          ...{ module, moduleResolution, strict: true, skipLibCheck: true },
          ...{ types: [], lib: ['es2022'] },
        }));
    }
  });
}
