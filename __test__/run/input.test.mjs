// What a program is given by run(), spawn() and the class: its whole input, and options as they were when it was asked for.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { after as afterAll, describe, test } from 'node:test';
import vm from 'node:vm';
import { WASI as CompatWASI } from '../../compat.js';
import { WASI } from '../../index.js';
import { CHOICES, ENGINES, forEachEngine, makeRun, makeSpawn } from '../support/engine.mjs';
import { Guest } from '../support/guest.mjs';
import { runInChild, temporaryFolder } from '../support/host.mjs';
import { cat, creates, exits, reflect } from '../support/programs.mjs';

const CAT = cat();
const folder = temporaryFolder({ after: afterAll });

const bytes = new TextEncoder().encode('žluť');
const INPUTS = {
  'a text': 'žluť',
  'an empty text': '',
  'the word inherit': 'inherit',
  'the word ignore': 'ignore',
  'the word pipe': 'pipe',
  'a Buffer': Buffer.from('žluť'),
  'a Uint8Array': bytes,
  'a part of one': new Uint8Array([120, ...bytes, 120]).subarray(1, -1),
  'a Uint16Array': new Uint16Array(bytes.slice(0, 6).buffer),
  'a DataView': new DataView(Uint8Array.of(1, ...bytes).buffer, 1),
  'an ArrayBuffer': bytes.slice().buffer,
  'a shared array': new Uint8Array(new SharedArrayBuffer(3)).fill(65),
  'bytes of another realm': vm.runInNewContext('Uint8Array.of(111, 107)'),
};

/** What an input comes to. */
const textOf = (input) => {
  if (typeof input === 'string') return input;
  return ArrayBuffer.isView(input)
    ? Buffer.from(new Uint8Array(input.buffer, input.byteOffset, input.byteLength)).toString()
    : Buffer.from(input).toString();
};

/** Who takes a program's options, and how they refuse: each a function that gives what the program reads. */
const takers = [
  [
    'the class',
    async (options) => {
      const guest = new Guest(options);
      return guest.read(0);
    },
  ],
];
forEachEngine(({ engine, run, spawn }) => {
  takers.push([`run() in ${engine}`, async (options) => String((await run(CAT, options)).stdout)]);
  takers.push([
    `spawn() in ${engine}`,
    async (options) => {
      const child = spawn(CAT, options);
      assert.equal(child.stdin, null);
      return text(child.stdout);
    },
  ]);
});

for (const [name, read] of takers) {
  describe(`input in ${name}`, () => {
    for (const [what, input] of Object.entries(INPUTS)) {
      test(`${what} is what the program reads`, async () => {
        assert.equal(await read({ input }), textOf(input));
      });
    }

    test('is copied', async () => {
      const array = Buffer.from('before');
      const reading = [read({ input: array }), read({ stdin: array })];
      array.fill('x');
      assert.deepEqual(await Promise.all(reading), ['before', 'before']);
    });

    test('what it can’t be is refused', async () => {
      for (const input of [null, 5, true, {}, [], () => null, Symbol('s')]) {
        await assert.rejects(read({ input }), {
          name: 'TypeError',
          code: 'ERR_INVALID_ARG_TYPE',
          message: /^The "options.input" property must be of type string or an instance of /,
        });
      }
      for (const stdin of ['ignore', 'inherit', 0, Buffer.from('x'), () => null]) {
        await assert.rejects(read({ input: 'x', stdin }), {
          name: 'TypeError',
          code: 'ERR_INCOMPATIBLE_OPTION_PAIR',
          message:
            'Option "options.input" cannot be used in combination with option "options.stdin"',
        });
      }
      assert.equal(await read({ input: 'x', stdin: undefined }), 'x');
    });

    test('a text in stdin is refused, with the name of input', async () => {
      const words = ['a text', '', 'Inherit', 'ignore\n', 'overlapped'];
      if (!name.startsWith('spawn')) words.push('pipe');
      for (const stdin of words) {
        await assert.rejects(read({ stdin }), {
          name: 'TypeError',
          code: 'ERR_INVALID_ARG_VALUE',
          message:
            /^The property 'options.stdin' must be one of: 'inherit', 'ignore'.*options.input/,
        });
      }
    });
  });
}

test('the edition that stands in node:wasi’s place knows no input', () => {
  let read = false;
  const options = {
    version: 'preview1',
    get input() {
      read = true;
      return 'text';
    },
  };
  new CompatWASI(options);
  assert.ok(!read);
  new WASI(options);
  assert.ok(read);
});

