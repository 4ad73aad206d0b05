'use strict';

const { makeCache } = require('./wasmtime.js');

/** The folders of which it was told that nothing is kept in them. @type {Set<string>} */
const told = new Set();

/**
 * Whether nothing can be kept in a folder: others may look into it, or write to it unnoticed, or it can't be made. That is
 * no error. Who chose the folder, and can mend it, is told.
 *
 * @param {string} folder
 */
function isOpen(folder) {
  const found = makeCache(folder);
  if (typeof found === 'string' && isChosen(folder) && !told.has(folder)) {
    told.add(folder);
    const message = `no machine code is kept in ${folder}: ${found}`;
    process.emitWarning(message, { type: 'Warning', code: 'WASI_RS_CACHE' });
  }
  return found !== true;
}

/** @param {string} folder */
function isChosen(folder) {
  const { cacheFolder } = require('./program.js');
  return process.env.WASI_RS_CACHE !== undefined || folder !== cacheFolder(undefined);
}

module.exports = { isOpen };
