'use strict';

// Builds the addons with cargo and puts them where lib/addon.js finds them:
//   node scripts/build.js [--class-only] [--debug] [--target TRIPLE] [--zig] [--out DIR]
// TRIPLE is a row of platform.js; the linker for it is cargo's matter (CARGO_TARGET_..._LINKER), or zig's
// with --zig (`cargo install cargo-zigbuild`), which also links with an old glibc. `npx wasi-rs build` is the
// same where the package is installed.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { GLIBC, PLATFORMS, binaryName, isPossible, triple } = require('../platform.js');

const root = path.dirname(__dirname);
const sources = ['Cargo.toml', 'Cargo.lock', 'build.rs', 'crates', 'src'].map((name) =>
  path.join(root, name),
);

/**
 * @typedef {import('../platform.js').AddonName} AddonName
 *
 * @typedef {object} Addon
 * @property {AddonName} name
 * @property {(platform: string) => string[]} features of the crate that it is built with
 * @property {string} about
 * @property {string} takes the time that a build takes
 */

/** The addons, smallest first. @type {readonly Addon[]} */
const ADDONS = [
  {
    name: 'wasi-rs',
    features: () => ['class'],
    about: 'the class WASI',
    takes: 'about a minute',
  },
  {
    name: 'wasi-rs-engine',
    // Programs off the event loop are not supported on Windows yet.
    features: (platform) => (platform.startsWith('win32') ? ['text'] : ['engine', 'text']),
    about: 'the engines, for run() and the command line',
    takes: 'about five minutes on two cores',
  },
];

/**
 * Builds the addons and copies them into the package.
 *
 * @param {object} [options]
 * @param {boolean} [options.classOnly] without the addon with the engines
 * @param {boolean} [options.debug] cargo's dev profile instead of release
 * @param {string} [options.target] the platform to build for, if it is not this one
 * @param {boolean} [options.zig] has zig link it; `target` is given then
 * @param {string} [options.out] the folder that the addons come to, instead of the package
 * @param {(line: string) => void} [options.report] is told what is done
 * @returns {string[]} the addons' files
 */
function build(options = {}) {
  const { classOnly = false, debug = false, target, out = root, report = note } = options;
  const started = Date.now();
  report(
    `building with ${requireRust(target)} in ${targetFolder()}; cargo fetches what it lacks from crates.io`,
  );
  const addons = classOnly ? ADDONS.slice(0, 1) : ADDONS;
  fs.mkdirSync(out, { recursive: true });
  const files = addons.map((addon, i) => {
    report(
      `${i + 1} of ${addons.length}: ${addon.about}, ${debug ? 'without optimisation' : addon.takes}`,
    );
    const library = cargoBuild(addon, options);
    const file = path.join(out, binaryName(target ?? triple(), addon.name));
    replace(file, library);
    report(`made ${path.relative('', file)}, ${(fs.statSync(file).size / 2 ** 20).toFixed(1)} MiB`);
    return file;
  });
  report(`done in ${Math.round((Date.now() - started) / 1000)} s`);
  return files;
}

/** @param {string} line */
const note = (line) => void process.stderr.write(`wasi-rs: ${line}\n`);

/**
 * Copies a file to a new one: a running process may have the old one mapped.
 *
 * @param {string} file
 * @param {string} from
 */
function replace(file, from) {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    fs.copyFileSync(from, temporary);
    fs.renameSync(temporary, file);
  } finally {
    fs.rmSync(temporary, { force: true });
  }
}

/**
 * True if the addons in the package are newer than everything they are made from.
 *
 * @returns {boolean}
 */
function isUpToDate() {
  const built = ADDONS.map(({ name }) => {
    const file = path.join(root, binaryName(triple(), name));
    return fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? -Infinity;
  });
  return sources.every((source) => newest(source) < Math.min(...built));
}

/** @param {string} source a file or a folder @returns {number} */
function newest(source) {
  const stat = fs.statSync(source);
  if (!stat.isDirectory()) return stat.mtimeMs;
  const children = fs.readdirSync(source).map((name) => newest(path.join(source, name)));
  return Math.max(stat.mtimeMs, ...children);
}

