// Several preopens of one guest are no way out of any of them.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, test } from 'node:test';
import { BOX, OTHER, calls, makeHost } from '../support/escape.mjs';
import { ERRNO, FOLLOW, Guest, O } from '../support/guest.mjs';

describe('several preopens', () => {
  test('rename and link go from one into the other, and nowhere else', (t) => {
    const host = makeHost(t);
    const { guest, at, check } = host;
    const on = calls(guest);
    fs.symlinkSync('../outside', at('other/relative'));
    fs.symlinkSync(at('outside'), at('other/absolute'));
    for (const way of [
      '../outside/made',
      'relative/made',
      'absolute/made',
      'relative/secret',
      'absolute/empty',
      '../box/made',
      host.at('outside/made'),
      '/box/made',
    ]) {
      for (const from of ['file', 'sub', 'to-secret']) {
        assert.ok(on.rename(from, way, OTHER) > 0, `rename ${from} to ${way}`);
        assert.ok(on.link(from, way, 0, OTHER) > 0, `link ${from} to ${way}`);
        assert.ok(on.link(from, way, FOLLOW, OTHER) > 0, `link ${from} to ${way}, following`);
      }
    }
    check('rename across preopens');
    assert.equal(on.rename('file', 'moved', OTHER), 0);
    assert.equal(fs.readFileSync(at('other/moved'), 'utf8'), 'inside');
  });

  test('a folder that moves from one into the other does not open a way', (t) => {
    const host = makeHost(t);
    const { guest, check } = host;
    const held = guest.open(BOX, 'sub/deep', { oflags: O.DIRECTORY, rights: 0n });
    assert.equal(calls(guest).rename('sub', 'sub', OTHER), 0);
    const on = calls(guest, held);
    for (const way of ['..', '../..', '../../..', '../../../outside/secret']) {
      assert.equal(on.open(way), ERRNO.NOTCAPABLE, way);
      assert.equal(on.stat(way, FOLLOW), ERRNO.NOTCAPABLE, way);
    }
    check('a folder that moved');
  });

  test('one inside the other: the inner one does not lead into the outer', (t) => {
    const { at } = makeHost(t);
    const guest = new Guest({
      preopens: {
        '/box': at('box'),
        '/box/sub': at('box/sub'),
        '/box/sub/deep': at('box/sub/deep'),
      },
    });
    const [sub, deep] = [4, 5];
    for (const [dir, ways] of [
      [sub, ['../file', '../sub/file', 'deep/../../file', '..', '/box/file', '/box/sub/../file']],
      [
        deep,
        ['../file', '../../file', '..', '/box/file', '/box/sub/file', '/box/sub/deep/../file'],
      ],
    ]) {
      const on = calls(guest, dir);
      for (const way of ways) {
        assert.equal(on.open(way), ERRNO.NOTCAPABLE, way);
        assert.equal(on.stat(way, FOLLOW), ERRNO.NOTCAPABLE, way);
        assert.ok(on.unlink(way) > 0, way);
      }
    }
    assert.equal(calls(guest, sub).open('/box/sub/file'), 0);
    assert.equal(calls(guest, BOX).open('sub/file'), 0);
  });

  test('a preopen can not be removed or replaced by its own name', (t) => {
    const { guest, at } = makeHost(t);
    const on = calls(guest);
    for (const way of ['.', './', '/box', '/box/', 'sub/..', 's/.']) {
      assert.ok(on.rmdir(way) > 0, way);
      assert.ok(on.unlink(way) > 0, way);
      assert.ok(on.rename(way, 'x', OTHER) > 0, way);
      assert.ok(on.rename('sub', way) > 0, way);
    }
    assert.ok(fs.existsSync(at('box/sub/deep')));
  });
});
