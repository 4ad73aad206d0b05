'use strict';

// Checks that an addon's file fits its platform: format, processor, C library and size.
//   node scripts/check-addon.js TRIPLE FILE...

const fs = require('node:fs');
const path = require('node:path');
const { GLIBC } = require('../platform.js');

const MIB = 1024 * 1024;

/** The most bytes, by the addon's name. */
const MAX_BYTES = { 'wasi-rs': 2 * MIB, 'wasi-rs-engine': 32 * MIB };

/** How a file begins: the bytes at these places. @type {Record<string, Array<[number, number[]]>>} */
const HEADERS = {
  'linux-x64': [
    [0, [0x7f, 0x45, 0x4c, 0x46, 2, 1]],
    [18, [0x3e, 0]],
  ],
  'linux-arm64': [
    [0, [0x7f, 0x45, 0x4c, 0x46, 2, 1]],
    [18, [0xb7, 0]],
  ],
  'darwin-x64': [[0, [0xcf, 0xfa, 0xed, 0xfe, 7, 0, 0, 1]]],
  'darwin-arm64': [[0, [0xcf, 0xfa, 0xed, 0xfe, 12, 0, 0, 1]]],
  'win32-x64': [[0, [0x4d, 0x5a]]],
  'win32-arm64': [[0, [0x4d, 0x5a]]],
};

/** The processor in a file of Windows, behind its old header. @type {Record<string, number>} */
const PE_MACHINES = { 'win32-x64': 0x8664, 'win32-arm64': 0xaa64 };

/**
 * Everything that is wrong with an addon for a platform.
 *
 * @param {string} triple
 * @param {keyof typeof MAX_BYTES} addon
 * @param {Buffer} bytes
 * @param {string} [glibc] the newest that it may ask for
 * @returns {string[]}
 */
function problems(triple, addon, bytes, glibc) {
  const [os, cpu, abi] = triple.split('-');
  const machine = `${os}-${cpu}`;
  /** @type {string[]} */
  const found = [];
  const fits = HEADERS[machine].every(([at, expected]) =>
    expected.every((byte, i) => bytes[at + i] === byte),
  );
  const pe = PE_MACHINES[machine];
  if (!fits || (pe && bytes.readUInt16LE(bytes.readUInt32LE(0x3c) + 4) !== pe)) {
    found.push(`it is not made for ${machine}`);
  }
  if (bytes.length > MAX_BYTES[addon]) {
    found.push(`it has ${bytes.length} bytes, more than ${MAX_BYTES[addon]}`);
  }
  const text = bytes.toString('latin1');
  const wanted = newestGlibc(text);
  if (abi === 'musl' && wanted) found.push(`it asks for glibc ${wanted}`);
  if (abi === 'gnu' && !wanted) found.push('it asks for no glibc');
  if (abi === 'gnu' && wanted && glibc && isNewer(wanted, glibc)) {
    found.push(`it asks for glibc ${wanted}, newer than ${glibc}`);
  }
  if (!text.includes('napi_register_module_v1')) found.push('it is no addon of Node');
  return found;
}

/** The newest version of glibc among a file's symbols. @param {string} text */
function newestGlibc(text) {
  const versions = [...text.matchAll(/\0GLIBC_(\d+\.\d+)(?=[\0.])/g)].map(([, found]) => found);
  return versions.reduce((a, b) => (isNewer(b, a) ? b : a), '') || undefined;
}

/** @param {string} a @param {string} b versions of two numbers */
function isNewer(a, b) {
  const [major, minor] = a.split('.').map(Number);
  const [otherMajor, otherMinor] = b.split('.').map(Number);
  return b === '' || major > otherMajor || (major === otherMajor && minor > otherMinor);
}

module.exports = { MAX_BYTES, newestGlibc, problems };

if (require.main === module) {
  const [triple, ...files] = process.argv.slice(2);
  for (const file of files) {
    const addon = path.basename(file).startsWith('wasi-rs-engine') ? 'wasi-rs-engine' : 'wasi-rs';
    const bytes = fs.readFileSync(file);
    const found = problems(triple, addon, bytes, GLIBC);
    const glibc = newestGlibc(bytes.toString('latin1'));
    console.log(`${file}: ${bytes.length} bytes${glibc ? `, glibc ${glibc}` : ''}`);
    for (const problem of found) console.error(`wasi-rs: ${file}: ${problem}`);
    if (found.length > 0) process.exitCode = 1;
  }
}
