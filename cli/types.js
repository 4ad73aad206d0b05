'use strict';

const { handleOf } = require('../lib/program.js');
const { ofComponent, ofModule } = require('./declarations.js');
const { CliError, inNameOf } = require('./errors.js');
const { write } = require('./output.js');
const { addon, sourceOf } = require('./program.js');

/**
 * wasi-rs types
 *
 * @param {import('./parse.js').Invocation} invocation
 */
async function types({ flags, program }) {
  const isSync = flags.sync === true;
  const source = await sourceOf(program);
  try {
    const description = await handleOf(source, false, true).types();
    if (description) return write(ofComponent(program, description, isSync));
    const bytes = typeof source === 'string' ? require('node:fs').readFileSync(source) : source;
    write(ofModule(program, addon().describe(bytes).exports, isSync));
  } catch (error) {
    const { code, message } = /** @type {NodeJS.ErrnoException} */ (error);
    if (code === undefined || error instanceof CliError) throw error;
    throw new CliError(inNameOf(program, message));
  }
}

module.exports = { types };
