// Checked by tsc, never run: what index.d.ts lets through and what it refuses.

import { EventEmitter, once } from 'node:events';
import { Readable, Writable } from 'node:stream';
import whole, {
  Runner,
  WASI,
  WasiError,
  compile,
  deserialize,
  load,
  memory,
  overlay,
  run,
  spawn,
  type GuestProcess,
  type RunOptions,
  type RunResult,
  type ServedSocket,
  type SpawnOptions,
  type SystemCalls,
  type TracedCall,
  type WASIOptions,
} from '../../index.js';
import { WASI as CompatWASI, type WASIOptions as CompatOptions } from '../../compat.js';
import { WASI as LegacyWASI, type WASIOptions as LegacyOptions } from '../../legacy.js';
import '../../register.js';
import { WASI as NodeWASI, type WASIOptions as NodeOptions } from 'node:wasi';

// A script written for node:wasi goes on compiling, whichever of the two classes it was given.
const drop: typeof NodeWASI = WASI;
const back: NodeWASI = new WASI({ version: 'preview1' });
void [drop, back];

// What its types allow, the classes take: as it is, and with what they know beyond it.
export function replace(
  given: NodeOptions,
  preopens: NodeJS.Dict<string>,
  env: NodeJS.Dict<string>,
) {
  const frozen = Object.freeze({
    ...given,
    args: ['app'] as const,
    preopens: Object.freeze(preopens),
  });
  new NodeWASI(frozen);
  return [
    ...[given, frozen, { version: 'preview1', preopens, env } as const].map((one) => [
      new WASI(one),
      new CompatWASI(one),
      new LegacyWASI(one),
    ]),
    new WASI({ ...given, stdout: 'pipe', trace: true }),
    new WASI({ version: 'preview1', env, preopens: { ...preopens, '/data': { path: '.' } } }),
    new WASI({
      ...{ version: 'preview1', args: undefined, env: undefined, preopens: undefined },
      ...{ stdin: undefined, stdout: undefined, stderr: undefined, returnOnExit: undefined },
    }),
  ];
}

const options = {
  version: 'unstable',
  args: ['app', '--flag'],
  env: process.env,
  preopens: { '/': '.' },
  returnOnExit: false,
  stdin: 0,
  stdout: 1,
  stderr: 2,
} satisfies WASIOptions;
const wasi = new WASI(options);

export async function use(module: WebAssembly.Module) {
  const instance = await WebAssembly.instantiate(module, wasi.getImportObject());
  await WebAssembly.instantiate(module, { wasi_snapshot_preview1: wasi.wasiImport });

  wasi.start(instance) satisfies number;
  wasi.initialize({ exports: { memory: new WebAssembly.Memory({ initial: 1 }) } }) satisfies void;
  wasi.finalizeBindings(instance, { memory: new WebAssembly.Memory({ initial: 1 }) });
  wasi.finalizeBindings(instance);
  wasi.wasiImport.proc_exit = (code: number) => code;
}

// The default import has them all.
void [new whole.WASI({ version: 'preview1' }), whole.run, whole.spawn, whole.compile];

// The system calls have their parameters: numbers, and bigints for 64 bits.
export function call({ wasiImport }: WASI, memory: number) {
  wasiImport.fd_seek(3, 5n, 0, memory) satisfies number;
  wasiImport.poll_oneoff(memory, memory, 1, memory) satisfies number;
  wasiImport.proc_exit(1) satisfies void;
  // @ts-expect-error 64 bits are a bigint
  wasiImport.fd_seek(3, 5, 0, memory);
  // @ts-expect-error it takes four
  wasiImport.fd_seek(3, 5n, 0);
  // @ts-expect-error a number
  wasiImport.fd_close('3');
  // As with node:wasi's types, others may be added, and all of them wrapped.
  wasiImport.more = (a: number) => a;
  for (const name of Object.keys(wasiImport)) {
    const original = wasiImport[name];
    wasiImport[name] = (...args) => original?.(...args);
  }
  const { fd_write } = wasiImport;
  wasiImport.fd_write = (fd, ...rest) => (fd === 1 ? 0 : fd_write(fd, ...rest));
}
true satisfies 'path_open' extends keyof SystemCalls ? true : false;
false satisfies 'path_close' extends keyof SystemCalls ? true : false;

