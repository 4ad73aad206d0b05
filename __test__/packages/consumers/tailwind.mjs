// Tailwind's scanner on its wasm32-wasi binding: walks a tree, in worker threads.

import fs from 'node:fs';
import path from 'node:path';
import { Scanner } from '@tailwindcss/oxide-wasm32-wasi';

const [, , folder] = process.argv;
const files = {
  'page.html': '<p class="underline text-red-500">',
  'deep/er/component.jsx': 'export default () => <b className="md:flex font-bold" />;',
  'ignored/secret.html': '<p class="hidden">',
  '.gitignore': 'ignored\n',
};
for (const [name, content] of Object.entries(files)) {
  fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
  fs.writeFileSync(path.join(folder, name), content);
}
fs.mkdirSync(path.join(folder, '.git'));

const scanner = new Scanner({ sources: [{ base: folder, pattern: '**/*', negated: false }] });
const found = scanner.scan();
const wanted = ['underline', 'text-red-500', 'md:flex', 'font-bold', 'hidden'];
const result = {
  candidates: wanted.filter((candidate) => found.includes(candidate)),
  files: scanner.files.map((file) => path.relative(folder, file)).toSorted(),
};
console.log(JSON.stringify(result));
