// rolldown on its wasm32-wasi binding: reads and writes files, in worker threads.

import fs from 'node:fs';
import path from 'node:path';
import { rolldown } from 'rolldown';

const [, , folder] = process.argv;
fs.mkdirSync(path.join(folder, 'src', 'deep'), { recursive: true });
const sources = {
  'main.js': `import { twice } from './deep/twice.js'; export const answer = twice(21);`,
  'deep/twice.js': `import { two } from '../two.js'; export const twice = (x) => two * x; export const unused = 1;`,
  'two.js': 'export const two = 2;',
};
for (const [name, source] of Object.entries(sources)) {
  fs.writeFileSync(path.join(folder, 'src', name), source);
}
fs.symlinkSync('main.js', path.join(folder, 'src', 'link.js'));

const bundle = await rolldown({ input: path.join(folder, 'src', 'link.js') });
await bundle.write({ file: path.join(folder, 'out', 'bundle.mjs'), sourcemap: true });
await bundle.close();

const code = fs.readFileSync(path.join(folder, 'out', 'bundle.mjs'), 'utf8');
const map = JSON.parse(fs.readFileSync(path.join(folder, 'out', 'bundle.mjs.map'), 'utf8'));
const { answer } = await import(path.join(folder, 'out', 'bundle.mjs'));
const failure = await rolldown({ input: path.join(folder, 'src', 'missing.js') })
  .then((missing) => missing.generate())
  .catch(({ message }) => message.includes('missing.js'));
const result = {
  answer,
  shaken: !code.includes('unused'),
  sources: map.sources.toSorted(),
  failure,
};
console.log(JSON.stringify(result));