new WASI({
  version: 'preview1',
  stdin: Buffer.from('input'),
  stdout: 'pipe',
  stderr: process.stderr,
  limits: { stdout: 1024, openFiles: 20 },
}).stdout satisfies Buffer;
// @ts-expect-error stderr is not captured
new WASI({ version: 'preview1', stdout: 'pipe', stderr: 'inherit' }).stderr.length;
new WASI({ version: 'preview1', stdout: 'ignore', stderr: 'pipe' }).stderr satisfies Buffer;
new WASI({ version: 'preview1', stdout: Math.random() > 0.5 ? 'pipe' : 1 }).stdout?.length;
new WASI({ version: 'preview1' }).stdout?.length;
// @ts-expect-error it may be undefined
new WASI({ version: 'preview1', stdout: Math.random() > 0.5 ? 'pipe' : 1 }).stdout.length;
new WASI({ version: 'preview1', input: 'text', stdout: (chunk) => chunk.length, stderr: 'ignore' });
new WASI({ version: 'preview1', stdin: (most) => (most > 5 ? new Uint8Array(most) : null) });
new WASI({
  version: 'preview1',
  preopens: { '/': '.', '/data': { path: './data', readOnly: true } },
});
new WASI({ version: 'preview1', preopens: { '/': overlay({ lower: '.', upper: memory() }) } });
// @ts-expect-error nothing beneath
overlay({ upper: memory() });
// @ts-expect-error no directory in memory
overlay({ lower: '.', upper: './upper' });
new WASI({ version: 'preview1', trace: true });
new WASI({ version: 'preview1', clock: { now: () => new Date(), monotonic: () => 5n }, random: 5 });
// @ts-expect-error in wasmtime only
new WASI({ version: 'preview1', deterministic: true });
// @ts-expect-error no such time
new WASI({ version: 'preview1', clock: { now: '2030' } });
// @ts-expect-error not there
new CompatWASI({ version: 'preview1', random: 5 });
new WASI({ version: 'preview1', trace: ({ name }) => name.length });
new WASI({ version: 'preview1', trace: process.stdout });
new WASI({
  version: 'preview1',
  trace: { calls: ['path_*'], errors: true, to: new URL('file:///calls') },
});
// @ts-expect-error a list
new WASI({ version: 'preview1', trace: { calls: 'path_*' } });
// @ts-expect-error no such option
new WASI({ version: 'preview1', trace: { call: ['path_*'] } });
new WASI({ version: 'preview1', input: new DataView(new ArrayBuffer(2)) });
// @ts-expect-error a text is input
new WASI({ version: 'preview1', stdin: 'text' });
// @ts-expect-error not there
new CompatWASI({ version: 'preview1', input: 'text' });
// @ts-expect-error not there
new CompatWASI({ version: 'preview1', trace: true });
// @ts-expect-error strings only
new CompatWASI({ version: 'preview1', preopens: { '/': { path: '.' } } });
// @ts-expect-error no such word
new WASI({ version: 'preview1', stdout: 'pipes' });
// @ts-expect-error descriptors only
new CompatWASI({ version: 'preview1', stdout: 'pipe' });
new LegacyWASI({ stdout: 'pipe' }).stdout satisfies Buffer;

// @ts-expect-error the version is mandatory
new WASI({});
// @ts-expect-error the options are mandatory
new WASI();
// @ts-expect-error no such version
new WASI({ version: 'preview2' });
// @ts-expect-error an array of strings
new WASI({ version: 'preview1', args: 'app' });
// @ts-expect-error no such option
new WASI({ version: 'preview1', preopen: {} });
// @ts-expect-error an instance
wasi.start();
// @ts-expect-error assigned once
wasi.wasiImport = {};

const compat: WASI = new CompatWASI(options satisfies CompatOptions);
// @ts-expect-error the version is mandatory
new CompatWASI({});

// A script of the older edition needs no option.
const legacy: WASI[] = [
  new LegacyWASI(),
  new LegacyWASI({}),
  new LegacyWASI(options satisfies LegacyOptions),
  new LegacyWASI({ version: undefined, args: process.argv, env: process.env }),
];
legacy[0].start({}) satisfies number;
class Sub extends LegacyWASI {}
new Sub().wasiImport.proc_exit(0);
// @ts-expect-error no such version
new LegacyWASI({ version: 'preview2' });
// @ts-expect-error a boolean
new LegacyWASI({ returnOnExit: 1 });
void compat;

