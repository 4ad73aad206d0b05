// wasi[Symbol.dispose](): what the guest has open is closed at once.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { ERRNO, FOLLOW, Guest, O, RIGHT } from '../support/guest.mjs';
import { temporaryFolder } from '../support/host.mjs';

const linux = process.platform === 'linux';

/** How many descriptors of this process lead into the folder. */
function openIn(folder) {
  const links = fs.readdirSync('/proc/self/fd').map((fd) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return ''; // the descriptor of this listing
    }
  });
  return links.filter((link) => link.startsWith(folder)).length;
}

test('closes preopens and files, also twice', { skip: !linux }, (t) => {
  const folder = fs.realpathSync(temporaryFolder(t));
  const guest = new Guest({ preopens: { '/': folder } });
  guest.bytes(0, 4).write('file');
  const opened = guest.call('path_open', 3, FOLLOW, 0, 4, O.CREAT, RIGHT.ALL, RIGHT.ALL, 0, 64);
  assert.equal(opened, ERRNO.SUCCESS);
  assert.equal(openIn(folder), 2);
  guest.wasi[Symbol.dispose]();
  assert.equal(openIn(folder), 0);
  assert.equal(guest.call('fd_close', 3), ERRNO.BADF);
  assert.equal(guest.call('random_get', 128, 8), ERRNO.SUCCESS);
  guest.wasi[Symbol.dispose]();
});

test("leaves the host's own streams open", { skip: !linux }, (t) => {
  const folder = fs.realpathSync(temporaryFolder(t));
  const fd = fs.openSync(`${folder}/out`, 'w');
  t.after(() => fs.closeSync(fd));
  new Guest({ stdout: fd }).wasi[Symbol.dispose]();
  assert.equal(fs.writeSync(fd, 'still open'), 10);
});

test('is a method of the prototype, and fails on other objects', () => {
  const guest = new Guest();
  const { value, enumerable } = Object.getOwnPropertyDescriptor(
    guest.wasi.constructor.prototype,
    Symbol.dispose,
  );
  assert.equal(typeof value, 'function');
  assert.equal(enumerable, false);
  assert.throws(() => value.call({}), TypeError);
});
