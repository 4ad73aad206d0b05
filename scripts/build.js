'use strict';

// Builds the addons with cargo and puts them where lib/addon.js finds them:  node scripts/build.js [--debug]

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { binaryName, triple } = require('../platform.js');

const root = path.dirname(__dirname);
const sources = ['Cargo.toml', 'Cargo.lock', 'build.rs', 'crates', 'src'].map((name) =>
  path.join(root, name),
);

// Programs off the event loop are not supported on Windows yet.
const engine = process.platform === 'win32' ? [] : ['engine'];

/** The addons, smallest first, with the features of the crate that each is built with. */
const addons = [
  { name: 'wasi-rs', features: ['class'] },
  { name: 'wasi-rs-engine', features: [...engine, 'text'] },
].map(({ name, features }) => ({
  name,
  features,
  file: path.join(root, binaryName(triple(), name)),
}));

/**
 * Builds the addons and copies them into the package.
 *
 * @param {object} [options]
 * @param {boolean} [options.debug] cargo's dev profile instead of release
 * @param {'inherit' | number} [options.stderr] where cargo's progress goes
 */
function build({ debug = false, stderr = 'inherit' } = {}) {
  for (const addon of addons) {
    const library = cargoBuild(addon, debug, stderr);
    const temporary = `${addon.file}.${process.pid}.tmp`;
    try {
      fs.copyFileSync(library, temporary);
      fs.renameSync(temporary, addon.file); // a new file: a running process may have the old one mapped
    } finally {
      fs.rmSync(temporary, { force: true });
    }
  }
}

/**
 * True if the addons in the package are newer than everything they are made from.
 *
 * @returns {boolean}
 */
function isUpToDate() {
  const built = addons.map(
    ({ file }) => fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? -Infinity,
  );
  return sources.every((source) => newest(source) < Math.min(...built));
}

/** @param {string} source a file or a folder @returns {number} */
function newest(source) {
  const stat = fs.statSync(source);
  if (!stat.isDirectory()) return stat.mtimeMs;
  const children = fs.readdirSync(source).map((name) => newest(path.join(source, name)));
  return Math.max(stat.mtimeMs, ...children);
}

/**
 * @param {(typeof addons)[number]} addon
 * @param {boolean} debug
 * @param {'inherit' | number} stderr
 * @returns {string} the library's path
 */
function cargoBuild({ name, features }, debug, stderr) {
  const args = [
    'build',
    ...(debug ? [] : ['--release']),
    '--lib',
    '--no-default-features',
    `--features=${features}`,
    // One folder for each addon: in a common one, cargo would replace one library by the other.
    `--target-dir=${path.join(process.env.CARGO_TARGET_DIR ?? path.join(root, 'target'), name)}`,
    '--message-format=json-render-diagnostics',
  ];
  const { error, status, signal, stdout } = spawnSync('cargo', args, {
    cwd: root,
    env: cargoEnvironment(),
    encoding: 'utf8',
    maxBuffer: Infinity,
    stdio: ['ignore', 'pipe', stderr],
  });
  if (/** @type {NodeJS.ErrnoException | undefined} */ (error)?.code === 'ENOENT') {
    throw new Error(`cargo, the build tool of Rust, is not on the PATH.
Install Rust ${rustVersion()} or newer (https://rustup.rs), open a new shell and try again.`);
  }
  if (error) throw error;
  if (status !== 0) {
    throw new Error(
      `cargo build failed (${signal ?? `exit code ${status}`}); the reason is above.`,
    );
  }
  return libraryPath(stdout);
}

/** @param {string} output cargo's messages, one JSON object a line */
function libraryPath(output) {
  const artifact = output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
    .findLast(
      ({ reason, target }) => reason === 'compiler-artifact' && target.kind.includes('cdylib'),
    );
  const library = artifact?.filenames.find((/** @type {string} */ name) =>
    /\.(so|dylib|dll)$/.test(name),
  );
  if (!library) throw new Error('cargo build made no shared library.');
  return library;
}

function cargoEnvironment() {
  if (!triple().includes('musl')) return process.env;
  // Rust links libc statically on musl unless told not to, and then makes no shared library.
  const flags = `${process.env.RUSTFLAGS ?? ''} -C target-feature=-crt-static`;
  return { ...process.env, RUSTFLAGS: flags.trim() };
}

function rustVersion() {
  const manifest = fs.readFileSync(path.join(root, 'Cargo.toml'), 'utf8');
  return /^rust-version = "(.+)"/m.exec(manifest)?.[1];
}

module.exports = { build, isUpToDate, root };

if (require.main === module) {
  try {
    build({ debug: process.argv.includes('--debug') });
  } catch (error) {
    console.error(`wasi-rs: ${/** @type {Error} */ (error).message}`);
    process.exitCode = 1;
  }
}
