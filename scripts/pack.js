'use strict';

// Makes all packages, checks them, and packs each into a .tgz:
//   node scripts/pack.js --addons DIR --notices DIR [--out DIR]
//   node scripts/pack.js --local [--addons DIR] [--notices DIR] [--out DIR]
// The first DIR has the addons of all platforms, by the names that scripts/build.js gives them, the second
// what scripts/notices.js writes. With --local, those addons that are there make do, whichever glibc they
// need.

const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { GLIBC, binaryName } = require('../platform.js');
const { problems } = require('./check-addon.js');
const { PACKAGES, mainFiles, npm, root, stage } = require('./packages.js');

/** The most bytes of a package without addons: JavaScript, types, and the sources in Rust. */
const MAX_MAIN_BYTES = 6 * 1024 * 1024;

/**
 * @typedef {import('./packages.js').Package} Package
 *
 * npm's word about a package that it packed.
 *
 * @typedef {object} Packed
 * @property {string} filename
 * @property {Array<{ path: string }>} files
 * @property {number} unpackedSize
 * @property {number} size
 */

/**
 * Makes the packages, each in a folder of its own.
 *
 * @param {{ addons?: string, notices?: string, out: string, local?: boolean }} options
 * @returns {Array<{ name: string, folder: string }>}
 */
function make({ addons = root, notices, out, local = false }) {
  if (!local && !notices) throw new Error('addons are not published without licences: --notices');
  const files = mainFiles();
  const hasAddon = (/** @type {Package} */ { platform, addon }) =>
    !platform || !addon || fs.existsSync(path.join(addons, binaryName(platform.triple, addon)));
  return PACKAGES.filter((entry) => !local || hasAddon(entry)).map((entry) => {
    const folder = path.join(out, entry.name);
    stage(entry, folder, { addons, files, notices });
    const found = check(entry, folder, local ? undefined : GLIBC);
    if (found.length > 0) throw new Error(`${entry.name}: ${found.join('; ')}`);
    return { name: entry.name, folder };
  });
}

/**
 * Makes the packages and packs them.
 *
 * @param {Parameters<typeof make>[0]} options
 */
function pack(options) {
  const destination = path.resolve(options.out);
  return make(options).map(({ name, folder }) => {
    const args = ['--ignore-scripts', '--json', `--pack-destination=${destination}`];
    const packed = JSON.parse(npm(folder, 'pack', ...args));
    /** @type {Packed[]} */
    const [{ filename, files, unpackedSize, size }] = Object.values(packed);
    return {
      name,
      folder,
      tarball: path.join(destination, filename),
      files: files.map((file) => file.path),
      unpacked: unpackedSize,
      packed: size,
    };
  });
}

/**
 * Everything that is wrong with a package's folder.
 *
 * @param {Package} entry
 * @param {string} folder
 * @param {string} [glibc] the newest that an addon may ask for
 * @returns {string[]}
 */
function check({ manifest, platform, addon }, folder, glibc) {
  const targets = targetsOf(/** @type {any} */ (manifest));
  const missing = targets.filter((target) => !fs.existsSync(path.join(folder, target)));
  const found = missing.map((target) => `${target} is missing`);
  if (platform && addon) {
    const bytes = fs.readFileSync(path.join(folder, targets[0]));
    return [...found, ...problems(platform.triple, addon, bytes, glibc)];
  }
  const bytes = bytesIn(folder);
  if (bytes > MAX_MAIN_BYTES) found.push(`it has ${bytes} bytes, more than ${MAX_MAIN_BYTES}`);
  return found;
}

/** The bytes of all files in a folder. @param {string} folder @returns {number} */
const bytesIn = (folder) =>
  fs
    .readdirSync(folder, { recursive: true })
    .map((name) => fs.statSync(path.join(folder, String(name))))
    .reduce((sum, stat) => sum + (stat.isFile() ? stat.size : 0), 0);

/**
 * The files that package.json names.
 *
 * @param {{ main: string, types?: string, bin?: object, exports?: object }} manifest
 */
function targetsOf({ main, types, bin = {}, exports: entries = {} }) {
  const exported = Object.values(entries).flatMap((entry) =>
    typeof entry === 'string' ? [entry] : Object.values(entry),
  );
  return [main, ...(types ? [types] : []), ...Object.values(bin), ...exported];
}

module.exports = { make, pack };

if (require.main === module) {
  const { values } = parseArgs({
    options: {
      addons: { type: 'string' },
      notices: { type: 'string' },
      out: { type: 'string', default: path.join(root, 'dist') },
      local: { type: 'boolean' },
    },
  });
  try {
    const kib = (/** @type {number} */ bytes) => `${Math.round(bytes / 1024)} KiB`.padStart(10);
    for (const { name, unpacked, packed } of pack(values)) {
      console.log(`${name.padEnd(34)} ${kib(unpacked)} unpacked ${kib(packed)} packed`);
    }
  } catch (error) {
    console.error(`wasi-rs: ${/** @type {Error} */ (error).message}`);
    process.exitCode = 1;
  }
}
