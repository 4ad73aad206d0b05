// The command line with components of WASI 0.3.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { IS_WINDOWS, commandLine } from '../support/cli.mjs';
import { HANGS, main } from '../support/host.mjs';
import { command, handling } from '../support/wasi-0.3.mjs';

const { folder, cli } = commandLine({ after });
const [CLOCK, STDIN, STDOUT] = ['wasi:clocks/monotonic-clock', 'wasi:cli/stdin', 'wasi:cli/stdout'];

const PROGRAMS = {
  echo: command(
    [STDIN, STDOUT],
    `(call $stdin (i32.const 64))
     (call $pipe (i32.load (i32.const 64)) (call $open-out))
     (call $close-out)`,
  ),
  show: command(
    ['wasi:cli/environment', STDOUT],
    `(call $arguments (i32.const 64))
     (call $say-list (i32.load (i32.const 64)) (i32.load (i32.const 68)))
     (call $environment (i32.const 64))
     (call $say-list (i32.load (i32.const 64)) (i32.shl (i32.load (i32.const 68)) (i32.const 1)))
     (call $close-out)`,
  ),
  fails: command([], '(i32.const 1)'),
  exits: command(['wasi:cli/exit'], '(call $exit (i32.const 42)) unreachable'),
  traps: command([], 'unreachable'),
  waits: command([CLOCK], '(call $wait-for (i64.const 3_600_000_000_000)) (i32.const 0)'),
  stuck: command([], '(call $wait-set (call $new-set) (i32.const 8))'),
  later: command([], '(i32.const 0)', '', 'wasi:cli/run@0.4.0'),
  handler: handling('(call $reply (i32.const 201) (i32.const 0) (i32.const 0)) (call $finish)'),
};
for (const [name, bytes] of Object.entries(PROGRAMS)) {
  fs.writeFileSync(path.join(folder, `${name}-3.wasm`), bytes);
}

describe('a component of WASI 0.3 on the command line', () => {
  const run = (name, args = [], options) => cli(['run', ...args, `${name}-3.wasm`], options);

  test('reads its input and writes its output', async () => {
    const input = 'echo '.repeat(50_000);
    const { code, stdout, stderr } = await run('echo', [], { input });
    assert.deepEqual([code, stdout === input, stderr], [0, true, '']);
  });

  test('gets its arguments and environment', async () => {
    const { code, stdout } = await cli(['run', '--env', 'NAME=value', 'show-3.wasm', 'one', 'ä']);
    assert.deepEqual([code, stdout], [0, 'show-3.wasm\none\nä\nNAME\nvalue\n']);
  });

  test('has the exit code of what becomes of it', async () => {
    assert.equal((await run('fails')).code, 1);
    assert.equal((await run('exits')).code, 42);
    const traps = await run('traps');
    assert.equal(traps.code, 134);
    assert.match(traps.stderr, /^wasi-rs: traps-3\.wasm: wasm trap: .*unreachable/);
    const stuck = await run('stuck');
    assert.equal(stuck.code, 134);
    assert.match(stuck.stderr, /^wasi-rs: stuck-3\.wasm: .*deadlock/);
    assert.equal((await run('waits', ['--timeout', '50ms'])).code, 124);
  });

  test('is refused if it is of another version, or a handler', async () => {
    const later = await run('later');
    assert.equal(later.code, 2);
    assert.match(
      later.stderr,
      /WASI 0\.4\.0; components run here that are built for WASI 0\.2 or 0\.3/,
    );
    const handler = await run('handler');
    assert.equal(handler.code, 2);
    assert.match(handler.stderr, /a handler of HTTP and no command/);
  });

  test('of a later version is described by inspect as one that can not run', async () => {
    const { code, stdout } = await cli(['inspect', 'later-3.wasm']);
    assert.equal(code, 1);
    assert.match(stdout, /: command, WASI 0\.4, /);
    assert.match(stdout, /missing:\n {2}it is a command for WASI 0\.4\.0; .* WASI 0\.2 or 0\.3\n/);
  });

  test('is described by inspect', async () => {
    const { code, stdout } = await cli(['inspect', '--json', 'echo-3.wasm']);
    const { kind, version, missing } = JSON.parse(stdout);
    assert.deepEqual(
      { code, kind, version, missing },
      {
        code: 0,
        kind: 'command',
        version: '0.3',
        missing: [],
      },
    );
  });

  test('answers requests with serve, until a signal', { skip: IS_WINDOWS }, async (t) => {
    const args = [main, 'serve', '--addr', '127.0.0.1:0', 'handler-3.wasm'];
    const child = spawn(process.execPath, args, { cwd: folder, timeout: HANGS });
    t.after(() => child.kill('SIGKILL'));
    const [line] = await once(child.stderr.setEncoding('utf8'), 'data');
    const [, url] = /^wasi-rs: serving (http:\/\/127\.0\.0\.1:\d+\/)\n$/.exec(line);
    const response = await fetch(url, { headers: { connection: 'close' } });
    assert.deepEqual([response.status, await response.text()], [201, '']);
    const closed = once(child, 'close');
    child.kill('SIGINT');
    assert.deepEqual(await closed, [0, null]);
  });
});
