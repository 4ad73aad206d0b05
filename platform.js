'use strict';

/**
 * The names of the platforms whose addons may run here, as napi-rs spells them: `darwin-arm64`,
 * `win32-x64-msvc`. There are two on Linux, `linux-x64-gnu` and `linux-x64-musl`: to find out the libc that
 * Node runs on takes milliseconds.
 *
 * @returns {string[]}
 */
function triples() {
  const { platform, arch } = process;
  if (platform === 'win32') return [`win32-${arch}-msvc`];
  if (platform !== 'linux') return [`${platform}-${arch}`];
  const abi = arch === 'arm' ? 'eabihf' : '';
  return [`linux-${arch}-gnu${abi}`, `linux-${arch}-musl${abi}`];
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
 * The file name of a platform's addon inside the package.
 *
 * @param {string} platform one of `triples()`
 * @param {string} [name] of the addon: the one with the class, or `wasi-rs-engine`
 * @returns {string}
 */
function binaryName(platform, name = 'wasi-rs') {
  return `${name}.${platform}.node`;
}

module.exports = { binaryName, triple, triples };
