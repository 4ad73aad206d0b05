'use strict';

const { beforeAll, expect, test } = require('@jest/globals');
const { compile } = require('wasi-rs');

/** @type {import('wasi-rs').Program} */
let rot13;
beforeAll(async () => {
  rot13 = await compile('rot13.wasm');
});

/** @param {string} input */
const rotated = async (input) =>
  (await rot13.run({ input, encoding: 'utf8', check: true, timeout: 5000 })).stdout;

test.each([
  ['hello', 'uryyb'],
  ['Nn Mm 1!', 'Aa Zz 1!'],
  ['', ''],
])('%j becomes %j', async (input, output) => {
  expect(await rotated(input)).toBe(output);
});

test('twice is once too many', async () => {
  const text = 'a text '.repeat(2000);
  expect(await rotated(await rotated(text))).toBe(text);
});

test('it asks for nothing but its streams', () => {
  expect(rot13.imports.map(({ name }) => name)).toEqual(['fd_read', 'fd_write']);
});
