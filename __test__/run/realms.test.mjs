// lib/ in a realm of its own, as jest and vitest load it: classes, timers and errors there are others than Node's.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after as afterAll, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import vm from 'node:vm';
import { CHOICES, forEachEngine } from '../support/engine.mjs';
import { HANGS, root, temporaryFolder } from '../support/host.mjs';
import { SPIN, after, cat, exits, program, reflect } from '../support/programs.mjs';
import { assemble } from '../support/wat.mjs';

const require = createRequire(import.meta.url);
const folder = temporaryFolder({ after: afterAll });

const unused = () => {
  throw new Error('a global that is not Node’s was used');
};

/** What is global in each realm, beside what the language has. */
const REALMS = {
  'jest with node': { Buffer, process, setTimeout, clearTimeout, setImmediate, URL, performance },
  'jest with jsdom': {
    Buffer,
    // jest copies it.
    process: Object.assign(Object.create(Object.getPrototypeOf(process)), process),
    // Timers are numbers there, and may be those of a fake clock, which stands.
    setTimeout: () => 1,
    clearTimeout: unused,
    performance: { now: () => 0 },
    queueMicrotask: unused,
  },
};

/** Loads the package in a realm: each file of its own with that realm's classes, what is Node's from Node. */
function load(globals) {
  const context = vm.createContext({ ...globals });
  context.globalThis = context.global = context;
  const modules = new Map();
  const requireFile = (file) => {
    if (!file.endsWith('.js')) return require(file);
    const known = modules.get(file);
    if (known) return known.exports;
    const module = { exports: {} };
    modules.set(file, module);
    const names = ['module', 'exports', 'require', '__filename', '__dirname'];
    const compiled = vm.compileFunction(fs.readFileSync(file, 'utf8'), names, {
      filename: file,
      parsingContext: context,
    });
    const here = path.dirname(file);
    const requireHere = Object.assign(
      (name) => (/^[./]/.test(name) ? requireFile(path.resolve(here, name)) : require(name)),
      { cache: {}, extensions: {}, resolve: require.resolve },
    );
    compiled.call(module.exports, module, module.exports, requireHere, file, here);
    return module.exports;
  };
  return { context, ...requireFile(path.join(root, 'index.js')) };
}

