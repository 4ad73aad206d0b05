'use strict';

// Takes another wasmtime, and all that belongs to it; CONTRIBUTING.md says what to run then:
//   node scripts/wasmtime.js 48.0.9

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const root = path.dirname(__dirname);

/** Cranelift's minor version is wasmtime's major one and this; their last numbers are the same. */
const CRANELIFT = 87;

/** @param {string} name @param {(text: string) => string} change */
function edit(name, change) {
  const file = path.join(root, name);
  fs.writeFileSync(file, change(fs.readFileSync(file, 'utf8')));
}

/**
 * The manifests with another wasmtime.
 *
 * @param {string} text of a Cargo.toml
 * @param {string} version
 */
function withWasmtime(text, version) {
  const [major, , patch] = version.split('.').map(Number);
  return text
    .replace(/^(cranelift-codegen = \{ version = "=)[^"]+/m, `$10.${major + CRANELIFT}.${patch}`)
    .replace(/^((?:wasmtime|wasmtime-wizer) = \{ version = ")[^"]+/gm, `$1${major}`)
    .replace(/^(wasi-preview1-component-adapter-provider = ")[^"]+/m, `$1${major}`);
}

/** The packages in a Cargo.lock that belong to wasmtime. @param {string} lock */
const family = (lock) => [
  ...new Set(
    [
      ...lock.matchAll(
        /^name = "((?:wasmtime|cranelift|pulley)[\w-]*|wasi-preview1-component-adapter-provider)"$/gm,
      ),
    ].map(([, name]) => name),
  ),
];

module.exports = { family, withWasmtime };

if (require.main === module) {
  const version = String(process.argv[2]);
  if (!/^\d+\.\d+\.\d+$/.test(version)) throw new Error('which version of wasmtime?');
  for (const name of ['Cargo.toml', 'crates/runner/Cargo.toml']) {
    edit(name, (text) => withWasmtime(text, version));
  }
  for (const folder of ['.', 'fuzz']) {
    const cwd = path.join(root, folder);
    const names = family(fs.readFileSync(path.join(cwd, 'Cargo.lock'), 'utf8'));
    execFileSync('cargo', ['update', ...names], { cwd, stdio: 'inherit' });
    const lock = fs.readFileSync(path.join(cwd, 'Cargo.lock'), 'utf8');
    if (!lock.includes(`name = "wasmtime"\nversion = "${version}"`)) {
      throw new Error(
        `${folder}/Cargo.lock has another wasmtime: is ${version} the newest of its line?`,
      );
    }
  }
}
