// No path leads out of a preopen.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { KINDS, BOX, OTHER, calls, makeHost, refuseAll } from '../support/escape.mjs';
import { ERRNO, FOLLOW, O } from '../support/guest.mjs';

for (const [kind, preopen] of Object.entries(KINDS))
  describe(`paths in ${kind}`, () => {
    test('that lead outside by themselves', (t) => {
      const host = makeHost(t, preopen);
      refuseAll(t, host, [
        '../outside',
        './../outside',
        'sub/../../outside',
        'sub/deep/../../../outside',
        'sub/./../.././outside',
        '..//outside',
        './/..//.//outside',
        'sub//..//..//outside',
        '../box/../outside',
        'missing/../../outside',
        'file/../../outside',
        `${'../'.repeat(50)}${host.at('outside').slice(1)}`,
      ]);
    });

    test('that are absolute', (t) => {
      const host = makeHost(t, preopen);
      refuseAll(t, host, [
        host.at('outside'),
        `/${host.at('outside')}`,
        `//${host.at('outside')}`,
        '/outside',
        '/box/../outside',
        '/box/sub/../../outside',
        '/box//../outside',
        '/other/../outside',
        '/boxes/../outside',
        '/../outside',
        `/box${host.at('outside')}`,
        `/box/${host.at('outside')}`,
      ]);
    });

    test('from a directory that the guest opened deeper inside', (t) => {
      const host = makeHost(t, preopen);
      const dir = host.guest.open(BOX, 'sub', { oflags: O.DIRECTORY, rights: 0n });
      assert.ok(dir > OTHER);
      refuseAll(
        t,
        host,
        [
          '../../outside',
          '..',
          '../.',
          'deep/../../../outside',
          '../sub/../../outside',
          'grandparent',
        ],
        { dir },
      );
      // Neither does it lead elsewhere inside.
      assert.equal(calls(host.guest, dir).open('../file'), ERRNO.NOTCAPABLE);
    });

    test('that leave and come back', (t) => {
      const { guest, check } = makeHost(t, preopen);
      const on = calls(guest);
      for (const way of ['../box/file', 'parent/box/file', 'to-box/file', 'sub/../../box/file']) {
        assert.equal(on.open(way), ERRNO.NOTCAPABLE, way);
        assert.equal(on.stat(way, FOLLOW), ERRNO.NOTCAPABLE, way);
      }
      check('leaving and coming back');
    });

    test('with bytes of every kind', (t) => {
      const { guest, check } = makeHost(t, preopen);
      const on = calls(guest);
      for (const way of [
        '..\0/outside/secret',
        'file\0/../../outside/secret',
        '..\\outside\\secret',
        '..%2foutside%2fsecret',
        '\ufeff../outside/secret',
        '..\u2215outside\u2215secret',
        Buffer.from([0xff, 0xfe, 0x2f, 0x2e, 0x2e]),
        Buffer.from([0x2e, 0x2e, 0xc0, 0xaf, 0x6f]),
        '',
        '/',
        '//',
        'x'.repeat(5000),
        `${'sub/../'.repeat(1000)}file`,
        'a/'.repeat(4000),
      ]) {
        for (const [what, attempt] of on.openings(way)) {
          // Those that are but odd names inside may be made there.
          const errno = attempt();
          assert.ok(errno >= 0 && errno <= ERRNO.NOTCAPABLE, what);
        }
        for (const call of ['mkdir', 'rmdir', 'unlink', 'readlink']) on[call](way);
        on.rename('file', way);
        on.rename(way, 'file');
        check(JSON.stringify(String(way)).slice(0, 60));
      }
    });
  });
