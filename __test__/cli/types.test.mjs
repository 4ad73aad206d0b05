// wasi-rs types

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { IS_WINDOWS, commandLine } from '../support/cli.mjs';
import { RESOURCES, assembleComponent } from '../support/components.mjs';
import { HANGS, root } from '../support/host.mjs';
import { assemble } from '../support/wat.mjs';

const { folder, cli } = commandLine({ after });

/** A component with an interface, types with names, and words that JavaScript has taken. */
const NAMED = `(component
  (import "my:pkg/host@1.2.0" (instance $host
    (type $entry-is (record (field "file-name" string) (field "size" u64) (field "note" (option string))))
    (export "entry" (type $entry (eq $entry-is)))
    (type $problem-is (variant (case "not-found") (case "other" string)))
    (export "problem" (type $problem (eq $problem-is)))
    (export "list-all" (func (param "in" string) (param "most" (option u32)) (result (result (list $entry) (error $problem)))))))
  (alias export $host "entry" (type $entry))
  (core module $main
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable)
    (func (export "sum") (param i32 i32) (result i64) unreachable))
  (core instance $main (instantiate $main))
  (type $color-is (enum "red" "dark-green"))
  (export $color "color" (type $color-is))
  (func $sum (param "delete" (list $entry)) (result u64)
    (canon lift (core func $main "sum") (memory (core memory $main "memory")) (realloc (core func $main "realloc"))))
  (instance $api (export "sum-all" (func $sum)))
  (export "my:pkg/api@1.2.0" (instance $api)))`;

/** A component where names meet: two of one type, and a resource called as the class of another. */
const MEETING = `(component
  (import "my:pkg/shapes" (instance $shapes
    (type $point-is (record (field "x" u32)))
    (export "point" (type $point (eq $point-is)))
    (export "corner" (type $corner (eq $point-is)))
    (export "gauge" (type $gauge (sub resource)))
    (export "gauge-class" (type $gauge-class (sub resource)))
    (export "put" (func (param "at" $point) (result $corner)))
    (export "[method]gauge.kind" (func (param "self" (borrow $gauge)) (result (own $gauge-class)))))))`;

/** A component with streams and futures. */
const STREAMS = `(component
  (import "host" (instance $host
    (export "turn" (func async (param "from" (stream u8)) (result (stream u8))))))
  (core module $main
    (func (export "run") (param i32 i32) (result i32) unreachable))
  (core instance $main (instantiate $main))
  (func (export "run") async (param "from" (stream u32)) (param "end" (future bool)) (result (stream))
    (canon lift (core func $main "run"))))`;

/** A use of each, in strict TypeScript. */
const USES = {
  streams: `
    import { load } from 'wasi-rs';
    import type { Exports, Imports } from './streams.js';
    const imports: Imports = {
      host: {
        async *turn(from) {
          for await (const piece of from) yield piece.subarray(1);
        },
      },
    };
    const same: Imports = { host: { turn: async (from) => from } };
    const { exports } = await load<Exports>('streams.wasm', { imports: same });
    const none: AsyncIterable<void> = await exports.run([1, 2], Promise.resolve(true));
    const other = await exports.run(new ReadableStream<number>(), false);
    // @ts-expect-error: an element of another type
    await exports.run(['text'], true);
    export { imports, none, other };`,
  named: `
    import { load, ComponentError } from 'wasi-rs';
    import type { Exports, Imports, Entry, Problem } from './named.js';
    const imports: Imports = {
      'my:pkg/host': {
        listAll(in_, most) {
          const problem: Problem = { tag: 'other', val: in_ };
          if (most === undefined) throw new ComponentError(problem);
          return [{ fileName: 'a', size: 5n }];
        },
      },
    };
    const { exports } = await load<Exports>('named.wasm', { imports });
    const entry: Entry = { fileName: 'a', size: 1n, note: undefined };
    const sum: bigint = await exports.api.sumAll([entry]);
    exports['my:pkg/api@1.2.0'].sumAll([]).then((n) => n + sum);
    // @ts-expect-error
    exports.api.sumAll([{ fileName: 'a', size: 1 }]);`,
  meeting: `
    import type { Imports, Point, Corner, Gauge, GaugeClass } from './meeting.js';
    class MyKind { readonly isKind = true; }
    class MyGauge { kind() { return new MyKind(); } }
    const put = (at: Point): Corner => ({ x: at.x + 1 });
    export const imports: Imports = { 'my:pkg/shapes': { put, Gauge: MyGauge, GaugeClass: MyKind } };
    export const kindOf = async (gauge: Gauge): Promise<GaugeClass> => await gauge.kind();`,
  resources: `
    import { loadSync } from 'wasi-rs';
    import type { Exports, Imports, Gauge } from './resources.js';
    class MyGauge { constructor(private start: number) {} read() { return this.start; } static count() { return 1; } }
    const imports: Imports = { Gauge: MyGauge, see: (gauge: Gauge) => gauge.read(), offer() {}, offerOr: (gauge) => void gauge.tag };
    const { exports } = loadSync<Exports>('resources.wasm', { imports });
    using thing = new exports.Thing(5);
    const n: number = exports.Thing.merge(thing, new exports.Thing(6)).valueOfIt();
    exports.same(new MyGauge(n));`,
  numbers: `
    import { load } from 'wasi-rs';
    import type { Exports } from './numbers.js';
    const { exports } = await load<Exports>('numbers.wasm');
    const sum: bigint = await exports.add(1, 2n);
    const [a, b]: [number, bigint] = await exports.two();
    await exports['odd-name']();
    console.log(a, b, sum);`,
};

