// Ways out of the preopens, tried through WebAssembly. Each must fail, leave what is outside as it was, and bring
// nothing of it into the guest's memory.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { ERRNO, FOLLOW, Guest, O, RIGHT } from '../support/guest.mjs';
import { startWorker, temporaryFolder } from '../support/host.mjs';

const SECRET = 'top secret, outside of the sandbox';
const BOX = 3;
const OTHER = 4;

/** Everything about a tree that nobody may change: names, types, attributes, content. */
function snapshot(folder) {
  const entries = [];
  const visit = (file, name) => {
    const { mode, nlink, ino, size, mtimeNs, ctimeNs, uid, gid } = fs.lstatSync(file, {
      bigint: true,
    });
    const entry = { name, mode, nlink, ino, size, mtimeNs, ctimeNs, uid, gid };
    entries.push(entry);
    const stat = fs.lstatSync(file);
    if (stat.isDirectory()) {
      for (const child of fs.readdirSync(file).sort())
        visit(path.join(file, child), `${name}/${child}`);
    } else if (stat.isSymbolicLink()) {
      entry.target = fs.readlinkSync(file);
    } else if (stat.isFile()) {
      entry.content = fs.readFileSync(file, 'utf8');
    }
  };
  visit(folder, '.');
  return entries;
}

/**
 * A host with `box` and `other` to preopen, `outside` to keep, and the links which a careless host has left in the box.
 */
function makeHost(t) {
  const root = temporaryFolder(t);
  const at = (...names) => path.join(root, ...names);
  for (const folder of ['box/sub/deep', 'other', 'outside/folder', 'outside/empty']) {
    fs.mkdirSync(at(folder), { recursive: true });
  }
  for (const file of ['outside/secret', 'outside/folder/secret'])
    fs.writeFileSync(at(file), SECRET);
  for (const file of ['box/file', 'box/sub/file']) fs.writeFileSync(at(file), 'inside');
  for (const [link, target] of Object.entries({
    absolute: at('outside'),
    relative: '../outside',
    chain: 'chain2',
    chain2: 'sub/chain3',
    'sub/chain3': '../relative',
    'absolute-chain': 'sub/absolute',
    'sub/absolute': at('outside'),
    roundabout: 'sub/deep/../../../outside',
    parent: '..',
    'sub/grandparent': '../..',
    root: '/',
    proc: '/proc/self/cwd',
    'proc-root': '/proc/self/root',
    'proc-relative': `${'../'.repeat(40)}proc/self/root`,
    'to-secret': '../outside/secret',
    'to-secret-absolute': at('outside/secret'),
    'to-folder': '../outside/folder',
    'to-empty': '../outside/empty',
    dangling: '../outside/made',
    'dangling-absolute': at('outside/made'),
    'dangling-chain': 'dangling',
    'to-box': at('box'),
  })) {
    fs.symlinkSync(target, at('box', link));
  }
  const guest = new Guest({ preopens: { '/box': at('box'), '/other': at('other') } });
  const before = snapshot(at('outside'));
  const siblings = fs.readdirSync(root).sort();
  /** What must hold after whatever the guest did. */
  const check = (what) => {
    assert.deepEqual(snapshot(at('outside')), before, `${what} changed what is outside`);
    assert.deepEqual(fs.readdirSync(root).sort(), siblings, `${what} left something above`);
    const seen = Buffer.from(guest.memory.buffer).includes(SECRET);
    assert.ok(!seen, `${what} brought the secret into the memory`);
  };
  return { root, at, guest, check };
}

