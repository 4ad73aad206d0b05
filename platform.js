'use strict';

/**
 * What an addon that may run here is called, as napi-rs spells it: `darwin-arm64`, `win32-x64-msvc`. Two names on
 * Linux, `linux-x64-gnu` and `linux-x64-musl`: which libc Node runs on takes milliseconds to find out.
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
 * @param {string} [name] which addon: the one with the class, or `wasi-rs-engine`
 * @returns {string}
 */
function binaryName(platform, name = 'wasi-rs') {
  return `${name}.${platform}.node`;
}

module.exports = { binaryName, triple, triples };