describe('wasi-rs types', { skip: IS_WINDOWS }, () => {
  /** The declarations of a program. @type {Record<string, string>} */
  const made = {};

  before(async () => {
    const write = (name, bytes) => fs.writeFileSync(path.join(folder, `${name}.wasm`), bytes);
    write('named', assembleComponent(NAMED));
    write('meeting', assembleComponent(MEETING));
    write('resources', assembleComponent(RESOURCES));
    write('streams', assembleComponent(STREAMS));
    write(
      'numbers',
      assemble(`(module (func (export "add") (param i32 i64) (result i64) unreachable)
        (func (export "two") (result f64 i64) unreachable) (func (export "odd-name"))
        (func (export "_initialize")) (memory (export "memory") 1))`),
    );
    for (const [name, flags] of [
      ['named', []],
      ['meeting', []],
      ['resources', ['--sync']],
      ['numbers', []],
      ['streams', []],
    ]) {
      const { code, stdout, stderr } = await cli(['types', ...flags, `${name}.wasm`]);
      assert.equal(code, 0, stderr);
      made[name] = stdout;
    }
  });

  test('makes no machine code', () => {
    assert.ok(!fs.existsSync(process.env.WASI_RS_CACHE));
  });

  test('names types, and what is thrown', () => {
    const { named } = made;
    assert.match(
      named,
      /^export interface Entry \{\n {2}fileName: string;\n {2}size: bigint;\n {2}note\?: string \| undefined;\n\}$/m,
    );
    assert.match(
      named,
      /^export type Problem = \{ tag: 'not-found' \} \| \{ tag: 'other'; val: string \};$/m,
    );
    assert.match(
      named,
      /\/\*\* @throws ComponentError with the payload Problem \*\/\n {2}listAll\(in_: string, most\?: number \| undefined\): Array<Entry> \| Promise<Array<Entry>>;/,
    );
    assert.match(named, /^ {2}sumAll\(delete_: Array<Entry>\): Promise<bigint>;$/m);
    assert.match(named, /^ {2}"my:pkg\/api@1\.2\.0": Api;$/m);
    assert.match(
      made.streams,
      /^ {2}run\(from: AsyncIterable<number> \| Iterable<number>, end: Promise<boolean> \| boolean\): Promise<AsyncIterable<void>>;$/m,
    );
    assert.match(made.resources, /^ {2}merge\(one: Thing, other: Thing\): Thing;$/m);
  });

  test('keeps every name of a type, and no name twice', () => {
    const { meeting } = made;
    assert.match(meeting, /^export interface Point \{\n {2}x: number;\n\}$/m);
    assert.match(meeting, /^export type Corner = Point;$/m);
    const names = [...meeting.matchAll(/^export (?:type|interface) (\S+)/gm)].map(
      ([, name]) => name,
    );
    assert.ok(names.includes('GaugeClass'), meeting);
    assert.deepEqual(names, [...new Set(names)]);
  });

  test('writes no name outside of a comment', async () => {
    const file = 'line\nbreak;.wasm';
    fs.writeFileSync(
      path.join(folder, file),
      assemble('(module (func (export "a\\e2\\80\\a8b;") (param externref)))'),
    );
    const { code, stdout, stderr } = await cli(['types', file]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /'line\\u000abreak;\.wasm'/);
    assert.match(stdout, /^ {2}\/\/ "a\\u2028b;" takes or returns what JavaScript can't/m);
  });

  test('compiles in strict TypeScript, as it is used', { timeout: HANGS }, () => {
    for (const [name, use] of Object.entries(USES)) {
      fs.writeFileSync(path.join(folder, `${name}.ts`), made[name]);
      fs.writeFileSync(path.join(folder, `use-${name}.mts`), use);
    }
    const options = {
      ...{ strict: true, noEmit: true, module: 'nodenext', target: 'es2022', types: ['node'] },
      ...{
        lib: ['es2024', 'esnext.disposable'],
        exactOptionalPropertyTypes: true,
        skipLibCheck: true,
      },
      typeRoots: [path.join(root, 'node_modules', '@types')],
      paths: { 'wasi-rs': [path.join(root, 'index.d.ts')] },
    };
    const files = Object.keys(USES).map((name) => `use-${name}.mts`);
    fs.writeFileSync(
      path.join(folder, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: options, files }),
    );
    const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    const { stdout, status } = spawnSync(process.execPath, [tsc, '-p', folder], {
      encoding: 'utf8',
    });
    assert.equal(stdout, '');
    assert.equal(status, 0);
  });

  test('says why a file has none', async () => {
    for (const [name, said] of [
      ['nowhere.wasm', /^wasi-rs: can't read nowhere\.wasm: there is no such file/],
      ['text', /^wasi-rs: text is not a WebAssembly module: /],
      ['cut.wasm', /^wasi-rs: cut\.wasm: unexpected end/],
    ]) {
      const { code, stderr } = await cli(['types', name]);
      assert.match(stderr, said);
      assert.equal(code, 2);
    }
  });
});