/** Where cargo keeps what it makes, some gigabytes for both addons. */
const targetFolder = () => process.env.CARGO_TARGET_DIR ?? path.join(root, 'target');

/**
 * @param {Addon} addon
 * @param {NonNullable<Parameters<typeof build>[0]>} options
 * @returns {string} the library's path
 */
function cargoBuild({ name, features }, { debug, target, zig }) {
  const args = [
    zig ? 'zigbuild' : 'build',
    ...(debug ? [] : ['--release']),
    '--lib',
    '--no-default-features',
    `--features=${features(target ?? triple())}`,
    // One folder for each addon: in a common one, cargo would replace one library by the other.
    `--target-dir=${path.join(targetFolder(), name)}`,
    ...(target
      ? [`--target=${rustTarget(target)}${zig && target.endsWith('-gnu') ? `.${GLIBC}` : ''}`]
      : []),
    '--message-format=json-render-diagnostics',
  ];
  const { error, status, signal, stdout } = spawnSync('cargo', args, {
    cwd: root,
    env: cargoEnvironment(target),
    encoding: 'utf8',
    maxBuffer: Infinity,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
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

/** @param {string} target @returns {string} */
function rustTarget(target) {
  const platform = PLATFORMS.find((row) => row.triple === target);
  if (platform) return platform.rust;
  throw new Error(`${target} is none of ${PLATFORMS.map((row) => row.triple).join(', ')}`);
}

/** @param {string} [target] */
function cargoEnvironment(target) {
  if (!(target ?? triple()).includes('musl')) return process.env;
  // Rust links libc statically on musl unless told not to, and then makes no shared library.
  const flags = `${process.env.RUSTFLAGS ?? ''} -C target-feature=-crt-static`;
  return { ...process.env, RUSTFLAGS: flags.trim() };
}

/**
 * Finds out the compiler's version first: an old cargo says no more of a newer manifest than that it can't be
 * read.
 *
 * @param {string} [target]
 * @returns {string} the compiler and its version
 */
function requireRust(target) {
  if (!target && !isPossible()) {
    throw new Error(`wasi-rs can't be built for ${process.arch}: it needs a Node of 64 bits.`);
  }
  const needed = rustVersion();
  const install = `Install Rust ${needed} or newer by rustup (https://rustup.rs), whatever your distribution has,
open a new shell and try again. Who has rustup already: rustup update stable`;
  const [rustc] = ['rustc', 'cargo'].map((tool) => {
    const { error, status, stdout, stderr } = spawnSync(tool, ['--version'], {
      cwd: root,
      encoding: 'utf8',
    });
    if (/** @type {NodeJS.ErrnoException | undefined} */ (error)?.code === 'ENOENT') {
      throw new Error(`${tool}, a part of Rust, is not on the PATH.\n${install}`);
    }
    if (error) throw error;
    if (status !== 0) throw new Error(`${tool} --version failed:\n${stderr}`);
    if (isOlder(stdout, needed)) {
      throw new Error(`${stdout.trim()} is too old: wasi-rs needs ${needed}.\n${install}`);
    }
    return stdout.trim();
  });
  return rustc;
}

/** @param {string} said by a tool of Rust, of itself @param {string} needed */
function isOlder(said, needed) {
  const [, major, minor] = (/^\w+ (\d+)\.(\d+)/.exec(said) ?? []).map(Number);
  const [neededMajor, neededMinor] = needed.split('.').map(Number);
  return major < neededMajor || (major === neededMajor && minor < neededMinor);
}

function rustVersion() {
  const manifest = fs.readFileSync(path.join(root, 'Cargo.toml'), 'utf8');
  return /^rust-version = "(.+)"/m.exec(manifest)?.[1] ?? '';
}

module.exports = { ADDONS, build, isUpToDate, root };

if (require.main === module) {
  const { values } = parseArgs({
    options: {
      'class-only': { type: 'boolean' },
      debug: { type: 'boolean' },
      target: { type: 'string' },
      zig: { type: 'boolean' },
      out: { type: 'string' },
    },
  });
  try {
    build({ ...values, classOnly: values['class-only'] });
  } catch (error) {
    console.error(`wasi-rs: ${/** @type {Error} */ (error).message}`);
    process.exitCode = 1;
  }
}
