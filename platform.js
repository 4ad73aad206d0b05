'use strict';

// The platforms that have packages, and the names of packages and files: lib/load.js finds the addons by this
// table, scripts/ makes the packages of it.

/**
 * @typedef {object} Platform
 * @property {string} triple its name, as napi-rs spells it
 * @property {string} os what `os`, `cpu` and `libc` say in package.json, by which package managers choose
 * @property {string} cpu
 * @property {string} [libc]
 * @property {string} rust the name that Rust has for it
 * @property {Record<AddonName, () => string>} resolve the files of its packages. The names are spelt out for
 * tools that copy the files of a program, and read these calls
 *
 * @typedef {'wasi-rs' | 'wasi-rs-engine'} AddonName the addon with the class, or with the engines
 */

/** @type {readonly Platform[]} */
const PLATFORMS = [
  {
    triple: 'linux-x64-gnu',
    os: 'linux',
    cpu: 'x64',
    libc: 'glibc',
    rust: 'x86_64-unknown-linux-gnu',
    resolve: {
      'wasi-rs': () => require.resolve('@wasi-rs/linux-x64-gnu'),
      'wasi-rs-engine': () => require.resolve('@wasi-rs/engine-linux-x64-gnu'),
    },
  },
  {
    triple: 'linux-x64-musl',
    os: 'linux',
    cpu: 'x64',
    libc: 'musl',
    rust: 'x86_64-unknown-linux-musl',
    resolve: {
      'wasi-rs': () => require.resolve('@wasi-rs/linux-x64-musl'),
      'wasi-rs-engine': () => require.resolve('@wasi-rs/engine-linux-x64-musl'),
    },
  },
  {
    triple: 'linux-arm64-gnu',
    os: 'linux',
    cpu: 'arm64',
    libc: 'glibc',
    rust: 'aarch64-unknown-linux-gnu',
    resolve: {
      'wasi-rs': () => require.resolve('@wasi-rs/linux-arm64-gnu'),
      'wasi-rs-engine': () => require.resolve('@wasi-rs/engine-linux-arm64-gnu'),
    },
  },
  {
    triple: 'linux-arm64-musl',
    os: 'linux',
    cpu: 'arm64',
    libc: 'musl',
    rust: 'aarch64-unknown-linux-musl',
    resolve: {
      'wasi-rs': () => require.resolve('@wasi-rs/linux-arm64-musl'),
      'wasi-rs-engine': () => require.resolve('@wasi-rs/engine-linux-arm64-musl'),
    },
  },
  {
    triple: 'darwin-x64',
    os: 'darwin',
    cpu: 'x64',
    rust: 'x86_64-apple-darwin',
    resolve: {
      'wasi-rs': () => require.resolve('@wasi-rs/darwin-x64'),
      'wasi-rs-engine': () => require.resolve('@wasi-rs/engine-darwin-x64'),
    },
  },
  {
    triple: 'darwin-arm64',
    os: 'darwin',
    cpu: 'arm64',
    rust: 'aarch64-apple-darwin',
    resolve: {
      'wasi-rs': () => require.resolve('@wasi-rs/darwin-arm64'),
      'wasi-rs-engine': () => require.resolve('@wasi-rs/engine-darwin-arm64'),
    },
  },
  {
    triple: 'win32-x64-msvc',
    os: 'win32',
    cpu: 'x64',
    rust: 'x86_64-pc-windows-msvc',
    resolve: {
      'wasi-rs': () => require.resolve('@wasi-rs/win32-x64-msvc'),
      'wasi-rs-engine': () => require.resolve('@wasi-rs/engine-win32-x64-msvc'),
    },
  },
  {
    triple: 'win32-arm64-msvc',
    os: 'win32',
    cpu: 'arm64',
    rust: 'aarch64-pc-windows-msvc',
    resolve: {
      'wasi-rs': () => require.resolve('@wasi-rs/win32-arm64-msvc'),
      'wasi-rs-engine': () => require.resolve('@wasi-rs/engine-win32-arm64-msvc'),
    },
  },
];

/** The newest glibc that a published addon asks for: the one that Node 20 to 26 need themselves. */
const GLIBC = '2.28';

/**
 * The names of the platforms whose addons may run here. There are two on Linux, `linux-x64-gnu` and
 * `linux-x64-musl`: to find out the libc that Node runs on takes milliseconds. Others than those in the table
 * have no packages, but may be built.
 *
 * @returns {string[]}
 */
function triples() {
  const { platform, arch } = process;
  if (platform === 'win32') return [`win32-${arch}-msvc`];
  if (platform !== 'linux') return [`${platform}-${arch}`];
  return [`linux-${arch}-gnu`, `linux-${arch}-musl`];
}

/**
 * The one of `triples()` that this Node is.
 *
 * @returns {string}
 */
function triple() {
  const [first, musl] = triples();
  return musl && isMusl() ? musl : first;
}

function isMusl() {
  try {
    const { header } = /** @type {any} */ (process.report.getReport());
    return header.glibcVersionRuntime === undefined;
  } catch {
    return false; // Deno asks for permissions first
  }
}

/**
 * False on a machine of 32 bits, which neither the engine nor the layouts in memory are made for.
 *
 * @returns {boolean}
 */
const isPossible = () => !['arm', 'ia32', 'mips', 'mipsel', 'ppc', 's390'].includes(process.arch);

/**
 * The file of an addon that was built here, inside the package.
 *
 * @param {string} platform one of `triples()`
 * @param {AddonName} [name]
 * @returns {string}
 */
function binaryName(platform, name = 'wasi-rs') {
  return `${name}.${platform}.node`;
}

/**
 * The package that brings an addon.
 *
 * @param {string} platform one of `triples()`
 * @param {AddonName} [name]
 * @returns {string}
 */
function packageName(platform, name = 'wasi-rs') {
  return `@wasi-rs/${name === 'wasi-rs' ? '' : 'engine-'}${platform}`;
}

/**
 * The file of an addon in its own package. The version is in its name: the one of another is not found.
 *
 * @param {string} version
 * @param {AddonName} [name]
 * @returns {string}
 */
function packedName(version, name = 'wasi-rs') {
  return `${name}.${version}.node`;
}

module.exports = {
  GLIBC,
  PLATFORMS,
  binaryName,
  isPossible,
  packageName,
  packedName,
  triple,
  triples,
};