// What a run gives follows from its options.
export async function results(options: RunOptions, mode: 'pipe' | 'ignore') {
  const { exitCode, stdout, stderr, usage } = await run('app.wasm');
  exitCode satisfies number;
  [stdout, stderr] satisfies [Buffer, Buffer];
  usage.fuel satisfies number | undefined;
  usage.calls satisfies number;
  const trace = (call: TracedCall) => void (call.errno satisfies string | null);
  const counted = await run('app.wasm', { usage: { byCall: true }, trace });
  counted.usage.byCall?.fd_read.nanoseconds satisfies number | undefined;
  // @ts-expect-error a number
  usage.calls.fd_read;
  (await run('app.wasm', {})).stdout satisfies Buffer;
  const module = new WebAssembly.Module(new Uint8Array());
  (await run(module)).stdout satisfies Buffer;
  (await (await compile(module)).run()).stdout satisfies Buffer;
  // @ts-expect-error no program
  await run(5);
  // @ts-expect-error no program
  await run({ module });
  (await run('app.wasm', { stdout: undefined })).stdout satisfies Buffer;
  (await run('app.wasm', { timeout: 5000, limits: { fuel: 1e6 } })).stdout satisfies Buffer;
  (await run('app.wasm', { input: 'a', stdout: 'pipe' })).stdout.toString() satisfies string;

  const inherited = await run('app.wasm', { stdout: 'inherit' });
  inherited.stdout satisfies null;
  inherited.stderr satisfies Buffer;
  // @ts-expect-error it is null
  inherited.stdout.length;
  (await run('app.wasm', { stdout: 'ignore', stderr: 2 })).stderr satisfies null;
  (await run('app.wasm', { stdout: process.stdout })).stdout satisfies null;
  (await run('app.wasm', { stdout: (chunk) => void chunk.length })).stdout satisfies null;
  (await run('app.wasm', { stderr: async (chunk) => chunk.length })).stderr satisfies null;
  (await run('app.wasm', { stdout: { write: (chunk: Buffer) => chunk.length } }))
    .stdout satisfies null;

  // Options that are not known before.
  (await run('app.wasm', options)).stdout satisfies Buffer | string | string[] | null;
  // @ts-expect-error it may be null
  (await run('app.wasm', options)).stdout.length;
  const either = await run('app.wasm', { stdout: mode });
  either.stdout satisfies Buffer | null;
  // @ts-expect-error it may be null
  either.stdout.length;
  (await run('app.wasm', { ...options, stdout: 'pipe' })).stdout satisfies
    Buffer | string | string[];
  const kept: RunResult = await run('app.wasm', { stdout: 'ignore' });
  kept.stdout satisfies Buffer | null;

  // An option that may be undefined is the default then.
  const flag = Math.random() > 0.5;
  const quiet = await run('app.wasm', { stdout: flag ? 'inherit' : undefined, stderr: 'ignore' });
  quiet.stdout satisfies Buffer | null;
  quiet.stderr satisfies null;
  // @ts-expect-error it may be null
  quiet.stdout.length;
  // @ts-expect-error it may be a Buffer
  quiet.stdout satisfies null;
  const optional: { stdout?: 'inherit'; encoding?: 'utf8'; lines?: true } = {};
  (await run('app.wasm', { stdout: optional.stdout })).stdout satisfies Buffer | null;
  // @ts-expect-error it may be a Buffer
  (await run('app.wasm', { stdout: optional.stdout })).stdout satisfies null;
  (await run('app.wasm', { encoding: optional.encoding })).stdout satisfies Buffer | string;
  // @ts-expect-error it may be a Buffer
  (await run('app.wasm', { encoding: optional.encoding })).stdout satisfies string;
  // @ts-expect-error it may be a Buffer
  (await run('app.wasm', { lines: optional.lines })).stdout satisfies string[];
  (await run('app.wasm', { lines: undefined, encoding: undefined })).stdout satisfies Buffer;
  const { stdin, stdout: output } = spawn('app.wasm', {
    stdin: flag ? 'ignore' : undefined,
    stdout: optional.stdout,
  });
  // @ts-expect-error it may be null
  stdin.end();
  // @ts-expect-error it may be a stream
  output satisfies null;
  stdin?.end();

  // Lines are of a text.
  (await run('app.wasm', { lines: true, encoding: 'utf16le' })).stdout satisfies string[];
  (await run('app.wasm', { lines: true, encoding: undefined })).stdout satisfies string[];
  (await run('app.wasm', { lines: flag, encoding: 'hex' })).stdout satisfies string | string[];
  // @ts-expect-error there are none
  await run('app.wasm', { lines: true, encoding: 'hex' });
  // @ts-expect-error there are none
  await run('app.wasm', { lines: true, encoding: 'base64url' });
  // @ts-expect-error there are none
  await run('app.wasm', { lines: true, encoding: 'buffer' });
  // @ts-expect-error there are none
  await run('app.wasm', { lines: true, encoding: null });

  (await run('app.wasm', { encoding: 'utf8' })).stdout satisfies string;
  (await run('app.wasm', { encoding: 'buffer' })).stdout satisfies Buffer;
  (await run('app.wasm', { lines: true })).stderr satisfies string[];
  (await run('app.wasm', { lines: true, stderr: 'ignore' })).stderr satisfies null;
  (await run('app.wasm', { lines: false, encoding: 'hex' })).stdout satisfies string;
  (await run('app.wasm', { stdout: new WritableStream(), maxBuffer: 5 })).stdout satisfies null;
  await run('app.wasm', { maxBuffer: { stdout: 5 }, preopens: { '/': new URL('file:///') } });
  await run('app.wasm', { sockets: [{ connect: 'a:1', protocol: 'udp' }, { listen: '*:0' }] });
  await run('app.wasm', { sockets: [{ listen: '127.0.0.1:0' }, 5] });
  spawn('app.wasm', { sockets: [5] }).sockets satisfies readonly ServedSocket[];
  (await load('app.wasm', { sockets: [5] })).sockets[0]?.port satisfies number | undefined;
  new WASI({ version: 'preview1', sockets: [{ listen: '127.0.0.1:0', protocol: 'tcp' }, 5] })
    .sockets?.[0]?.fd satisfies number | undefined;
  // @ts-expect-error a program of the class can't connect
  new WASI({ version: 'preview1', sockets: [{ connect: 'a:1' }] });
  await run('app.wasm', { deterministic: true, clock: { now: new Date(), step: 0 }, random: 'a' });
  // @ts-expect-error no JavaScript runs there
  await run('app.wasm', { clock: { now: () => 5 } });
  // @ts-expect-error no such clock
  await run('app.wasm', { clock: { time: 5 } });
  // @ts-expect-error no such encoding
  await run('app.wasm', { encoding: 'utf9' });
  // @ts-expect-error maxBuffer has taken its place
  await run('app.wasm', { limits: { stdout: 5 } });

  const program = await compile(new URL('file:///app.wasm'), { cache: false });
  program.imports[0]?.module satisfies string | undefined;
  program.memory[0]?.max satisfies number | null | undefined;
  (await program.run({ lines: true })).stdout satisfies string[];
  (await program.run()).stdout satisfies Buffer;
  (await program.run({ stderr: 'inherit' })).stderr satisfies null;
  await deserialize(await program.serialize());
  await run('app.wasm', { stdin: Readable.from(['a']), input: undefined });
  await run('app.wasm', { argv0: 'app', args: ['--version'], check: true });
  await run('app.wasm', { input: new ArrayBuffer(2) });
  await run('app.wasm', { stdin: async () => new Uint8Array(1), args: ['a'] as const });

  // @ts-expect-error a text is input
  await run('app.wasm', { stdin: 'text' });
  // @ts-expect-error nobody could write to it
  await run('app.wasm', { stdin: 'pipe' });
  // @ts-expect-error no such word
  await run('app.wasm', { stdout: 'pipes' });
  // @ts-expect-error no such option
  await run('app.wasm', { timout: 5 });
  // @ts-expect-error no such option, of a program's
  await program.run({ stdout: 'inherit', timout: 5 });
  // @ts-expect-error no such limit
  await run('app.wasm', { limits: { mem: 5 } });
  // @ts-expect-error no such right
  await run('app.wasm', { preopens: { '/': { path: '.', readonly: true } } });
  // @ts-expect-error one of both
  await run('app.wasm', { sockets: [{ connect: 'a:1', listen: '*:0' }] });
  // @ts-expect-error no such protocol
  await run('app.wasm', { sockets: [{ connect: 'a:1', protocol: 'sctp' }] });
  // @ts-expect-error no such engine
  await run('app.wasm', { engine: 'jsc' });
  // @ts-expect-error a number of milliseconds
  await run('app.wasm', { timeout: '5s' });
  // @ts-expect-error not a program
  await run(5);
}