forEachEngine(({ engine, run, spawn }) => {
  describe(`what is asked for is what runs in ${engine}`, () => {
    test('options that change after the call change nothing', async () => {
      const options = {
        args: ['before'],
        env: { A: 'before' },
        preopens: { '/': { path: folder } },
        maxBuffer: 100,
      };
      const running = run(reflect(), options);
      const read = text(spawn(reflect(), options).stdout);
      options.args[0] = options.env.A = 'after';
      options.args.push('after');
      options.env.B = 'after';
      options.preopens['/'].path = '/none';
      options.preopens['/none'] = '/none';
      options.maxBuffer = 1;
      assert.equal(String((await running).stdout), 'program.wasm\0before\0A=before\0');
      assert.equal(await read, 'program.wasm\0before\0A=before\0');
    });

    test('a program whose bytes change after the call is what it was', async () => {
      const source = Uint8Array.from(exits(7));
      const running = run(source);
      source.fill(0);
      assert.equal((await running).exitCode, 7);
    });

    test('relative paths are resolved in the call', async () => {
      const script = `
        const fs = await import('node:fs');
        const path = await import('node:path');
        const { run, spawn } = await import(${JSON.stringify(new URL('../../index.js', import.meta.url))});
        const options = { engine: '${engine}', cache: 'cache', preopens: { '/': 'sub', '/2': { path: '.' } } };
        const running = run('creates.wasm', options);
        const child = spawn('creates.wasm', options);
        process.chdir('elsewhere');
        console.log((await running).exitCode, (await child.result).exitCode, fs.readdirSync('.').length);
        await run('../link/../creates.wasm', { ...options, cache: false, preopens: { '/': '../link/..' } });`;
      const cwd = fs.mkdtempSync(path.join(folder, 'cwd-'));
      for (const name of ['sub', 'elsewhere', 'far', 'far/away'])
        fs.mkdirSync(path.join(cwd, name));
      fs.symlinkSync('far/away', path.join(cwd, 'link'));
      fs.writeFileSync(path.join(cwd, 'creates.wasm'), creates());
      fs.writeFileSync(path.join(cwd, 'far/creates.wasm'), creates());
      const { stdout, stderr } = await runInChild(script, { cwd });
      assert.deepEqual([stdout, stderr], ['0 0 0\n', '']);
      assert.equal(fs.readFileSync(path.join(cwd, 'sub/made'), 'utf8'), 'made');
      assert.ok(fs.existsSync(path.join(cwd, 'far/made')), 'as the system resolves it');
    });
  });
}, CHOICES);

test('an empty path is no directory', async () => {
  for (const engine of ENGINES) {
    for (const preopens of [{ '/': '' }, { '/': { path: '' } }]) {
      await assert.rejects(makeRun(engine)(CAT, { preopens }), { code: 'UVWASI_ENOENT' });
    }
  }
});

test('NUL, and names that are none, are refused', async () => {
  const run = makeRun('wasmtime');
  const spawn = makeSpawn('v8');
  const NUL = 'must be a string without null bytes';
  const cases = [
    [{ args: ['a', 'b\0c'] }, `The property 'options.args[1]' ${NUL}. Received 'b\\x00c'`],
    [{ argv0: 'a\0' }, `The property 'options.argv0' ${NUL}. Received 'a\\x00'`],
    [{ env: { A: 'b\0' } }, `The property 'options.env['A']' ${NUL}. Received 'b\\x00'`],
    [{ env: { 'A\0': 'b' } }, `The property 'options.env['A\0']' ${NUL}. Received 'A\\x00'`],
    [{ env: { 'A=B': 'c' } }, /'options.env\['A=B'\]' must have a name, and without '='/],
    [{ env: { '': 'c' } }, /'options.env\[''\]' must have a name/],
    [{ env: { '=A': 'c' } }, /'options.env\['=A'\]' must have a name/],
    [{ preopens: { '/\0': '.' } }, new RegExp(`'options.preopens.*' ${NUL}`)],
    [
      { preopens: { '/': '.\0' } },
      `The property 'options.preopens['/']' ${NUL}. Received '.\\x00'`,
    ],
    [{ preopens: { '/': { path: '.\0' } } }, /'options.preopens\['\/'\].path'/],
    [{ cache: 'a\0' }, /'options.cache' must be a string without null bytes/],
  ];
  for (const [options, message] of cases) {
    const expected = { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE', message };
    await assert.rejects(run(CAT, options), expected);
    if (!options.cache) assert.throws(() => spawn(CAT, options), expected);
  }
  for (const source of ['a\0.wasm', new URL('file:///a%00.wasm')]) {
    await assert.rejects(run(source), {
      code: 'ERR_INVALID_ARG_VALUE',
      message: /null bytes/,
    });
  }
  const { stdout } = await run(reflect(), {
    argv0: '',
    args: [''],
    env: { A: '', B: 'c=d' },
  });
  assert.equal(String(stdout), '\0\0A=\0B=c=d\0');
});
