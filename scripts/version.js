'use strict';

// Writes another version wherever the version stands, so that all packages get it:
//   node scripts/version.js 0.2.0

const fs = require('node:fs');
const path = require('node:path');

/** The places: a file, and what stands around the version there. @type {ReadonlyArray<[string, RegExp]>} */
const PLACES = [
  ['package.json', /(\n {2}"version": ")([^"]+)(")/g],
  [
    'package-lock.json',
    /(\n {2}"version": "|"": \{\n {6}"name": "wasi-rs",\n {6}"version": ")([^"]+)(")/g,
  ],
  ['lib/addon.js', /(\nconst VERSION = ')([^']+)(')/g],
  ['Cargo.toml', /(\[workspace\.package\]\nversion = ")([^"]+)(")/g],
  ['Cargo.lock', /(\nname = "wasi-rs(?:-\w+)?"\nversion = ")([^"]+)(")/g],
  ['fuzz/Cargo.lock', /(\nname = "wasi-rs(?:-(?!fuzz)\w+)?"\nversion = ")([^"]+)(")/g],
];

/**
 * Writes the version into all places of a folder.
 *
 * @param {string} root
 * @param {string} version
 * @returns {string[]} the versions that were there
 */
function setVersion(root, version) {
  if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) throw new Error(`"${version}" is no version`);
  return PLACES.flatMap(([name, place]) => {
    const file = path.join(root, name);
    const text = fs.readFileSync(file, 'utf8');
    const found = [...text.matchAll(place)].map(([, , old]) => old);
    if (found.length === 0) throw new Error(`there is no version in ${name}`);
    fs.writeFileSync(file, text.replace(place, `$1${version}$3`));
    return found;
  });
}

module.exports = { PLACES, setVersion };

if (require.main === module) setVersion(path.dirname(__dirname), process.argv[2]);