// So do those of a Runner's programs.
export async function runners() {
  await using runner = new Runner({ concurrency: 2, limits: { memory: 5e6 }, cache: false });
  (await runner.run('app.wasm', { lines: true })).stdout satisfies string[];
  runner.spawn('app.wasm').stdin.end();
  (await (await runner.compile('app.wasm')).run()).stdout satisfies Buffer;
  runner.stats.queued satisfies number;
  // @ts-expect-error an option of programs
  new Runner({ args: ['a'] });
}

// So do the streams of a child.
export async function children(options: SpawnOptions) {
  const child = spawn('app.wasm');
  child.stdin satisfies Writable;
  child.stdin.end('text');
  for await (const chunk of child.stdout) void chunk;
  for await (const line of child) line satisfies string;
  child.stderr.setEncoding('utf8') satisfies Readable;
  child.stdio satisfies readonly [Writable, Readable, Readable];
  (await child.result).stdout satisfies null;

  spawn('app.wasm', { stdin: 'pipe', signal: AbortSignal.timeout(5) }).stdin.end();
  const quiet = spawn('app.wasm', { stdin: 'ignore', stdout: 'inherit', stderr: process.stderr });
  [quiet.stdin, quiet.stdout, quiet.stderr] satisfies [null, null, null];
  // @ts-expect-error it is null
  quiet.stdin.end();
  const fed = spawn('app.wasm', { input: 'text' });
  fed.stdin satisfies null;
  fed.stdout satisfies Readable;
  const any = spawn('app.wasm', options);
  any.stdin satisfies Writable | null;
  // @ts-expect-error it may be null
  any.stdin.end();
  spawn('app.wasm', {} as RunOptions).stdin satisfies Writable | null;
  const program = await compile('app.wasm');
  program.spawn({ stderr: 'inherit' }).stdout satisfies Readable;
  program.spawn({ input: new Uint8Array() }).stdin satisfies null;
  const forgotten: GuestProcess = child;
  forgotten.stdout satisfies Readable | null;
  // @ts-expect-error no such option
  spawn('app.wasm', { timout: 5 });
  child.kill() satisfies boolean;
  child.kill('SIGINT', new Error('why'));
  child.kill(0);
  // @ts-expect-error a signal comes first
  child.kill(new Error('why'));
}

