'use strict';

// The npm packages: their package.json and files, as they are published. scripts/pack.js makes them.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { PLATFORMS, binaryName, packageName, packedName } = require('../platform.js');

const root = path.dirname(__dirname);
const source = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
const { version } = source;

/**
 * @typedef {import('../platform.js').Platform} Platform
 * @typedef {import('../platform.js').AddonName} AddonName
 */

/** The addons, and what their packages say of themselves. @type {Record<AddonName, string>} */
const ADDONS = {
  'wasi-rs': 'the class WASI of wasi-rs',
  'wasi-rs-engine': 'the engines of wasi-rs: run(), spawn(), load() and the command line',
};

/**
 * A package to be.
 *
 * @typedef {object} Package
 * @property {string} name
 * @property {object} manifest
 * @property {Platform} [platform] that it is for
 * @property {AddonName} [addon] that it holds; all else is in the packages without one
 */

/** The fields that all packages share. */
const { license, repository, homepage, bugs, engines } = source;
const common = { license, repository, homepage, bugs, engines, type: source.type };

/** @param {Platform} platform @param {AddonName} addon @returns {Package} */
function platformPackage(platform, addon) {
  const { triple, os, cpu, libc } = platform;
  const name = packageName(triple, addon);
  const manifest = {
    name,
    version,
    description: `For ${triple}: ${ADDONS[addon]}`,
    ...common,
    main: packedName(version, addon),
    preferUnplugged: true,
    os: [os],
    cpu: [cpu],
    ...(libc && { libc: [libc] }),
  };
  return { name, manifest, platform, addon };
}

/** @param {string} name @param {AddonName[]} addons those that it brings @returns {Package} */
function mainPackage(name, addons) {
  const brings = PLATFORMS.flatMap(({ triple }) =>
    addons.map((addon) => packageName(triple, addon)),
  );
  const { description, keywords, main, types, bin, exports: entries } = source;
  const { peerDependencies, peerDependenciesMeta, os } = source;
  const alone = ', the class alone';
  const manifest = {
    name,
    version,
    description: `${description}${addons.length === 1 ? alone : ''}`,
    keywords,
    ...common,
    main,
    types,
    bin,
    exports: entries,
    // Its worker is started from a file, and `wasi-rs build` writes beside it.
    preferUnplugged: true,
    os,
    peerDependencies,
    peerDependenciesMeta,
    optionalDependencies: Object.fromEntries(
      brings.sort().map((dependency) => [dependency, version]),
    ),
  };
  return { name, manifest };
}

/** All packages, those first that others depend on. @type {readonly Package[]} */
const PACKAGES = [
  ...PLATFORMS.flatMap((platform) => [
    platformPackage(platform, 'wasi-rs'),
    platformPackage(platform, 'wasi-rs-engine'),
  ]),
  mainPackage('@wasi-rs/class', ['wasi-rs']),
  mainPackage('wasi-rs', ['wasi-rs', 'wasi-rs-engine']),
];

/** Runs npm. @param {string} cwd @param {string[]} args @returns {string} stdout */
function npm(cwd, ...args) {
  const shell = process.platform === 'win32'; // npm.cmd
  /** @type {import('node:child_process').StdioOptions} */
  const stdio = ['ignore', 'pipe', 'inherit'];
  return execFileSync('npm', args, { cwd, shell, encoding: 'utf8', stdio, maxBuffer: Infinity });
}

/** The files of the packages without addons, by `files` in package.json. @returns {string[]} */
function mainFiles() {
  const packed = JSON.parse(npm(root, 'pack', '--dry-run', '--ignore-scripts', '--json'));
  /** @type {Array<{ files: Array<{ path: string }> }>} */
  const [{ files }] = Object.values(packed);
  return files
    .map((file) => file.path)
    .filter((file) => !file.endsWith('.node') && file !== 'package.json');
}

/** Links into the repository lead nowhere from a package: to its site instead. @param {string} text */
function withSiteLinks(text) {
  const site = `${source.homepage.replace(/#.*/, '')}/blob/v${version}`;
  return text.replace(/\]\((?!https?:|#)([^)\s]+)\)/g, (_, target) => `](${site}/${target})`);
}

/** The README of a package with an addon. @param {Package} entry */
function platformReadme({ name, platform, addon }) {
  const about = ADDONS[/** @type {AddonName} */ (addon)];
  return `# ${name}

${about[0].toUpperCase()}${about.slice(1)}, built for \`${platform?.rust}\`.
It is an optional dependency of [wasi-rs](https://www.npmjs.com/package/wasi-rs), which loads it:
install that one.
`;
}

/**
 * Writes a package into a folder of its own.
 *
 * @param {Package} entry
 * @param {string} folder
 * @param {object} from
 * @param {string} from.addons the folder with the addons
 * @param {string[]} from.files those of the packages without an addon
 * @param {string} [from.notices] the folder with the licences of the parts of each addon, and a list of them
 */
function stage(entry, folder, { addons, files, notices }) {
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  const write = (/** @type {string} */ name, /** @type {string} */ text) =>
    fs.writeFileSync(path.join(folder, name), text);
  write('package.json', `${JSON.stringify(entry.manifest, null, 2)}\n`);
  const { platform, addon } = entry;
  if (!platform || !addon) {
    for (const file of files) fs.cpSync(path.join(root, file), path.join(folder, file));
    write('README.md', withSiteLinks(fs.readFileSync(path.join(root, 'README.md'), 'utf8')));
    return;
  }
  write('README.md', platformReadme(entry));
  fs.copyFileSync(path.join(root, 'LICENSE'), path.join(folder, 'LICENSE'));
  const library = path.join(folder, packedName(version, addon));
  fs.copyFileSync(path.join(addons, binaryName(platform.triple, addon)), library);
  fs.chmodSync(library, 0o644);
  if (!notices) return;
  for (const name of fs.readdirSync(path.join(notices, platform.triple, addon))) {
    fs.copyFileSync(path.join(notices, platform.triple, addon, name), path.join(folder, name));
  }
}

module.exports = { PACKAGES, mainFiles, npm, root, stage, version };
