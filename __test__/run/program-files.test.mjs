// Files that are no programs, and never end, or never begin: run() settles, and leaves nothing behind.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { HANGS, index, main, runNode, temporaryFolder } from '../support/host.mjs';
import { assemble } from '../support/wat.mjs';

const LINUX = process.platform === 'linux';
const folder = temporaryFolder({ after });

const TERABYTE = 1024 ** 4;
const MAGIC = Buffer.from('0061736d01000000', 'hex');
/** Bytes of memory that a process may have more for it. */
const ALLOWANCE = 200 * 1024 ** 2;

/** A file of a terabyte that begins so. @param {string} name @param {Buffer} content */
function sparse(name, content) {
  const file = path.join(folder, name);
  fs.writeFileSync(file, content);
  fs.truncateSync(file, TERABYTE);
  return file;
}

const NO_MODULE = /is not a WebAssembly module: it does not begin with/;
const FILES = {
  'a terabyte of nothing': [() => sparse('zeros.wasm', Buffer.alloc(0)), NO_MODULE],
  'a terabyte that begins as a module': [
    () => sparse('large.wasm', MAGIC),
    /is too large: it has 1099511627776 bytes|is too hard to compile: it has 1099511627776 bytes/,
  ],
  'a device without end': [() => '/dev/zero', /is a device, no regular file|does not begin with/],
  'a pipe that nobody writes to': [
    () => {
      const pipe = path.join(folder, 'pipe.wasm');
      if (!fs.existsSync(pipe)) execFileSync('mkfifo', [pipe]);
      return pipe;
    },
    /is a pipe, no regular file|had not been read after 500 ms/,
  ],
  'a directory': [() => folder, /: is a directory|it is a directory/],
};

for (const [what, [make, message]] of Object.entries(FILES)) {
  test(`run() refuses ${what}`, { timeout: HANGS, skip: !LINUX }, async () => {
    const script = `
      const { run, compile, spawn } = require(${JSON.stringify(index)});
      (async () => {
        const resident = () => process.memoryUsage.rss();
        const before = resident();
        const told = [];
        const tell = (error) => void told.push(error?.message ?? 'fulfilled');
        const file = ${JSON.stringify(make())};
        for (const cache of [false, ${JSON.stringify(path.join(folder, 'cache'))}]) {
          for (const engine of ['auto', 'v8', 'wasmtime']) {
            await run(file, { engine, timeout: 500, cache }).then(tell, tell);
            await spawn(file, { engine, timeout: 500, cache }).result.then(tell, tell);
          }
          await compile(file, { cache }).then(tell, tell);
        }
        const { exitCode } = await run(Buffer.from('${MAGIC.toString('hex')}010401600000030201000' +
          '70a01065f737461727400000a040102000b', 'hex'), { cache: false });
        console.log(JSON.stringify({ told, exitCode, more: resident() - before }));
      })();`;
    const { code, signal, stdout, stderr } = await runNode(['-e', script]);
    assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
    const { told, exitCode, more } = JSON.parse(stdout);
    assert.equal(told.length, 14);
    for (const one of told) assert.match(one, message);
    assert.equal(exitCode, 0);
    assert.ok(more < ALLOWANCE, `${more} bytes more`);
  });

  test(`the command line refuses ${what}`, { timeout: HANGS, skip: !LINUX }, async () => {
    for (const args of [[], ['--engine', 'v8'], ['--engine', 'wasmtime']]) {
      const wasi = [main, '--no-cache', '--timeout', '500ms', ...args, make()];
      const { code, stderr } = await runNode(wasi);
      assert.ok(code === 2 || code === 124, stderr);
      assert.match(stderr, message);
    }
    if (what === 'a pipe that nobody writes to') return; // it is waited for
    const { code, stderr } = await runNode([main, 'inspect', make()]);
    assert.equal(code, 2, stderr);
  });
}

test(
  'the command line runs what comes out of a pipe',
  { timeout: HANGS, skip: !LINUX },
  async () => {
    const module = path.join(folder, 'exits.wasm');
    fs.writeFileSync(module, assemble('(module (func (export "_start") unreachable))'));
    const pipe = path.join(folder, 'named.wasm');
    execFileSync('mkfifo', [pipe]);
    const run = (file) => `"$0" "$1" --no-cache ${file}; echo $?`;
    for (const script of [
      `cat "$2" | ${run('/dev/stdin')}`,
      `${run('<(cat "$2")')}`,
      `(cat "$2" > "$3") & ${run('"$3"')}`,
    ]) {
      const stdout = execFileSync('bash', ['-c', script, process.execPath, main, module, pipe], {
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      assert.equal(String(stdout), '134\n', script);
    }
    const empty = ['-c', `true | ${run('/dev/stdin')}`, process.execPath, main];
    assert.equal(
      String(execFileSync('bash', empty, { stdio: ['ignore', 'pipe', 'ignore'] })),
      '2\n',
    );
  },
);
