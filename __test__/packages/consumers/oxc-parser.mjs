// oxc-parser on its wasm32-wasi binding: parses on the main thread, and in worker threads.

import { parse, parseSync } from 'oxc-parser';

const typescript = parseSync('a.ts', 'export const answer: number = 42; let unclosed = (');
const many = await Promise.all(
  Array.from({ length: 20 }, (_, i) => parse(`${i}.js`, `function f${i}() {}`)),
);
const result = {
  errors: typescript.errors.length,
  types: parseSync('a.ts', 'export const answer: number = 42;').program.body.map(
    ({ type }) => type,
  ),
  names: many.map(({ program }) => program.body[0].id.name),
};
console.log(JSON.stringify(result));
