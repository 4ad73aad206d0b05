'use strict';

const { compile: compileProgram } = require('../lib/run.js');
const { cacheFolder } = require('../lib/program.js');
const { makeCache } = require('../lib/requests.js');
const { CliError, inNameOf } = require('./errors.js');
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
  if (reason !== undefined) {
    throw new CliError(`no machine code can be kept in ${folder}: ${reason}`);
  }
  try {
    await compileProgram(await sourceOf(program), { cache: true });
  } catch (error) {
    const { code, message } = /** @type {NodeJS.ErrnoException} */ (error);
    if (code === undefined || error instanceof CliError) throw error;
    throw new CliError(inNameOf(program, message));
  }
}

module.exports = { compile };
