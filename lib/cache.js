'use strict';

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

module.exports = { cacheFolder };
