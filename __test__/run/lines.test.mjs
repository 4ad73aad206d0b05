// The lines of a child are read once, from the beginning: a loop that would miss some says so.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { forEachEngine } from '../support/engine.mjs';
import { cat, exits, program } from '../support/programs.mjs';

const CAT = cat();
const INPUT = { input: 'one\ntwo\n' };

/** All lines of a child. */
async function linesOf(child) {
  const lines = [];
  for await (const line of child) lines.push(line);
  return lines;
}

const closed = (child) => new Promise((resolve) => child.on('close', resolve));

forEachEngine(({ engine, spawn }) => {
  describe(`the lines of a child in ${engine}`, () => {
    const refused = (child, reason) =>
      assert.rejects(linesOf(child), (error) => {
        assert.deepEqual([error.name, error.code], ['Error', 'ERR_INVALID_STATE']);
        assert.match(error.message, reason);
        return true;
      });
    const AGAIN =
      /^there are no lines to read: a loop over them has begun before; begin the loop before the program ends, and read stdout once$/;
    const READ =
      /the output of the program was read before, or thrown away when it had ended; begin/;

    test('are read by one loop', async () => {
      const whole = spawn(CAT, INPUT);
      assert.deepEqual(await linesOf(whole), ['one', 'two']);
      await refused(whole, AGAIN);
      const left = spawn(CAT, INPUT);
      for await (const line of left) {
        assert.equal(line, 'one');
        break;
      }
      await refused(left, AGAIN);
      const both = spawn(CAT, INPUT);
      const first = linesOf(both);
      await refused(both, AGAIN);
      assert.deepEqual(await first, ['one', 'two']);
    });

    test('are not there when output has been read or thrown away', async () => {
      const late = spawn(CAT, INPUT);
      await closed(late);
      await refused(late, READ);
      const read = spawn(CAT, INPUT);
      await once(read.stdout, 'data');
      await refused(read, READ);
      const destroyed = spawn(CAT, INPUT);
      destroyed.stdout.destroy();
      await refused(destroyed, /: its stdout was destroyed$/);
      await refused(spawn(CAT, { ...INPUT, stdout: 'ignore' }), /: options.stdout is not 'pipe'$/);
    });

    test('are all there for a loop that is begun when the program has just ended', async () => {
      const child = spawn(CAT, INPUT);
      await child.result;
      assert.deepEqual(await linesOf(child), ['one', 'two']);
    });

    test('of a program that wrote nothing are none, and the loop ends as it has', async () => {
      const silent = spawn(exits(0));
      await closed(silent);
      assert.deepEqual(await linesOf(silent), []);
      const exited = spawn(exits(3), { check: true });
      await closed(exited);
      await assert.rejects(linesOf(exited), { code: 'ERR_WASI_EXIT', exitCode: 3 });
      const killed = spawn(CAT);
      killed.kill();
      await closed(killed);
      await assert.rejects(linesOf(killed), { code: 'ERR_WASI_KILLED' });
      const aborted = spawn(CAT, { signal: AbortSignal.abort() });
      await assert.rejects(linesOf(aborted), { code: 'ABORT_ERR' });
      await assert.rejects(linesOf(spawn('/none')), { code: 'ENOENT' });
    });

    test('an error is an event until the loop has begun', async () => {
      const child = spawn(program('unreachable'));
      const [error] = await once(child, 'error');
      assert.equal(error.code, 'ERR_WASI_TRAP');
      await assert.rejects(linesOf(child), error);
    });

    test('are whole where output came before the loop, in the middle of a letter', async () => {
      const child = spawn(CAT, { encoding: 'utf8' });
      const [start, end] = [
        Buffer.from('gr\xfcn').subarray(0, 3),
        Buffer.from('gr\xfcn\n').subarray(3),
      ];
      child.stdin.write(start);
      await once(child.stdout, 'readable');
      child.stdin.end(end);
      assert.deepEqual(await linesOf(child), ['gr\xfcn']);
    });
  });
});
