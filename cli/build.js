'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const builder = require('../scripts/build.js');
const { CliError } = require('./errors.js');
const { write } = require('./output.js');

const FAILED = 1;

/** Loads the addons; an addon that is damaged may kill the process that loads it. */
const PROBE = `
const addons = require(process.argv[1]);
addons.classAddon();
if (process.argv[2]) addons.engineAddon();`;

/**
 * wasi-rs build
 *
 * @param {import('./parse.js').Invocation} invocation
 */
function build({ flags }) {
  const { root } = builder;
  if (path.dirname(root).split(path.sep).includes('_npx')) {
    throw new CliError(
      'npx has fetched this package for one command. Install it first, npm install wasi-rs, and run npx wasi-rs build again there',
    );
  }
  const classOnly = Boolean(flags['class-only']);
  try {
    builder.build({ classOnly });
    load(path.join(root, 'lib', 'addon.js'), !classOnly);
  } catch (error) {
    throw new CliError(/** @type {Error} */ (error).message, FAILED);
  } finally {
    // Gigabytes that nobody would look for among installed packages.
    const isInstalled = root.split(path.sep).includes('node_modules');
    if (isInstalled) fs.rmSync(path.join(root, 'target'), { recursive: true, force: true });
  }
  return write(`The addons in ${root} are loaded from now on.\n`);
}

/** Tries them in a process of its own. @param {string} loader @param {boolean} engines */
function load(loader, engines) {
  const args = ['-e', PROBE, loader, ...(engines ? ['engines'] : [])];
  const { status, signal, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the addons do not load: ${signal ?? stderr}`);
}

module.exports = { build };
