'use strict';

const fs = require('node:fs');

/** The folders of which it was told that they are open. @type {Set<string>} */
const open = new Set();

/**
 * Whether others may look into a folder, or it is theirs: then nothing is kept there, for machine code is trusted. Who chose
 * it is told.
 *
 * @param {string} folder
 */
function isOpen(folder) {
  const found = fs.statSync(folder, { throwIfNoEntry: false });
  if (
    !found ||
    !process.getuid ||
    ((found.mode & 0o077) === 0 && found.uid === process.geteuid?.())
  )
    return false;
  if (!open.has(folder)) {
    const message = `no machine code is kept in ${folder}: it is not only yours. chmod 700 it, or name another`;
    process.emitWarning(message, { type: 'Warning', code: 'WASI_RS_CACHE' });
  }
  open.add(folder);
  return true;
}

module.exports = { isOpen };