// A child's events have types, and it goes wherever an EventEmitter is expected.
export async function events(child: GuestProcess) {
  child satisfies EventEmitter;
  child satisfies NodeJS.EventEmitter;
  child
    .on('spawn', () => {})
    .on('exit', (code, signal) => {
      code satisfies number | null;
      signal satisfies NodeJS.Signals | null;
    })
    .once('close', (code) => void (code satisfies number | null))
    .prependListener('error', (error) => void (error satisfies WasiError))
    .off('spawn', () => {});
  const [code] = await once(child, 'exit');
  void code;
  // @ts-expect-error a number
  child.on('exit', (code: string) => code);
  // @ts-expect-error it gets nothing
  child.once('spawn', (code: number) => code);
}

function failed(error: unknown) {
  if (!(error instanceof WasiError)) throw error;
  error satisfies Error;
  switch (error.code) {
    case 'ERR_WASI_EXIT':
      error.exitCode satisfies number | undefined;
      break;
    case 'UVWASI_ENOENT':
    case 'ENOENT':
      error.path satisfies string | undefined;
      break;
    // @ts-expect-error no such code
    case 'ERR_WASI_EXITED':
      break;
  }
  error.timedOut satisfies boolean;
  error.signal satisfies NodeJS.Signals | undefined;
  error.usage?.wall satisfies number | undefined;
  error.stdout satisfies Buffer | string | string[] | null;
  // @ts-expect-error made by the package
  new WasiError();
}
void failed;