/** The guest's system calls on paths, each as `(path) => errno`; the paths' bytes lie at 1024 and 2048. */
function calls(guest, dir = BOX) {
  const one = (text) => guest.put(1024, text);
  const two = (text) => guest.put(2048, text);
  /** Opens, and what is opened is read and listed. */
  const open = (text, options) => {
    const fd = guest.open(dir, text, { rights: RIGHT.FD_READ, ...options });
    if (fd < 0) return -fd;
    guest.call('fd_read', fd, ...guest.iovecs(16, [4096, 256]), 32);
    guest.call('fd_readdir', fd, 8192, 4096, 0, 32);
    guest.call('fd_close', fd);
    return 0;
  };
  const stat = (text, follow) => guest.call('path_filestat_get', dir, follow, ...one(text), 64);
  const times = (text, follow) =>
    guest.call('path_filestat_set_times', dir, follow, ...one(text), 1, 1, 1 | 4);
  return {
    open,
    stat,
    times,
    openings: (text) =>
      [FOLLOW, 0].flatMap((follow) =>
        [
          0,
          O.CREAT,
          O.TRUNC,
          O.CREAT | O.TRUNC,
          O.CREAT | O.EXCL,
          O.DIRECTORY,
          O.DIRECTORY | O.CREAT,
        ].flatMap((oflags) =>
          [0n, RIGHT.FD_READ, RIGHT.FD_WRITE, RIGHT.ALL].map((rights) => [
            `path_open ${follow} ${oflags} ${rights}`,
            () => open(text, { follow, oflags, rights }),
          ]),
        ),
      ),
    mkdir: (text) => guest.call('path_create_directory', dir, ...one(text)),
    rmdir: (text) => guest.call('path_remove_directory', dir, ...one(text)),
    unlink: (text) => guest.call('path_unlink_file', dir, ...one(text)),
    readlink: (text) => guest.call('path_readlink', dir, ...one(text), 4096, 1024, 32),
    symlink: (target, text) => guest.call('path_symlink', ...one(target), dir, ...two(text)),
    link: (from, to, follow = 0, toDir = dir) =>
      guest.call('path_link', dir, follow, ...one(from), toDir, ...two(to)),
    rename: (from, to, toDir = dir) =>
      guest.call('path_rename', dir, ...one(from), toDir, ...two(to)),
  };
}

/** All that a guest can try with a path that would lead to the folder outside. */
function attempts(guest, way, { dir = BOX, back = '' } = {}) {
  const on = calls(guest, dir);
  const fresh = (name) => `${back}${name}`;
  const existing = ['secret', 'folder', 'empty', 'folder/secret'];
  return [
    ...existing.flatMap((name) => [
      ...on.openings(`${way}/${name}`),
      [`stat ${name}`, () => on.stat(`${way}/${name}`, FOLLOW)],
      [`lstat ${name}`, () => on.stat(`${way}/${name}`, 0)],
      [`times of ${name}`, () => on.times(`${way}/${name}`, FOLLOW)],
      [`times of ${name}, link`, () => on.times(`${way}/${name}`, 0)],
      [`unlink ${name}`, () => on.unlink(`${way}/${name}`)],
      [`rmdir ${name}`, () => on.rmdir(`${way}/${name}`)],
      [`readlink ${name}`, () => on.readlink(`${way}/${name}`)],
      [`mkdir ${name}`, () => on.mkdir(`${way}/${name}`)],
      [`steal ${name} by link`, () => on.link(`${way}/${name}`, fresh('stolen'))],
      [
        `steal ${name} by link, following`,
        () => on.link(`${way}/${name}`, fresh('stolen'), FOLLOW),
      ],
      [`steal ${name} by rename`, () => on.rename(`${way}/${name}`, fresh('stolen'))],
      [`steal ${name} into the other`, () => on.rename(`${way}/${name}`, 'stolen', OTHER)],
      [`replace ${name} by rename`, () => on.rename(fresh('file'), `${way}/${name}`)],
      [`replace ${name} by link`, () => on.link(fresh('file'), `${way}/${name}`)],
    ]),
    ...on.openings(`${way}/made`),
    ['mkdir', () => on.mkdir(`${way}/made`)],
    ['mkdir with a slash', () => on.mkdir(`${way}/made/`)],
    ['symlink', () => on.symlink('x', `${way}/made`)],
    ['link into', () => on.link(fresh('file'), `${way}/made`)],
    ['rename into', () => on.rename(fresh('file'), `${way}/made`)],
    ['rename a folder into', () => on.rename(fresh('sub'), `${way}/made`)],
    ...['/', '/.', '/folder/..', '/folder/../'].flatMap((end) => [
      [`list ${end}`, () => on.open(`${way}${end}`, { oflags: O.DIRECTORY, rights: 0n })],
      [`list ${end}, not following`, () => on.open(`${way}${end}`, { follow: 0, rights: 0n })],
      [`stat ${end}`, () => on.stat(`${way}${end}`, FOLLOW)],
      [`lstat ${end}`, () => on.stat(`${way}${end}`, 0)],
      [`times ${end}`, () => on.times(`${way}${end}`, 0)],
      [`rmdir ${end}`, () => on.rmdir(`${way}${end}`)],
    ]),
    ['list', () => on.open(way, { oflags: O.DIRECTORY, rights: 0n })],
    ['stat', () => on.stat(way, FOLLOW)],
    ['times', () => on.times(way, FOLLOW)],
  ];
}

