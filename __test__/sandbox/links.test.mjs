// No symbolic link leads out of a preopen: none that the host has left, and none that the guest makes or moves.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, test } from 'node:test';
import { KINDS, BOX, SECRET, calls, makeHost, refuseAll, snapshot } from '../support/escape.mjs';
import { ERRNO, FOLLOW, O } from '../support/guest.mjs';

for (const [kind, preopen] of Object.entries(KINDS)) {
  const looksAtHost = kind === 'directories in memory' && 'looks at the host afterwards';
  describe(`links in ${kind}`, () => {
    test('that the host has left', (t) => {
      const host = makeHost(t, preopen);
      refuseAll(t, host, [
        'absolute',
        'relative',
        'chain',
        'chain2',
        'sub/chain3',
        'absolute-chain',
        'roundabout',
        'parent/outside',
        'sub/grandparent/outside',
        `root${host.at('outside')}`,
        'sub/../relative',
        './chain',
        'parent/box/../outside',
        'to-box/../outside',
      ]);
    });

    test('that the guest makes', (t) => {
      const host = makeHost(t, preopen);
      const on = calls(host.guest);
      const { symlink } = on;
      assert.equal(symlink('.', 's'), 0);
      assert.equal(symlink('s/..', 'up'), 0);
      assert.equal(symlink('sub/..', 'here'), 0);
      assert.equal(symlink('here/..', 'above'), 0);
      assert.equal(symlink('..', 'dotdot'), 0);
      assert.equal(symlink('../outside', 'direct'), 0);
      assert.equal(symlink('sub/deep', 'd'), 0);
      assert.equal(symlink('d/../../../outside', 'by-folder'), 0);
      assert.equal(symlink('deep/../..', 'sub/twice'), 0);
      assert.equal(symlink('up', 'upper'), 0);
      assert.equal(symlink('s/s/s/s/s/../outside', 'many'), 0);
      refuseAll(t, host, [
        'up/outside',
        's/../outside',
        's/up/outside',
        's/s/s/up/outside',
        'above/outside',
        'here/../outside',
        'dotdot/outside',
        'direct',
        'by-folder',
        'sub/twice/../outside',
        'd/../../../outside',
        'upper/outside',
        'many',
      ]);
    });

    test('to absolute paths can not be made', (t) => {
      const { guest, at, check } = makeHost(t, preopen);
      const on = calls(guest);
      for (const target of [at('outside'), '/', '//', '/proc/self/cwd', '/box', '/box/file']) {
        assert.equal(on.symlink(target, 'made'), ERRNO.NOTCAPABLE, target);
      }
      assert.ok(!fs.existsSync(at('box/made')));
      check('an absolute link');
    });

    test('that are moved deeper or higher after they were made', (t) => {
      const host = makeHost(t, preopen);
      const on = calls(host.guest);
      // Inside where it is made, outside where it is moved to.
      assert.equal(on.symlink('../file', 'sub/up'), 0);
      assert.equal(on.symlink('../../outside', 'sub/deep/out'), 0);
      assert.equal(on.rename('sub/up', 'up'), 0);
      assert.equal(on.rename('sub/deep/out', 'sub/out'), 0);
      assert.equal(on.symlink('../..', 'sub/deep/top'), 0);
      assert.equal(on.rename('sub/deep', 'deep'), 0);
      assert.equal(on.open('up'), ERRNO.NOTCAPABLE);
      refuseAll(t, host, ['sub/out', 'deep/top/outside', 'deep/top']);
    });

    test('reached by a directory that the host moves away while the guest holds it', (t) => {
      const { guest, at } = makeHost(t, preopen);
      const dir = guest.open(BOX, 'sub/deep', { oflags: O.DIRECTORY, rights: 0n });
      fs.mkdirSync(at('outside/a/b'), { recursive: true });
      fs.renameSync(at('box/sub/deep'), at('outside/a/b/deep'));
      fs.writeFileSync(at('outside/a/b/secret'), SECRET);
      const before = snapshot(at('outside'));
      const on = calls(guest, dir);
      for (const way of ['..', '../secret', '../../secret', '../deep/../secret', './../secret']) {
        for (const [what, attempt] of on.openings(way)) {
          assert.ok(attempt() > 0, `${what} ${way}`);
        }
        assert.equal(on.stat(way, FOLLOW), ERRNO.NOTCAPABLE);
        assert.ok(on.unlink(way) > 0 && on.mkdir(`${way}/made`) > 0);
      }
      assert.deepEqual(snapshot(at('outside')), before);
      assert.ok(!Buffer.from(guest.memory.buffer).includes(SECRET));
    });

    /** The calls that make or change something, on a link by its name. */
    for (const [name, call] of Object.entries({
      'O_CREAT through a dangling link': (on, slash) => on.openings(`dangling${slash}`),
      'O_CREAT through an absolute dangling link': (on, slash) =>
        on.openings(`dangling-absolute${slash}`),
      'O_CREAT through a chain of links': (on, slash) => on.openings(`dangling-chain${slash}`),
      'O_TRUNC through a link': (on, slash) => on.openings(`to-secret${slash}`),
      'O_TRUNC through an absolute link': (on, slash) => on.openings(`to-secret-absolute${slash}`),
      'opening a folder through a link': (on, slash) => on.openings(`to-folder${slash}`),
    })) {
      for (const slash of ['', '/', '//', '/.', '/./']) {
        test(`${name}, with '${slash}' at its end`, (t) => {
          const { guest, check } = makeHost(t, preopen);
          for (const [what, attempt] of call(calls(guest), slash)) assert.ok(attempt() > 0, what);
          check(name);
        });
      }
    }

    test('with a slash at their end are not what they lead to', (t) => {
      const { guest, at, check } = makeHost(t, preopen);
      const on = calls(guest);
      const links = fs.readdirSync(at('box')).filter((name) => {
        return fs.lstatSync(at('box', name)).isSymbolicLink();
      });
      assert.ok(links.length > 15);
      for (const link of links) {
        for (const slash of ['/', '//', '/.', '/./']) {
          const where = `${link}${slash}`;
          for (const [what, errno] of Object.entries({
            unlink: on.unlink(where),
            rmdir: on.rmdir(where),
            mkdir: on.mkdir(where),
            symlink: on.symlink('x', where),
            readlink: on.readlink(where),
            'rename from': on.rename(where, 'stolen'),
            'rename a file to': on.rename('file', where),
            'rename a folder to': on.rename('sub', where),
            'link from': on.link(where, 'stolen'),
            'link from, following': on.link(where, 'stolen', FOLLOW),
            'link to': on.link('file', where),
            stat: on.stat(where, FOLLOW),
            lstat: on.stat(where, 0),
            times: on.times(where, FOLLOW),
            'times of the link': on.times(where, 0),
          })) {
            assert.ok(errno > 0, `${what} ${where}`);
          }
        }
        check(link);
      }
      // Nothing inside has changed either.
      assert.equal(fs.readFileSync(at('box/file'), 'utf8'), 'inside');
      for (const link of links) assert.ok(fs.lstatSync(at('box', link)).isSymbolicLink(), link);
      assert.ok(fs.statSync(at('box/sub')).isDirectory());
    });

    test(
      'removed, renamed or linked by their own names are what is changed',
      { skip: looksAtHost },
      (t) => {
        const { guest, at, check } = makeHost(t, preopen);
        const on = calls(guest);
        assert.equal(on.rename('to-secret', 'renamed'), 0);
        assert.ok(fs.lstatSync(at('box/renamed')).isSymbolicLink());
        assert.equal(on.unlink('renamed'), 0);
        assert.equal(on.unlink('to-folder'), 0);
        assert.ok(on.rmdir('to-empty') > 0);
        assert.equal(on.link('dangling', 'hard'), 0);
        assert.ok(fs.lstatSync(at('box/hard')).isSymbolicLink());
        assert.ok(on.link('absolute', 'stolen', FOLLOW) > 0);
        assert.ok(on.link('relative', 'stolen', FOLLOW) > 0);
        assert.equal(on.times('relative', 0), 0);
        assert.equal(on.rename('file', 'relative'), 0); // replaces the link
        assert.equal(fs.readFileSync(at('box/relative'), 'utf8'), 'inside');
        check('work on the links themselves');
      },
    );

    test('in a loop end', (t) => {
      const { guest, check } = makeHost(t, preopen);
      const on = calls(guest);
      assert.equal(on.symlink('b', 'a'), 0);
      assert.equal(on.symlink('a', 'b'), 0);
      assert.equal(on.symlink('self/x', 'self'), 0);
      for (const way of ['a', 'b', 'self', 'a/x', 'self/../../outside/secret', 'a/../../outside']) {
        assert.equal(on.open(way), ERRNO.LOOP, way);
        assert.ok(on.link(way, 'stolen', FOLLOW) > 0);
      }
      check('a loop');
    });
  });
}
