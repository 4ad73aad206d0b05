'use strict';

const fs = require('node:fs');
const path = require('node:path');

/**
 * The folder in which machine code is kept: as the option says, or `WASI_RS_CACHE`, or where the system keeps such things.
 * Nothing where the option, or an empty variable, turns it off.
 *
 * @param {boolean | string | undefined} option
 * @returns {string | undefined}
 */
function cacheFolder(option) {
  if (option === false) return undefined;
  if (typeof option === 'string') return path.resolve(option);
  const { WASI_RS_CACHE } = process.env;
  if (WASI_RS_CACHE !== undefined) return WASI_RS_CACHE ? path.resolve(WASI_RS_CACHE) : undefined;
  const base = baseFolder();
  return base && path.join(base, 'wasi-rs');
}

/** @returns {string | undefined} */
function baseFolder() {
  const { LOCALAPPDATA, XDG_CACHE_HOME } = process.env;
  if (process.platform === 'win32') return LOCALAPPDATA;
  // As the XDG specification has it: a relative path counts for nothing.
  if (XDG_CACHE_HOME && path.isAbsolute(XDG_CACHE_HOME)) return XDG_CACHE_HOME;
  const home = homeFolder();
  if (!home) return undefined;
  return process.platform === 'darwin'
    ? path.join(home, 'Library/Caches')
    : path.join(home, '.cache');
}

function homeFolder() {
  try {
    return require('node:os').homedir();
  } catch {
    return undefined; // a user without a home, as in some containers
  }
}

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

module.exports = { cacheFolder, isOpen };
