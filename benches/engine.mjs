// Programs off the event loop: run() in wasmtime, against node:wasi where that does the same.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { WASI } from 'node:wasi';
import { compile } from '../index.js';
import { median } from './lib/compare.mjs';
import { row } from './lib/processes.mjs';
import { onDisk, withScratch } from './lib/scratch.mjs';
import { assemble } from './lib/wat.mjs';
import { quantity } from './report/format.mjs';

export const title = 'Programs off the event loop';
export const about = [
  'Processes: from start to exit, `run()` against node:wasi as it is written,',
  'with `WebAssembly.instantiate` of what the file holds. Warm: there is machine code on disk.',
  'Cold: there is nothing, V8 runs the program, and machine code is made behind it, on the side.',
  'Memory is the peak of what is resident, with what is touched of the mapped machine code.',
  'Calculations: the same code in wasmtime (wasi-rs) and in V8 (node:wasi), compiled before;',
  'of V8 the first run stands apart, before it has optimized the code.',
  'Then: what it takes to end a program; what the event loop feels of them.',
].join('\n');

/** Each row: its unit and how it is measured. */
const ROWS = {
  'process: CPython --version, warm': ['ms', row('CPython', 'warm')],
  'process: CPython --version, cold': ['ms', row('CPython', 'cold')],
  'process: esbuild --version, warm': ['ms', row('esbuild', 'warm')],
  'process: esbuild --version, cold': ['ms', row('esbuild', 'cold')],
  'calculation: calls (Fibonacci numbers)': ['ms', calculation(fibonacci)],
  'calculation: memory (sieve of Eratosthenes)': ['ms', calculation(sieve)],
  'calculation: floating point (Mandelbrot set)': ['ms', calculation(mandelbrot)],
  'a program is ended: in a loop': ['us', ended(spins)],
  'a program is ended: in memory.fill over 64 MiB': ['us', ended(fill, 1024)],
  'a program is ended: in poll_oneoff': ['us', ended(sleeps)],
  'a program is ended: in a read from a pipe': ['us', ended(reads)],
  'longest delay of the event loop, idle': ['us', (context) => delay(0, context)],
  'longest delay of the event loop, 8 programs calculate': ['us', (context) => delay(8, context)],
  '1000 programs at once, all of them': ['ms', thousand],
};

/** @param {{ quick: boolean, wanted: (name: string) => boolean }} options */
export function run({ quick, wanted }) {
  return withScratch(async function* (folder) {
    for (const name of Object.keys(ROWS).filter(wanted)) {
      const [unit, measure] = ROWS[name];
      yield { name, unit, ...(await measure({ folder, runs: quick ? 5 : 21 })) };
    }
  }, onDisk());
}

/** The wall time of a program in wasmtime and in node:wasi, without the compilation. */
function calculation(body) {
  return async ({ runs }) => {
    const wasm = program(body());
    const compiled = await compile(wasm, { cache: false });
    const module = new WebAssembly.Module(wasm);
    const samples = { ours: [], theirs: [] };
    for (let i = 0; i < runs; i++) {
      samples.ours.push((await compiled.run({ engine: 'wasmtime' })).usage.wall);
      samples.theirs.push(inNodeWasi(module));
    }
    const [ours, theirs] = [median(samples.ours), median(samples.theirs)];
    const note = `wasmtime against V8, whose first run takes ${quantity(samples.theirs[0], 'ms')}`;
    return { ours, theirs, ratio: theirs / ours, note };
  };
}

function inNodeWasi(module) {
  const wasi = new WASI({ version: 'preview1' });
  const instance = new WebAssembly.Instance(module, wasi.getImportObject());
  const start = performance.now();
  wasi.start(instance);
  return performance.now() - start;
}

/** The time from `abort()` to the rejection of a run. */
function ended(body, pages = 2) {
  return async ({ runs }) => {
    const wasm = program(`${HELLO} ${body()}`, pages);
    const compiled = await compile(wasm, { cache: false });
    const times = [];
    for (let i = 0; i < runs; i++) times.push(await endOne(compiled));
    return { ours: median(times) * 1000 };
  };
}

async function endOne(compiled) {
  const controller = new AbortController();
  const begun = new PassThrough();
  const running = compiled.run({
    engine: 'wasmtime',
    stdin: new PassThrough(),
    stdout: begun,
    signal: controller.signal,
  });
  const caught = running.catch(() => performance.now());
  await new Promise((resolve) => begun.once('data', resolve));
  await sleep(5); // so that it is where it shall be ended
  const start = performance.now();
  controller.abort();
  return (await caught) - start;
}

