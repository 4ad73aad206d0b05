// Odd modules in the class: those that it runs do the same, and of the others it tells in Node's and V8's words.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { WASI } from '../../index.js';
import { ROWS, moduleOf } from '../support/odd-modules.mjs';

describe('in the class', () => {
  const inClass = (row, version = 'preview1') => {
    const wasi = new WASI({ version, stdout: 'pipe' });
    const instance = new WebAssembly.Instance(
      new WebAssembly.Module(moduleOf(row)),
      wasi.getImportObject(),
    );
    return { code: wasi.start(instance), stdout: String(wasi.stdout) };
  };

  test('programs do the same', () => {
    for (const name of [
      'no exit',
      ...Object.keys(ROWS).filter((name) => name.startsWith('exit code')),
    ]) {
      assert.deepEqual(inClass(ROWS[name]), ROWS[name].outcome, name);
    }
    assert.deepEqual(inClass(ROWS.wasi_unstable, 'unstable'), ROWS.wasi_unstable.outcome);
    assert.deepEqual(inClass(ROWS['a shared memory']), ROWS['a shared memory'].outcome);
    const caught = 'an exit that the program catches';
    assert.deepEqual(inClass(ROWS[caught]), ROWS[caught].outcome);
  });

  test('what is wrong is said in the words of Node and V8', () => {
    for (const [name, error] of [
      ['a start function that calls WASI', { code: 'ERR_WASI_NOT_STARTED' }],
      [
        '_start and _initialize',
        { code: 'ERR_INVALID_ARG_TYPE', message: /_initialize" property must be undefined/ },
      ],
      ['no _start', { code: 'ERR_INVALID_ARG_TYPE' }],
      [
        'a memory that is not exported',
        { code: 'ERR_INVALID_ARG_TYPE', message: /exports\.memory/ },
      ],
      [
        'no memory, and no call that needs one',
        { code: 'ERR_INVALID_ARG_TYPE', message: /exports\.memory/ },
      ],
      ['unreachable', WebAssembly.RuntimeError],
      ['a syscall with other parameters', WebAssembly.LinkError],
      ['both editions', TypeError],
    ]) {
      assert.throws(() => inClass(ROWS[name]), error, name);
    }
  });
});
