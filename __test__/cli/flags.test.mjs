// The flags, their values and the help.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { COMMANDS, FLAGS } from '../../cli/flags.js';
import { parse } from '../../cli/parse.js';
import { VALUES } from '../../cli/values.js';
import { commandLine } from '../support/cli.mjs';
import { creates, reflectWithFile } from '../support/programs.mjs';

const require = createRequire(import.meta.url);
const { cli, folder, refusal } = commandLine({ after });

describe('flags', () => {
  test('directories in memory', async () => {
    for (const [text, guest, limit] of [
      ['/tmp', '/tmp', undefined],
      ['/tmp:64M', '/tmp', 64 * 2 ** 20],
      ['a:b', 'a:b', undefined],
      ['C:/x:9', 'C:/x', 9],
    ])
      assert.deepEqual(VALUES.tmpfs(text), [guest, limit]);
    for (const text of ['', '/tmp:5X']) assert.throws(() => VALUES.tmpfs(text));
    fs.writeFileSync(path.join(folder, 'creates.wasm'), creates());
    for (const flags of [[], ['--engine=wasmtime'], ['--engine=v8']]) {
      const made = await cli([...flags, '--tmpfs=/', 'creates.wasm']);
      assert.deepEqual([made.code, made.stderr], [0, '']);
      assert.equal((await cli([...flags, '--tmpfs=/:10', 'creates.wasm'])).code, 51, 'ENOSPC');
    }
    assert.ok(!fs.existsSync(path.join(folder, 'made')));
    const twice = await refusal('--dir=.::/a', '--tmpfs=/a', 'creates.wasm');
    assert.match(twice, /^\/a is given twice/);
  });

  test('directories in memory above one of the host', async () => {
    assert.deepEqual(VALUES.overlay('data::/data'), ['/data', 'data']);
    for (const text of ['', 'data::', 'data::/data:ro']) assert.throws(() => VALUES.overlay(text));
    const lower = path.join(folder, 'lower');
    fs.mkdirSync(lower);
    fs.writeFileSync(path.join(lower, 'file'), 'of the host');
    fs.writeFileSync(path.join(folder, 'creates.wasm'), creates());
    fs.writeFileSync(path.join(folder, 'reflects.wasm'), reflectWithFile());
    for (const flags of [[], ['--engine=wasmtime'], ['--engine=v8']]) {
      const made = await cli([...flags, '--overlay=lower::/', 'creates.wasm']);
      assert.deepEqual([made.code, made.stderr], [0, '']);
      const read = await cli([...flags, '--overlay=lower::/', 'reflects.wasm']);
      assert.match(read.stdout, /of the host$/);
    }
    assert.deepEqual(fs.readdirSync(lower), ['file']);
    const twice = await refusal('--overlay=lower::/a', '--tmpfs=/a', 'creates.wasm');
    assert.match(twice, /^\/a is given twice/);
    const missing = await refusal('--overlay=missing', 'creates.wasm');
    assert.match(missing, /^--overlay missing: /);
  });

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
    for (const flag of FLAGS) {
      const { name, kind, isOptional, example, commands = COMMANDS.map((one) => one.name) } = flag;
      for (const command of commands) {
        const { takesNothing } = COMMANDS.find((one) => one.name === command);
        const value = kind ? [example ?? kinds[kind]] : [];
        const written = isOptional ? [`--${name}=${example}`] : [`--${name}`, ...value];
        const { flags } = parse([command, ...written, ...(takesNothing ? [] : ['x'])]);
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
    const { version } = require('../../package.json');
    for (const flag of ['--version', '-V'])
      assert.equal((await cli([flag])).stdout, `wasi-rs ${version}\n`);
  });
});
