'use strict';

// npm's install script: does nothing if a prebuilt addon loads, otherwise builds the addons from source.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { triple } = require('../platform.js');
const { build, isUpToDate, root } = require('./build.js');

const inClone = fs.existsSync(path.join(root, '.git'));

const probe = `
try {
  require(process.argv[1]).engineAddon();
} catch ({ cause }) {
  console.log(cause.message.split('\\n')[0]);
  process.exitCode = 1;
}`;

/** The reason to build, in one line, if there is one. @returns {string | undefined} */
function reasonToBuild() {
  if (inClone) return isUpToDate() ? undefined : 'the addon is missing or older than its sources';
  // In a process of its own: loading a truncated addon ends it by SIGBUS
  // (docs/decisions/truncated-addons.md).
  const loader = path.join(root, 'lib', 'addon.js');
  const { status, signal, stdout } = spawnSync(process.execPath, ['-e', probe, loader], {
    encoding: 'utf8',
  });
  if (status === 0) return undefined;
  return `no working prebuilt binary for ${triple()} (${signal ?? stdout.trim()})`;
}

// npm does not show the output of a dependency; on the terminal the user sees why the install takes minutes.
function openTerminal() {
  if (inClone || process.env.CI || process.stderr.isTTY) return undefined;
  try {
    return fs.openSync('/dev/tty', 'r+');
  } catch {
    return undefined;
  }
}

/** @param {string} reason */
function buildFromSource(reason) {
  const terminal = openTerminal();
  const notice = `wasi-rs: ${reason}; building from source with cargo (a few minutes)\n`;
  process.stderr.write(notice);
  if (terminal !== undefined) fs.writeSync(terminal, notice);
  build({ stderr: terminal });
  if (!inClone) fs.rmSync(path.join(root, 'target'), { recursive: true, force: true });
}

const reason = reasonToBuild();
if (reason) {
  try {
    buildFromSource(reason);
  } catch (error) {
    console.error(`wasi-rs: ${/** @type {Error} */ (error).message}`);
    process.exitCode = 1;
  }
}
