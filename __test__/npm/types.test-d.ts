// Checked by tsc, never run: what index.d.ts lets through and what it refuses.

import { Readable } from 'node:stream';
import {
  WASI,
  WasiError,
  compile,
  deserialize,
  run,
  spawn,
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

new WASI({
  version: 'preview1',
  stdin: Buffer.from('input'),
  stdout: 'pipe',
  stderr: process.stderr,
  limits: { stdout: 1024, openFiles: 20 },
}).stdout satisfies Buffer | undefined;
new WASI({ version: 'preview1', input: 'text', stdout: (chunk) => chunk.length, stderr: 'ignore' });
new WASI({ version: 'preview1', stdin: (most) => (most > 5 ? new Uint8Array(most) : null) });
new WASI({
  version: 'preview1',
  preopens: { '/': '.', '/data': { path: './data', readOnly: true } },
});
new WASI({ version: 'preview1', trace: true });
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
new LegacyWASI({ stdout: 'pipe' });

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

async function programs() {
  const { exitCode, stdout, usage } = await run('app.wasm', {
    timeout: 5000,
    limits: { fuel: 1e6 },
  });
  exitCode satisfies number;
  stdout satisfies Buffer | null;
  usage.fuel satisfies number | undefined;
  const program = await compile(new URL('file:///app.wasm'));
  const child = program.spawn({ stdin: 'pipe', signal: AbortSignal.timeout(5) });
  child.stdin?.end('text');
  for await (const chunk of child.stdout ?? []) void chunk;
  child.on('exit', (code, signal) => void [code satisfies number | null, signal]);
  (await child.result).stderr satisfies Buffer | null;
  await (
    await deserialize(await program.serialize())
  ).run({ stdin: Readable.from(['a']), stdout: process.stdout });
  spawn(new Uint8Array()).kill() satisfies boolean;
  child.kill('SIGINT', new Error('why'));
  child.kill(0);
  // @ts-expect-error a signal comes first
  child.kill(new Error('why'));
  await run('app.wasm', { argv0: 'app', args: ['--version'], check: true });
  // @ts-expect-error misspelt
  await run('app.wasm', { timout: 5 });
  // @ts-expect-error misspelt
  await run('app.wasm', { preopens: { '/d': { path: '.', readonly: true } } });
  await run('app.wasm', { input: new ArrayBuffer(2) });
  // @ts-expect-error a text is input
  await run('app.wasm', { stdin: 'text' });
  // @ts-expect-error no such engine
  await run('app.wasm', { engine: 'jsc' });
  // @ts-expect-error not a program
  await run(5);
}
void programs;

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
  error.stdout satisfies Buffer | null;
  // @ts-expect-error made by the package
  new WasiError();
}
void failed;
