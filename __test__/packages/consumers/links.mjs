// Packages that resolve paths, in a project whose node_modules has absolute links: oxc's resolver, rolldown, and Tailwind's
// scanner.

import fs from 'node:fs';
import path from 'node:path';
import { Scanner } from '@tailwindcss/oxide-wasm32-wasi';
import { ResolverFactory } from 'oxc-resolver';
import { rolldown } from 'rolldown';

const folder = process.argv[2];
const [project, store] = [path.join(folder, 'project'), path.join(folder, 'store', 'linked')];
const modules = path.join(project, 'node_modules');
for (const made of [modules, store]) fs.mkdirSync(made, { recursive: true });
fs.writeFileSync(path.join(store, 'package.json'), '{"name":"linked","main":"index.js"}');
fs.writeFileSync(path.join(store, 'index.js'), 'export const linked = 42; "text-red-500";');
fs.symlinkSync(store, path.join(modules, 'linked'));
fs.symlinkSync(path.join(folder, 'nowhere'), path.join(modules, 'dangling'));
fs.writeFileSync(path.join(project, 'main.js'), `export { linked } from 'linked';`);

const resolver = new ResolverFactory();
const resolved = resolver.sync(project, 'linked');

const bundle = await rolldown({ input: path.join(project, 'main.js') });
const { output } = await bundle.generate();
await bundle.close();
const file = path.join(folder, 'out.mjs');
fs.writeFileSync(file, output[0].code);

const base = path.join(modules, 'linked');
const found = new Scanner({ sources: [{ base, pattern: '**/*', negated: false }] }).scan();

const result = {
  resolved: resolved.path && path.relative(folder, resolved.path),
  source: path.relative(folder, output[0].moduleIds[0]),
  answer: (await import(file)).linked,
  candidates: found.filter((candidate) => candidate === 'text-red-500'),
  dangling: resolver.sync(project, 'dangling').error !== undefined,
};
console.log(JSON.stringify(result));
