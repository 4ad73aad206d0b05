'use strict';

// node __test__/packages/install.js: everything the tests in this folder need beyond what the other tests do. Installs
// the packages, unless they are there, and wasi-rs and its addons among them as they are published.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { make } = require('../../scripts/pack.js');

const shell = process.platform === 'win32'; // npm.cmd

/** @param {string} cwd @param {string[]} args @returns {string} stdout */
function npm(cwd, ...args) {
  const { error, status, stdout } = spawnSync('npm', args, {
    cwd,
    shell,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`npm ${args.join(' ')}: exit code ${status}`);
  return stdout;
}

/** @param {string} name in this folder @returns {number} when it was changed */
const changed = (name) =>
  fs.statSync(path.join(__dirname, name), { throwIfNoEntry: false })?.mtimeMs ?? -Infinity;

function installPackages() {
  if (changed('node_modules/.package-lock.json') > changed('package-lock.json')) return;
  npm(__dirname, 'ci', '--no-audit', '--no-fund', '--loglevel=error');
}

/** A link would not do: what lies outside of node_modules is a project's own code to jest and others. */
function installOurs() {
  for (const name of ['wasi-rs', '@wasi-rs']) {
    fs.rmSync(path.join(__dirname, 'node_modules', name), { recursive: true, force: true });
  }
  make({ out: path.join(__dirname, 'node_modules'), local: true });
}

/** @param {string[]} sources in this folder */
async function assemble(...sources) {
  const wabt = await require('wabt')();
  fs.mkdirSync(path.join(__dirname, 'build'), { recursive: true });
  for (const source of sources) {
    const text = fs.readFileSync(path.join(__dirname, source), 'utf8');
    const { buffer } = wabt.parseWat(source, text).toBinary({});
    fs.writeFileSync(
      path.join(__dirname, 'build', `${path.basename(source, '.wat')}.wasm`),
      buffer,
    );
  }
}

installPackages();
installOurs();
assemble('guest.wat', 'consumers/plugin.wat', '../../examples/demo.wat');
