// Modules that have very many of one thing, or one very large: whatever comes of them, it comes in time, leaves the others their
// turn and the process its end, and holds no more memory than the allowance.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { HANGS, runNode, temporaryFolder } from '../support/host.mjs';

const index = fileURLToPath(new URL('../../index.js', import.meta.url));
const folder = temporaryFolder({ after });

/** Bytes of memory that a process may have more for one of these, with what V8 and Cranelift hold: docs/limits.md. */
const ALLOWANCE = 1024 ** 3;

/** A number in the binary format. */
function number(value) {
  const bytes = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) + 128);
  }
}
const hex = (text) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const text = (string) => Buffer.concat([number(Buffer.byteLength(string)), Buffer.from(string)]);
const section = (id, ...content) => {
  const whole = Buffer.concat(content);
  return Buffer.concat([Buffer.from([id]), number(whole.length), whole]);
};
/** A section of so many items: the first ones, and then each as `make` says, or the same. */
const list = (id, count, make, ...first) =>
  section(
    id,
    number(first.length + count),
    ...first,
    typeof make === 'function'
      ? Buffer.concat(Array.from({ length: count }, (_, at) => make(at)))
      : Buffer.alloc(make.length * count, make),
  );
const body = (...code) => {
  const whole = Buffer.concat([hex('00'), ...code, hex('0b')]);
  return Buffer.concat([number(whole.length), whole]);
};
const repeated = (code, count) => Buffer.alloc(code.length * count, code);

const [TYPE, IMPORT, FUNCTION, TABLE, MEMORY, GLOBAL, EXPORT, ELEMENT, CODE, DATA] = [
  1, 2, 3, 4, 5, 6, 7, 9, 10, 11,
];
const NOTHING = hex('60 00 00');
const START = Buffer.concat([text('_start'), hex('00 00')]);

/** A program, with other sections in the place of its own, or more. @param {Record<number, Buffer>} parts */
function program(parts, ...custom) {
  const own = {
    [TYPE]: section(TYPE, number(1), NOTHING),
    [FUNCTION]: section(FUNCTION, hex('01 00')),
    [EXPORT]: section(EXPORT, number(1), START),
    [CODE]: section(CODE, number(1), body()),
  };
  const sections = Object.entries({ ...own, ...parts }).sort(([a], [b]) => a - b);
  return Buffer.concat([hex('0061736d 01000000'), ...sections.map(([, one]) => one), ...custom]);
}

const values = (count) => Buffer.concat([number(count), Buffer.alloc(count, 0x7f)]);
const WASI = text('wasi_snapshot_preview1');
const MEMORIES = { [MEMORY]: section(MEMORY, hex('01 00 01')) };
const FILL = hex('41 00 41 00 20 00 fc 0b 00');
const filling = (count) =>
  program({
    ...MEMORIES,
    [TYPE]: section(TYPE, number(2), NOTHING, hex('60 01 7f 00')),
    [FUNCTION]: section(FUNCTION, hex('02 00 01')),
    [CODE]: section(CODE, number(2), body(), body(repeated(FILL, count))),
  });

