// What a program has written just before its end is there, whatever the end.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after as afterAll, describe, test } from 'node:test';
import { forEachEngine } from '../support/engine.mjs';
import { HANGS, temporaryFolder } from '../support/host.mjs';
import { SPIN, after } from '../support/programs.mjs';

const folder = temporaryFolder({ after: afterAll });

/** Writes the same to stderr. */
const SAY = '(drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))';

describe('what is written just before the end is there', () => {
  const ends = {
    'an exit': ['(call $proc_exit (i32.const 3))', 3],
    'a trap': ['unreachable', 'ERR_WASI_TRAP'],
    'a kill': [`${SAY} ${SPIN}`, 'ABORT_ERR'],
  };
  for (const [what, [end, code]] of Object.entries(ends)) {
    forEachEngine(({ engine, run }) => {
      test(`${what}, ${engine}`, { timeout: HANGS }, async () => {
        const program = after('abc', end);
        /** Runs it, and ends it when it has written to stderr. */
        const go = async (stdout) => {
          const controller = new AbortController();
          const options = { stdout, stderr: () => controller.abort(), signal: controller.signal };
          const outcome = await run(program, options).catch((error) => error);
          return { code: outcome.code ?? outcome.exitCode, stdout: String(outcome.stdout) };
        };
        assert.deepEqual(await go('pipe'), { code, stdout: 'abc' }, 'captured');
        const pieces = [];
        const piped = await go((piece) => void pieces.push(piece));
        assert.deepEqual([piped.code, String(Buffer.concat(pieces))], [code, 'abc'], 'piped');
        const file = path.join(folder, `${what}-${engine}`);
        const fd = fs.openSync(file, 'w');
        const inherited = await go(fd);
        fs.closeSync(fd);
        assert.deepEqual(
          [inherited.code, fs.readFileSync(file, 'utf8')],
          [code, 'abc'],
          'inherited',
        );
      });
    });
  }
});
