// Ways out of the preopens, tried through WebAssembly. Each must fail, leave what is outside as it was, and bring
// nothing of it into the guest's memory.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { memory } from '../../index.js';
import { ERRNO, FOLLOW, Guest, O, RIGHT } from './guest.mjs';
import { temporaryFolder } from './host.mjs';

export const SECRET = 'top secret, outside of the sandbox';
export const BOX = 3;
export const OTHER = 4;

/** Everything about a tree that nobody may change: names, types, attributes, content. */
export function snapshot(folder) {
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

/** The kinds of directories that are preopens, made of one of the host. */
export const KINDS = {
  'directories of the host': (folder) => folder,
  'directories in memory': (folder) => memory.from(folder),
};

/**
 * A host with `box` and `other` to preopen, `outside` to keep, and the links which a careless host has left in the box.
 */
export function makeHost(t, preopen = KINDS['directories of the host']) {
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
  const guest = new Guest({
    preopens: { '/box': preopen(at('box')), '/other': preopen(at('other')) },
  });
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
export function calls(guest, dir = BOX) {
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
export function attempts(guest, way, { dir = BOX, back = '' } = {}) {
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
export function refuseAll(t, host, ways, options) {
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