for (const [name, globals] of Object.entries(REALMS)) {
  const { context, run: anyRun, spawn: anySpawn, compile, deserialize } = load(globals);
  const evaluate = (code) => vm.runInContext(code, context);

  forEachEngine(({ engine }) => {
    const options = (given) => ({ engine, cache: false, ...given });
    const run = (source, given) => anyRun(source, options(given));
    const spawn = (source, given) => anySpawn(source, options(given));

    describe(`${engine} in ${name}`, { timeout: HANGS }, () => {
      test('bytes of both realms, as programs and as input', async () => {
        const wasm = cat();
        const foreign = evaluate('(bytes) => Uint8Array.from(bytes)')(wasm);
        for (const source of [wasm, foreign, foreign.buffer, new DataView(foreign.buffer)]) {
          const { exitCode, stdout, usage } = await run(source, { input: 'text' });
          assert.equal(String(stdout), 'text');
          assert.ok(Buffer.isBuffer(stdout) && usage.wall > 0);
          assert.equal(exitCode, 0);
        }
        for (const input of [Buffer.from('ok'), evaluate('Uint8Array.of(111, 107)')]) {
          assert.equal(String((await run(wasm, { input })).stdout), 'ok');
          assert.equal(String((await run(wasm, { stdin: input })).stdout), 'ok');
          const pieces = [input, null];
          const stdin = () => pieces.shift();
          assert.equal(String((await run(wasm, { stdin })).stdout), 'ok');
          const chunks = [];
          const stdout = (chunk) => void chunks.push(chunk);
          await run(wasm, { stdin: Readable.from([input]), stdout });
          assert.equal(String(Buffer.concat(chunks)), 'ok');
        }
      });

      test('options that are objects of either realm', async () => {
        const given = evaluate('({ args: ["a", "b"], env: { K: "v" }, preopens: {}, limits: {} })');
        assert.equal(String((await run(reflect(), given)).stdout), 'program.wasm\0a\0b\0K=v\0');
        const stream = evaluate(
          '(Buffer) => ({ async *[Symbol.asyncIterator]() { yield "one "; yield Uint8Array.of(50); } })',
        )(Buffer);
        assert.equal(String((await run(cat(), { stdin: stream })).stdout), 'one 2');
        const writer = evaluate('({ text: "", async write(chunk) { this.text += chunk; } })');
        await run(cat(), { input: 'written', stdout: writer });
        assert.equal(writer.text, 'written');
      });

      test('URLs and signals that are somebody else’s', async () => {
        const file = path.join(folder, 'exits.wasm');
        fs.writeFileSync(file, exits(3));
        const { href, protocol, pathname, host } = pathToFileURL(file);
        const url = { href, protocol, pathname, host, hostname: host };
        assert.equal((await run(url)).exitCode, 3);
        class Signal extends EventTarget {
          aborted = false;
        }
        const signal = new Signal();
        const stdout = () => {
          signal.reason = 'why';
          signal.dispatchEvent(new Event('abort'));
        };
        await assert.rejects(run(after('.', SPIN), { signal, stdout }), {
          code: 'ABORT_ERR',
          cause: 'why',
        });
      });

      test('a timeout is Node’s', async () => {
        await assert.rejects(run(program(SPIN), { timeout: 100 }), { code: 'ERR_WASI_TIMEOUT' });
      });

      test('what goes wrong rejects', async () => {
        const imports = assemble('(module (import "a" "b" (func)) (func (export "_start")))');
        const overflow = run(cat(), { input: 'too much', maxBuffer: 3 });
        await assert.rejects(overflow, { code: 'ERR_WASI_STDIO_MAXBUFFER' });
        await assert.rejects(run(program('unreachable')), { code: 'ERR_WASI_TRAP' });
        await assert.rejects(run(Buffer.from('no program')), { code: 'ERR_WASI_PROGRAM' });
        await assert.rejects(run(imports), { code: 'ERR_WASI_IMPORT' });
        await assert.rejects(run('/none.wasm'), { code: 'ENOENT' });
        await assert.rejects(run(cat(), { preopens: { '/': '/none' } }), { code: 'UVWASI_ENOENT' });
        await assert.rejects(run(cat(), { stdin: () => 5 }), (reason) => {
          return reason.cause.code === 'ERR_INVALID_RETURN_VALUE';
        });
        const error = evaluate('new Error("mine")');
        const stdin = () => Promise.reject(error);
        await assert.rejects(run(cat(), { stdin }), (reason) => reason.cause === error);
        await assert.rejects(run(cat(), { stdin: new PassThrough().destroy() }), (reason) => {
          return reason.cause.code === 'ERR_STREAM_PREMATURE_CLOSE';
        });
      });

      test('a child', async () => {
        const child = spawn(cat());
        child.stdin.end('through pipes');
        assert.equal(await text(child.stdout), 'through pipes');
        assert.equal((await child.result).exitCode, 0);
        const other = spawn(after('.', SPIN));
        other.kill();
        await assert.rejects(other.result, { code: 'ERR_WASI_KILLED' });
      });
    });
  }, CHOICES);

  test(`compiled programs in ${name}`, { timeout: HANGS }, async () => {
    const compiled = await compile(exits(4), { cache: false });
    assert.equal((await compiled.run()).exitCode, 4);
    const bytes = evaluate('(bytes) => Uint8Array.from(bytes)')(await compiled.serialize());
    assert.equal((await (await deserialize(bytes)).run()).exitCode, 4);
  });
}

test('nothing in lib/ asks for a class of the language or takes a global timer', () => {
  const files = fs.readdirSync(path.join(root, 'lib'), { recursive: true, encoding: 'utf8' });
  for (const file of files.filter((name) => name.endsWith('.js'))) {
    const code = fs.readFileSync(path.join(root, 'lib', file), 'utf8');
    // A worker of ours, and the command line, have no other realm; a class of the package's own is what it is.
    const isOwn = ['guest.js', 'worker.js'].some((name) => file === path.join('v8', name));
    const asked = [...code.matchAll(/instanceof (?!(?:ProgramHandle|WasiError)\b)[\w.]+/g)].map(
      String,
    );
    assert.deepEqual(isOwn ? [] : asked, [], file);
    const timers = /\b(set|clear)(Timeout|Interval|Immediate)\(/.test(code);
    assert.ok(!timers || /require\('node:timers(\/promises)?'\)/.test(code), file);
  }
});