const KINDS = {
  'imports of one call': () =>
    program({
      [TYPE]: section(TYPE, number(2), hex('60 00 01 7f'), NOTHING),
      [IMPORT]: list(IMPORT, 20_000, Buffer.concat([WASI, text('sched_yield'), hex('00 00')])),
      [FUNCTION]: section(FUNCTION, hex('01 01')),
      [EXPORT]: section(EXPORT, number(1), text('_start'), hex('00'), number(20_000)),
    }),
  'as many imports as there may be': () =>
    program({
      [TYPE]: section(TYPE, number(2), hex('60 00 01 7f'), NOTHING),
      [IMPORT]: list(IMPORT, 10_000, Buffer.concat([WASI, text('sched_yield'), hex('00 00')])),
      [FUNCTION]: section(FUNCTION, hex('01 01')),
      [EXPORT]: section(EXPORT, number(1), text('_start'), hex('00'), number(10_000)),
    }),
  'imports that are not there': () =>
    program({
      [IMPORT]: list(IMPORT, 60_000, (at) =>
        Buffer.concat([text('a'), text(`${at}`), hex('00 00')]),
      ),
    }),
  'exports of a function with many parameters': () =>
    program({
      [TYPE]: section(TYPE, number(2), NOTHING, hex('60'), values(1000), values(0)),
      [FUNCTION]: section(FUNCTION, hex('02 00 01')),
      [EXPORT]: list(
        EXPORT,
        90_000,
        (at) => Buffer.concat([text(at.toString(36)), hex('00 01')]),
        START,
      ),
      [CODE]: section(CODE, number(2), body(), body()),
    }),
  types: () => program({ [TYPE]: list(TYPE, 600_000, NOTHING) }),
  'types with many parameters': () =>
    program({
      [TYPE]: list(TYPE, 1000, Buffer.concat([hex('60'), values(1000), values(1000)]), NOTHING),
    }),
  'types in one group': () =>
    program({
      [TYPE]: section(
        TYPE,
        number(2),
        NOTHING,
        hex('4e'),
        number(600_000),
        repeated(NOTHING, 600_000),
      ),
    }),
  'types of structs': () =>
    program({
      [TYPE]: list(
        TYPE,
        200,
        Buffer.concat([hex('5f'), number(5000), repeated(hex('7f 00'), 5000)]),
        NOTHING,
      ),
    }),
  functions: () =>
    program({
      [FUNCTION]: list(FUNCTION, 400_000, hex('00')),
      [CODE]: list(CODE, 400_000, body()),
    }),
  globals: () => program({ [GLOBAL]: list(GLOBAL, 400_000, hex('7f 00 41 00 0b')) }),
  'globals of objects': () =>
    program({
      [TYPE]: section(TYPE, number(2), NOTHING, hex('5f 01 7f 00')),
      [GLOBAL]: list(GLOBAL, 300_000, hex('64 01 00 fb 01 01 0b')),
    }),
  tables: () => program({ [TABLE]: list(TABLE, 90_000, hex('70 00 01')) }),
  memories: () => program({ [MEMORY]: list(MEMORY, 90_000, hex('00 01')) }),
  'segments of elements': () =>
    program({
      [TABLE]: section(TABLE, hex('01 70 00 01')),
      [ELEMENT]: list(ELEMENT, 90_000, hex('00 41 00 0b 01 00')),
    }),
  elements: () =>
    program({
      [TABLE]: section(TABLE, number(1), hex('70 00'), number(600_000)),
      [ELEMENT]: section(
        ELEMENT,
        hex('01 04 41 00 0b'),
        number(600_000),
        repeated(hex('d2 00 0b'), 600_000),
      ),
    }),
  'segments of data': () =>
    program({ ...MEMORIES, [DATA]: list(DATA, 90_000, hex('00 41 00 0b 01 61')) }),
  'custom sections': () => program({}, repeated(hex('00 02 01 61'), 400_000)),
  'names of functions': () =>
    program(
      { [CODE]: section(CODE, number(1), body(hex('00'))) },
      section(0, text('name'), list(1, 1, Buffer.concat([number(0), text('x'.repeat(99_000))]))),
      section(0, text('pad'), Buffer.alloc(1024 ** 2)),
    ),
  'a name that is made longer as it is told': () =>
    program(
      { [CODE]: section(CODE, number(1), body(hex('00'))) },
      section(
        0,
        text('name'),
        list(
          1,
          1,
          Buffer.concat([
            number(0),
            // Of C++: each parameter is a template of the one before, twice.
            text(
              `_Z1fI1A${Array.from({ length: 60 }, (_, at) => `1BI${reference(at)}${reference(at)}E`).join('')}Evv`,
            ),
          ]),
        ),
      ),
    ),
  'a custom section': () => program({}, section(0, text('name'), Buffer.alloc(2 * 1024 ** 2))),
  'instructions that take long': () => filling(200_000),
  'waits of different kinds': () =>
    program({
      [MEMORY]: section(MEMORY, hex('01 03 01 01')),
      [CODE]: section(
        CODE,
        number(1),
        body(
          Buffer.concat(
            Array.from({ length: 100_000 }, (_, at) =>
              Buffer.concat([hex('41 00 41 00 42 00 fe 01 02'), number(4 * at), hex('1a')]),
            ),
          ),
        ),
      ),
    }),
  blocks: () =>
    program({
      [CODE]: section(
        CODE,
        number(1),
        body(repeated(hex('02 40'), 400_000), repeated(hex('0b'), 400_000)),
      ),
    }),
  'targets of a branch': () =>
    program({
      [CODE]: section(
        CODE,
        number(1),
        body(hex('41 00 0e'), number(1_000_000), Buffer.alloc(1_000_001)),
      ),
    }),
  variables: () =>
    program({
      [CODE]: section(
        CODE,
        number(1),
        Buffer.concat([
          number(200_010),
          number(50_000),
          repeated(hex('01 7f 01 7e'), 25_000),
          Buffer.alloc(100_006, 1),
          hex('0b'),
        ]),
      ),
    }),
  'names that are taken': () =>
    program({
      [EXPORT]: list(
        EXPORT,
        1500,
        (at) => Buffer.concat([text(`wasi-rs start${"'".repeat(at)}`), hex('00 00')]),
        START,
      ),
      8: section(8, hex('00')),
    }),
};

/** How C++ refers to the substitution of this number. */
function reference(at) {
  const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ';
  const base36 = (value) => (value < 36 ? '' : base36(Math.floor(value / 36))) + digits[value % 36];
  return at === 0 ? 'S_' : `S${base36(at - 1)}_`;
}

describe('very many of', { concurrency: 1 }, () => {
  for (const [what, make] of Object.entries(KINDS)) {
    test(what, { timeout: 4 * HANGS, skip: process.platform !== 'linux' }, async () => {
      const module = make();
      const file = path.join(folder, 'module.wasm');
      fs.writeFileSync(file, module);
      const small = program({}).toString('hex');
      for (const engine of ['auto', 'wasmtime', 'v8']) {
        const script = `
          const { run } = require(${JSON.stringify(index)});
          const small = Buffer.from('${small}', 'hex');
          (async () => {
            const limits = { memory: 64 * 65536 };
            await run(small, { engine: '${engine}', cache: false, limits });
            const resident = () => Number(/VmHWM:\\s+(\\d+)/.exec(require('fs').readFileSync('/proc/self/status'))[1]) * 1024;
            const before = resident();
            const told = [];
            const tell = ({ code, message }) => void told.push(code ?? 'exit', message);
            for (const source of ${JSON.stringify([file])}) {
              const running = [1, 2].map(() => run(source, { engine: '${engine}', timeout: 1000, cache: false, limits }).then(tell, tell));
              await Promise.all(running);
            }
            const { exitCode } = await run(small, { engine: '${engine}', cache: false, limits });
            console.log(JSON.stringify({ told, exitCode, more: resident() - before }));
          })();`;
        const { code, signal, stdout, stderr } = await runNode(['-e', script]);
        assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' }, engine);
        const { told, exitCode, more } = JSON.parse(stdout);
        assert.equal(exitCode, 0, engine);
        assert.ok(more < ALLOWANCE, `${engine}: ${more} bytes more; ${told}`);
        if (process.env.SHOW)
          console.error(
            what,
            module.length,
            engine,
            Math.round(more / 1e6),
            String(told).slice(0, 300),
          );
      }
    });
  }
});
