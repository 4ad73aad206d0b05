'use strict';

const { cacheFolder, handleOf } = require('../lib/program.js');
const { makeCache } = require('../lib/requests.js');
const { CliError, inNameOf } = require('./errors.js');
const { write } = require('./output.js');
const { sourceOf } = require('./program.js');

/**
 * wasi-rs compile
 *
 * @param {import('./parse.js').Invocation} invocation
 */
async function compile({ program }) {
  const folder = cacheFolder(true);
  if (folder === undefined) {
    throw new CliError('there is no cache to keep machine code in: set WASI_RS_CACHE to a folder');
  }
  const reason = makeCache(folder);
  if (reason !== undefined) throw notKept(folder, reason);
  if (!(await isKept(program))) throw notKept(folder, 'it could not be written there, or not read');
  return write(`Kept in ${folder}: the machine code of ${program}\n`);
}

/** Compiles a program; true if the cache has its machine code then. @param {string} program */
async function isKept(program) {
  try {
    const source = await sourceOf(program);
    // A program, or something to be loaded.
    await handleOf(source, true, true).compile();
    return await handleOf(source, true, true).isKept();
  } catch (error) {
    const { code, message } = /** @type {NodeJS.ErrnoException} */ (error);
    if (code === undefined || error instanceof CliError) throw error;
    throw new CliError(inNameOf(program, message));
  }
}

/** @param {string} folder @param {string} reason */
const notKept = (folder, reason) =>
  new CliError(`no machine code can be kept in ${folder}: ${reason}`);

module.exports = { compile };