/** Tries everything; what came out as a success is listed. */
function refuseAll(t, host, ways, options) {
  let count = 0;
  for (const way of ways) {
    const successes = attempts(host.guest, way, options).flatMap(([what, attempt]) => {
      count += 1;
      const errno = attempt();
      return errno > 0 && errno <= ERRNO.NOTCAPABLE ? [] : [`${what} through ${way}: ${errno}`];
    });
    assert.deepEqual(successes, []);
    host.check(`something through ${way}`);
  }
  t.diagnostic(`${count} attempts, 0 escapes`);
}

describe('paths', () => {
  test('that lead outside by themselves', (t) => {
    const host = makeHost(t);
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
    const host = makeHost(t);
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
    const host = makeHost(t);
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
    const { guest, check } = makeHost(t);
    const on = calls(guest);
    for (const way of ['../box/file', 'parent/box/file', 'to-box/file', 'sub/../../box/file']) {
      assert.equal(on.open(way), ERRNO.NOTCAPABLE, way);
      assert.equal(on.stat(way, FOLLOW), ERRNO.NOTCAPABLE, way);
    }
    check('leaving and coming back');
  });

  test('with bytes of every kind', (t) => {
    const { guest, check } = makeHost(t);
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

describe('links', () => {
  test('that the host has left', (t) => {
    const host = makeHost(t);
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
    const host = makeHost(t);
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
    const { guest, at, check } = makeHost(t);
    const on = calls(guest);
    for (const target of [at('outside'), '/', '//', '/proc/self/cwd', '/box', '/box/file']) {
      assert.equal(on.symlink(target, 'made'), ERRNO.NOTCAPABLE, target);
    }
    assert.ok(!fs.existsSync(at('box/made')));
    check('an absolute link');
  });

  test('that are moved deeper or higher after they were made', (t) => {
    const host = makeHost(t);
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
    const { guest, at } = makeHost(t);
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
        const { guest, check } = makeHost(t);
        for (const [what, attempt] of call(calls(guest), slash)) assert.ok(attempt() > 0, what);
        check(name);
      });
    }
  }

  test('with a slash at their end are not what they lead to', (t) => {
    const { guest, at, check } = makeHost(t);
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

  test('removed, renamed or linked by their own names are what is changed', (t) => {
    const { guest, at, check } = makeHost(t);
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
  });

  test('in a loop end', (t) => {
    const { guest, check } = makeHost(t);
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

describe('what is no file', { skip: process.platform !== 'linux' && 'as Linux has it' }, () => {
  test("/proc's magic links, from links that the host has left", (t) => {
    const host = makeHost(t);
    const outside = host.at('outside');
    process.chdir(host.at('outside')); // where /proc/self/cwd leads
    t.after(() => process.chdir('/'));
    const fd = fs.openSync(outside, 'r');
    t.after(() => fs.closeSync(fd));
    fs.symlinkSync(`/proc/self/fd/${fd}`, host.at('box/proc-fd'));
    refuseAll(t, host, [
      'proc',
      `proc-root${outside}`,
      `proc-relative${outside}`,
      'proc-fd',
      `root/proc/self/root${outside}`,
      'root/proc/self/cwd',
      `root/proc/self/fd/${fd}`,
    ]);
  });

  test("/proc's magic links, where /proc/self is itself a preopen", (t) => {
    const { at } = makeHost(t);
    const outside = at('outside');
    const fd = fs.openSync(outside, 'r');
    t.after(() => fs.closeSync(fd));
    const guest = new Guest({ preopens: { '/proc': '/proc/self' } });
    const on = calls(guest);
    const before = snapshot(outside);
    for (const way of ['cwd', 'root', `fd/${fd}`, `root${outside}`, `task/${process.pid}/root`]) {
      for (const end of ['', '/', '/.', '/secret', `${outside}/secret`]) {
        assert.ok(on.open(`${way}${end}`) > 0, `${way}${end}`);
        assert.ok(on.open(`${way}${end}`, { oflags: O.DIRECTORY, rights: 0n }) > 0, `${way}${end}`);
        assert.ok(on.stat(`${way}${end}`, FOLLOW) > 0, `${way}${end}`);
        assert.ok(on.mkdir(`${way}${end}/made`) > 0, `${way}${end}`);
        assert.ok(on.times(`${way}${end}`, FOLLOW) > 0, `${way}${end}`);
      }
    }
    assert.ok(on.open('exe') > 0);
    assert.ok(on.link('exe', 'stolen', FOLLOW) > 0);
    assert.deepEqual(snapshot(outside), before);
    assert.ok(!Buffer.from(guest.memory.buffer).includes(SECRET));
  });

  test('pipes open, or fail to, whoever is or is not at the other end', (t) => {
    const { guest, at } = makeHost(t);
    const made = spawnSync('mkfifo', [at('box/fifo')]);
    if (made.error || made.status !== 0) return t.skip('no mkfifo');
    const reader = guest.open(BOX, 'fifo', { rights: RIGHT.FD_READ });
    assert.ok(reader > 0);
    const writer = guest.open(BOX, 'fifo', { rights: RIGHT.FD_WRITE });
    assert.ok(writer > 0);
    assert.equal(guest.call('fd_close', reader), 0);
    assert.equal(guest.call('fd_close', writer), 0);
    const nonblock = { rights: RIGHT.FD_WRITE, fdflags: 4 };
    assert.equal(guest.open(BOX, 'fifo', nonblock), -ERRNO.NXIO);
    // Without it the guest waits some seconds for a reader, but does not hold the host up for ever.
    assert.equal(guest.open(BOX, 'fifo', { rights: RIGHT.FD_WRITE }), -ERRNO.NXIO);
    const on = calls(guest);
    for (const oflags of [O.CREAT, O.TRUNC, O.CREAT | O.TRUNC]) {
      on.open('fifo', { ...nonblock, oflags });
    }
    assert.equal(on.open('fifo', { oflags: O.CREAT | O.EXCL }), ERRNO.EXIST);
    assert.equal(on.open('fifo', { oflags: O.DIRECTORY }), ERRNO.NOTDIR);
    assert.equal(on.stat('fifo', FOLLOW), 0);
    assert.equal(on.times('fifo', FOLLOW), 0);
    assert.equal(on.rename('fifo', 'renamed'), 0);
    assert.equal(on.link('renamed', 'fifo', FOLLOW), 0);
    assert.equal(on.unlink('fifo'), 0);
    return undefined;
  });

  test('devices open at once', (t) => {
    const { guest, at } = makeHost(t);
    const made = spawnSync('mknod', [at('box/null'), 'c', '1', '3']);
    if (made.error || made.status !== 0) return t.skip('mknod needs rights');
    spawnSync('mknod', [at('box/tty'), 'c', '5', '0']);
    spawnSync('mknod', [at('box/ptmx'), 'c', '5', '2']);
    const fd = guest.open(BOX, 'null');
    if (fd === -2 || fd === -63) return t.skip('mounted without devices');
    assert.ok(fd > 0, `${fd}`);
    assert.equal(guest.read(fd), '');
    assert.equal(guest.write(fd, 'gone'), 0);
    for (const name of ['tty', 'ptmx']) {
      const opened = guest.open(BOX, name);
      assert.ok(Number.isInteger(opened));
      if (opened > 0) assert.equal(guest.call('fd_close', opened), 0);
    }
    return undefined;
  });
});

describe('a race', () => {
  const ROUNDS = 50_000;

  test("between the guest and a host that puts links in a folder's and a file's place", async (t) => {
    const root = temporaryFolder(t);
    const at = (...names) => path.join(root, ...names);
    for (const folder of ['box/real', 'box/store', 'outside/empty']) {
      fs.mkdirSync(at(folder), { recursive: true });
    }
    // Inside and outside everything has the same names; sizes and contents tell them apart.
    fs.writeFileSync(at('outside/secret'), SECRET);
    fs.writeFileSync(at('box/real/secret'), 'decoy');
    fs.writeFileSync(at('box/decoy'), 'decoy');
    const guest = new Guest({ preopens: { '/box': at('box') } });
    const before = snapshot(at('outside'));

    // `dir` is a folder, nothing, or a link; `via` and `leaf` are links that lead inside or outside.
    const state = new Int32Array(new SharedArrayBuffer(8));
    const [SWAPS, STOP] = [0, 1];
    const worker = startWorker(
      `const fs = await import('node:fs');
       const { box, outside, state } = workerData;
       const at = (name) => box + '/' + name;
       const link = (target, name) => {
         fs.symlinkSync(target, at('new'));
         fs.renameSync(at('new'), at(name));
       };
       link('../outside', 'way');
       for (let swap = 0; Atomics.load(state, 1) === 0; swap++) {
         const out = swap % 2 ? '../outside' : outside;
         fs.renameSync(at('real'), at('dir'));
         fs.renameSync(at('dir'), at('real'));
         link(out, 'via');
         link('real', 'via');
         fs.renameSync(at('way'), at('dir'));
         fs.renameSync(at('dir'), at('way'));
         link(out + '/secret', 'leaf');
         link('decoy', 'leaf');
         Atomics.add(state, 0, 1);
         Atomics.notify(state, 0);
       }`,
      { box: at('box'), outside: at('outside'), state },
    );
    t.after(() => worker.terminate());
    const exit = new Promise((resolve, reject) => worker.on('exit', resolve).on('error', reject));
    Atomics.wait(state, SWAPS, 0, 30_000);

    const on = calls(guest);
    const escapes = [];
    /** Opens, and uses what was opened. */
    const opened = (name, options, use) => {
      const fd = guest.open(BOX, name, options);
      if (fd < 0) return -fd;
      use(fd);
      return guest.call('fd_close', fd);
    };
    const read = (name) =>
      opened(name, { rights: RIGHT.FD_READ }, (fd) => {
        const text = guest.read(fd, 64);
        if (!['decoy', ''].includes(text)) escapes.push(`${name}: ${text}`);
      });
    const create = (name) => opened(name, { oflags: O.CREAT }, () => {});
    const cut = (name) =>
      opened(name, { oflags: O.TRUNC, rights: RIGHT.FD_WRITE }, (fd) => guest.write(fd, 'decoy'));
    const others = {
      cut: (dir) => cut(`${dir}/secret`),
      'cut leaf': () => cut('leaf'),
      list: (dir) =>
        opened(dir, { oflags: O.DIRECTORY, rights: 0n }, (fd) => {
          guest.call('fd_readdir', fd, 8192, 4096, 0, 32);
          if (guest.bytes(8192, guest.u32(32)).includes('empty')) escapes.push(`listed ${dir}`);
        }),
      stat: (dir) => {
        const errno = on.stat(`${dir}/secret`, FOLLOW);
        if (errno === 0 && guest.u64(64 + 32) === BigInt(SECRET.length)) escapes.push('stat');
        return errno;
      },
      'stat leaf': () => {
        const errno = on.stat('leaf', FOLLOW);
        if (errno === 0 && guest.u64(64 + 32) === BigInt(SECRET.length)) escapes.push('stat leaf');
        return errno;
      },
      times: (dir) => on.times(`${dir}/secret`, 0),
      'times, following': (dir) => on.times(dir, FOLLOW),
      'times of leaf': () => on.times('leaf', FOLLOW),
      mkdir: (dir) => on.mkdir(`${dir}/sub`),
      rmdir: (dir) => on.rmdir(`${dir}/empty`),
      unlink: (dir) => on.unlink(`${dir}/made`),
      rename: (dir) => on.rename(`${dir}/secret`, `${dir}/secret2`),
      'rename back': (dir) => on.rename(`${dir}/secret2`, `${dir}/secret`),
      symlink: (dir) => on.symlink('x', `${dir}/made`),
      link: (dir) => {
        const errno = on.link(`${dir}/secret`, 'store/stolen');
        if (errno === 0) on.unlink('store/stolen');
        return errno;
      },
      'link leaf': () => {
        const errno = on.link('leaf', 'store/stolen', FOLLOW);
        if (errno === 0) {
          read('store/stolen');
          on.unlink('store/stolen');
        }
        return errno;
      },
    };
    const tries = Object.entries(others);

    let attempts = 0;
    const outcomes = {};
    const attempt = (name, run, dir) => {
      attempts += 1;
      const errno = run(dir);
      outcomes[name] ??= {};
      outcomes[name][errno] = (outcomes[name][errno] ?? 0) + 1;
    };
    for (let round = 0; round < ROUNDS; round++) {
      const dir = round % 2 ? 'dir' : 'via';
      attempt('read', read, `${dir}/secret`);
      attempt('create', create, `${dir}/made`);
      attempt('read leaf', read, 'leaf');
      attempt(...tries[(round >> 1) % tries.length], dir);
    }
    const swaps = Atomics.load(state, SWAPS);
    Atomics.store(state, STOP, 1);
    assert.equal(await exit, 0);
    t.diagnostic(`${attempts} attempts during ${swaps} swaps, ${escapes.length} escapes`);
    for (const [name, errnos] of Object.entries(outcomes)) {
      t.diagnostic(`${name}: ${JSON.stringify(errnos).replaceAll('"', '')}`);
    }
    assert.deepEqual(escapes, []);
    assert.deepEqual(snapshot(at('outside')), before);
    assert.ok(!Buffer.from(guest.memory.buffer).includes(SECRET));
  });
});
