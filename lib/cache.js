'use strict';

const { makeCache } = require('./requests.js');

/** The folders of which it was told that nothing is kept in them. @type {Set<string>} */
const told = new Set();

/**
 * Whether nothing can be kept in a folder: others may look into it, or write to it unnoticed, or it can't be made. That is
 * no error. Who chose the folder is told.
 *
 * @param {string} folder
 */
function isUnfit(folder) {
  const reason = makeCache(folder);
  if (reason !== undefined && require('./program.js').isChosen(folder) && !told.has(folder)) {
    told.add(folder);
    const message = `no machine code is kept in ${folder}: ${reason}`;
    process.emitWarning(message, { type: 'Warning', code: 'WASI_RS_CACHE' });
  }
  return reason !== undefined;
}

module.exports = { isUnfit };