/** The longest delay of the event loop in a second. */
async function delay(programs, { runs }) {
  const compiled = await compile(program(spins()), { cache: false });
  const delays = [];
  for (let i = 0; i < Math.ceil(runs / 4); i++) {
    const controller = new AbortController();
    const { signal } = controller;
    const running = Array.from({ length: programs }, () =>
      compiled.run({ engine: 'wasmtime', signal }),
    );
    const ends = Promise.allSettled(running);
    const monitor = monitorEventLoopDelay({ resolution: 1 });
    await sleep(200);
    monitor.enable();
    await sleep(1000);
    monitor.disable();
    controller.abort();
    await ends;
    delays.push(monitor.max / 1000);
  }
  return { ours: median(delays) };
}

async function thousand({ runs }) {
  const compiled = await compile(program(HELLO), { cache: false });
  const times = [];
  for (let i = 0; i < Math.ceil(runs / 4); i++) {
    const start = performance.now();
    await Promise.all(Array.from({ length: 1000 }, () => compiled.run({ engine: 'wasmtime' })));
    times.push(performance.now() - start);
  }
  const resident = Math.round(process.memoryUsage().rss / 2 ** 20);
  return { ours: median(times), note: `${resident} MiB resident` };
}

function program(body, pages = 64) {
  const type = '(param i32 i32 i32 i32) (result i32)';
  const imports = ['fd_read', 'fd_write', 'poll_oneoff'].map(
    (name) => `(import "wasi_snapshot_preview1" "${name}" (func $${name} ${type}))`,
  );
  return assemble(
    `(module ${imports.join('\n')} (memory (export "memory") ${pages})
      (data (i32.const 64) "begun") ${FUNCTIONS}
      (func (export "_start") (local $i i32) (local $j i32) ${body}))`,
    'bench.wat',
  );
}

const HELLO = `(i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 5))
  (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))`;

const FUNCTIONS = `
  (func $fibonacci (param $n i32) (result i32)
    (if (result i32) (i32.lt_u (local.get $n) (i32.const 2))
      (then (local.get $n))
      (else (i32.add
        (call $fibonacci (i32.sub (local.get $n) (i32.const 1)))
        (call $fibonacci (i32.sub (local.get $n) (i32.const 2)))))))
  (func $escapes (param $x f64) (param $y f64) (result i32)
    (local $a f64) (local $b f64) (local $t f64) (local $n i32)
    (loop $more
      (local.set $t (f64.add (local.get $x)
        (f64.sub (f64.mul (local.get $a) (local.get $a)) (f64.mul (local.get $b) (local.get $b)))))
      (local.set $b (f64.add (local.get $y)
        (f64.mul (f64.const 2) (f64.mul (local.get $a) (local.get $b)))))
      (local.set $a (local.get $t))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $more (i32.and
        (i32.lt_u (local.get $n) (i32.const 200))
        (f64.lt (f64.add (f64.mul (local.get $a) (local.get $a)) (f64.mul (local.get $b) (local.get $b)))
          (f64.const 4)))))
    (local.get $n))`;

function fibonacci() {
  return '(drop (call $fibonacci (i32.const 35)))';
}

function sieve() {
  const size = 4_000_000;
  return `(local.set $i (i32.const 2))
    (loop $next
      (if (i32.eqz (i32.load8_u (local.get $i))) (then
        (local.set $j (i32.shl (local.get $i) (i32.const 1)))
        (loop $mark
          (i32.store8 (local.get $j) (i32.const 1))
          (local.set $j (i32.add (local.get $j) (local.get $i)))
          (br_if $mark (i32.lt_u (local.get $j) (i32.const ${size}))))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const ${size / 2}))))`;
}

function mandelbrot() {
  return `(loop $row
    (local.set $j (i32.const 0))
    (loop $column
      (drop (call $escapes
        (f64.sub (f64.div (f64.convert_i32_u (local.get $j)) (f64.const 200)) (f64.const 2))
        (f64.sub (f64.div (f64.convert_i32_u (local.get $i)) (f64.const 200)) (f64.const 1))))
      (local.set $j (i32.add (local.get $j) (i32.const 1)))
      (br_if $column (i32.lt_u (local.get $j) (i32.const 600))))
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (br_if $row (i32.lt_u (local.get $i) (i32.const 400))))`;
}

function spins() {
  return '(loop $l (br $l))';
}

function fill() {
  return '(loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 67108864)) (br $l))';
}

function sleeps() {
  return `(i64.store (i32.const 1024) (i64.const 0)) (i64.store (i32.const 1032) (i64.const 0))
    (i64.store (i32.const 1040) (i64.const 1)) (i64.store (i32.const 1048) (i64.const 100000000000))
    (drop (call $poll_oneoff (i32.const 1024) (i32.const 2048) (i32.const 1) (i32.const 2560)))`;
}

function reads() {
  return '(drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))';
}
