// options.version: mandatory, and what each value stands for.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { WASI } from '../../index.js';
import { invalidType } from '../support/class.mjs';
import { Guest } from '../support/guest.mjs';
import { root } from '../support/host.mjs';

describe('version', () => {
  test('is mandatory', () => {
    for (const options of [undefined, {}, { version: undefined }]) {
      assert.throws(
        () => new WASI(options),
        invalidType('The "options.version" property must be of type string. Received undefined'),
      );
    }
  });

  test('any other is refused', () => {
    assert.throws(() => new WASI({ version: 'preview2' }), {
      name: 'TypeError',
      code: 'ERR_INVALID_ARG_VALUE',
      message: "The property 'options.version' unsupported WASI version. Received 'preview2'",
    });
  });

  for (const [version, name] of [
    ['preview1', 'wasi_snapshot_preview1'],
    ['unstable', 'wasi_unstable'],
  ]) {
    test(`${version}: getImportObject() is { ${name}: wasiImport }`, () => {
      const wasi = new WASI({ version });
      const imports = wasi.getImportObject();
      assert.deepEqual(Reflect.ownKeys(imports), [name]);
      assert.equal(imports[name], wasi.wasiImport);
      assert.notEqual(wasi.getImportObject(), imports);
      assert.equal(new Guest({ version }).call('sched_yield'), 0);
    });
  }

  test('unstable has the layouts of snapshot 0', () => {
    const guest = new Guest({ version: 'unstable', preopens: { '/': root } });
    const dir = 3;
    const fd = guest.open(dir, 'package.json');
    const { size } = fs.statSync(path.join(root, 'package.json'));
    // whence: CUR is 0, END 1, SET 2
    assert.equal(guest.call('fd_seek', fd, 0, 1, 0), 0);
    assert.equal(guest.u64(0), BigInt(size));
    assert.equal(guest.call('fd_seek', fd, 5, 2, 0), 0);
    assert.equal(guest.call('fd_seek', fd, 0, 0, 0), 0);
    assert.equal(guest.u64(0), 5n);
    // filestat: 56 bytes, the size at 24
    guest.bytes(0, 64).fill(0xee);
    assert.equal(guest.call('fd_filestat_get', fd, 0), 0);
    assert.equal(guest.u64(24), BigInt(size));
    assert.equal(guest.u64(56), 0xeeeeeeeeeeeeeeeen);
  });
});
