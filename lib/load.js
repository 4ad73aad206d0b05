'use strict';

// Finds an addon that is not in its usual place. Where there is none, the table below decides what the error
// says.

const path = require('node:path');
const bundled = require('./bundled.js');
const {
  PLATFORMS,
  binaryName,
  isPossible,
  packageName,
  packedName,
  triple,
  triples,
} = require('../platform.js');

const root = path.dirname(__dirname);

/**
 * A place that was tried, and why it did not serve.
 *
 * @typedef {{ place: string, triple: string, packed: boolean, error: NodeJS.ErrnoException }} Attempt
 *
 * All that is known when no addon was found.
 *
 * @typedef {object} Facts
 * @property {import('../platform.js').AddonName} name the addon
 * @property {string} self the name of this package: wasi-rs, or one with fewer platform packages
 * @property {string} version of this package
 * @property {string} here the platform
 * @property {string} needed the package with its addon
 * @property {Attempt[]} attempts
 * @property {string[]} others platforms whose packages are there instead
 */

/**
 * Loads an addon from the package itself, or from the one npm picks for the platform. Environment variables
 * such as NAPI_RS_FORCE_WASI, set for other packages of the program, are not read.
 *
 * @param {string} name the name of its file up to the first dot
 * @param {string} version of the package
 * @param {(file: string) => any} open loads a file, which is its usual one from now on
 */
function load(name, version, open) {
  const addon = /** @type {import('../platform.js').AddonName} */ (name);
  const rows = PLATFORMS.filter((row) => triples().includes(row.triple));
  /** @type {Array<Pick<Attempt, 'place' | 'triple' | 'packed'> & { file: () => string }>} */
  const candidates = [
    ...triples().map((platform) => {
      const place = path.join(root, binaryName(platform, addon));
      return { place, triple: platform, packed: false, file: () => require.resolve(place) };
    }),
    ...rows.map((row) => ({
      place: packageName(row.triple, addon),
      triple: row.triple,
      packed: true,
      file: () => sameVersion(row.resolve[addon](), packedName(version, addon)),
    })),
  ];
  /** @type {Attempt[]} */
  const attempts = [];
  for (const { file, ...place } of candidates) {
    try {
      return open(file());
    } catch (error) {
      attempts.push({ ...place, error: /** @type {NodeJS.ErrnoException} */ (error) });
    }
  }
  throw loadError(addon, version, attempts);
}

/** The file, if it is of this version. @param {string} file @param {string} expected */
function sameVersion(file, expected) {
  const found = path.basename(file);
  if (found === expected) return file;
  const message = `it has ${found}, and not ${expected}`;
  throw Object.assign(new Error(message), { code: 'ERR_WASI_RS_VERSION' });
}

/**
 * @param {(attempt: Attempt) => unknown} predicate
 * @returns {(facts: Facts) => boolean}
 */
const some = (predicate) => (facts) => facts.attempts.some(predicate);

/**
 * True if a file of the platform is there, and does not load.
 *
 * @param {Attempt} attempt
 * @param {string} here the platform
 */
const isBroken = ({ error, ...attempt }, here) =>
  attempt.triple === here && error.code !== 'MODULE_NOT_FOUND';

const REINSTALL = 'rm -rf node_modules package-lock.json && npm install';

/**
 * Why there is no addon, and how to get one: the first row that is true speaks. Those with `canBuild` name
 * building as the other way to one.
 *
 * @type {Array<{ when: (facts: Facts) => boolean, says: (facts: Facts) => string, canBuild?: boolean }>}
 */
const REASONS = [
  {
    when: some(({ error }) => error.code === 'ERR_DLOPEN_DISABLED'),
    says: () =>
      'Node is run without native addons. Under --permission, add --allow-addons, and --allow-wasi for its programs; otherwise leave out --no-addons',
  },
  {
    when: () => __filename !== path.join(root, 'lib', 'load.js'),
    says: () => bundled.advice(`, ${path.relative('', __filename)}`),
  },
  {
    when: () => !isPossible(),
    says: () => `wasi-rs needs a Node of 64 bits, and this is one for ${process.arch}`,
  },
  {
    when: some(({ error }) => error.code === 'ERR_WASI_RS_VERSION'),
    says: ({ needed, self, version }) =>
      `${needed} is of another version than ${self}, ${version}: an override, a lock file or a copied folder holds it back.
Install both again: npm install ${self}@${version}, or ${REINSTALL}`,
    canBuild: true,
  },
  {
    when: some(({ error }) => /version `GLIBC_/.test(error.message)),
    says: ({ here }) =>
      `The C library of this system is older than the one that the addon for ${here} needs, which the error above names`,
    canBuild: true,
  },
  {
    when: ({ attempts, here }) => attempts.some((attempt) => isBroken(attempt, here)),
    says: ({ here }) =>
      `An addon for ${here} is there, and does not load: it is damaged, or made for something else. Install it again:
${REINSTALL}`,
    canBuild: true,
  },
  {
    when: ({ here }) => !PLATFORMS.some((row) => row.triple === here),
    says: ({ here }) =>
      `There is no package for ${here}, only for ${PLATFORMS.map((row) => row.triple).join(', ')}`,
    canBuild: true,
  },
  {
    when: ({ name, self }) => name === 'wasi-rs-engine' && self === '@wasi-rs/class',
    says: ({ needed, version }) =>
      `@wasi-rs/class is the class WASI alone. run() and all that runs programs beside it need ${needed}. Add it:
npm install ${needed}@${version}, or all of it: npm install wasi-rs@${version}`,
    canBuild: true,
  },
  {
    when: ({ here, others }) => others.some((other) => isOtherLibc(other, here)),
    says: ({ here, needed, others }) =>
      `${needed} is not installed, but the package for ${others.join(', ')} is: node_modules, or the lock file, comes from a system with another C library (Alpine Linux has musl), and this Node is one for ${here}.
Install on the system that runs the program: ${REINSTALL}`,
    canBuild: true,
  },
  {
    when: ({ others }) => others.length > 0,
    says: ({ needed, others }) =>
      `${needed} is not installed, but the package for ${others.join(', ')} is: node_modules was copied from another machine or into a container, or installed by a Node for another processor.
Install on the machine that runs the program: ${REINSTALL}`,
    canBuild: true,
  },
  {
    when: () => true,
    says: ({ needed, version }) =>
      `${needed} is not installed. It is an optional dependency, which --omit=optional, --no-optional or "omit" in .npmrc leave out, and so does a lock file that was written on another platform.
Install it: npm install ${needed}@${version}, or all again: ${REINSTALL}`,
    canBuild: true,
  },
];

/** @param {string} other @param {string} here both of them platforms */
const isOtherLibc = (other, here) =>
  other !== here && other.replace(/-\w+$/, '') === here.replace(/-\w+$/, '');

/**
 * The error, which names every place that was tried.
 *
 * @param {import('../platform.js').AddonName} name
 * @param {string} version
 * @param {Attempt[]} attempts
 */
function loadError(name, version, attempts) {
  const here = triple();
  /** @type {Facts} */
  const facts = {
    name,
    self: ownName(),
    version,
    here,
    needed: packageName(here, name),
    attempts,
    others: PLATFORMS.filter((row) => row.triple !== here && isInstalled(row.resolve[name])).map(
      (row) => row.triple,
    ),
  };
  const { says, canBuild } = /** @type {(typeof REASONS)[number]} */ (
    REASONS.find(({ when }) => when(facts))
  );
  const lines = attempts.map(
    ({ place, error }) => `  ${place}\n    ${error.message.replace(/\nRequire stack:[^]*/, '')}`,
  );
  const build = `Or build it with Rust (https://rustup.rs), which takes some minutes: npx wasi-rs build`;
  const message = `wasi-rs: the native addon for ${here} could not be loaded
${lines.join('\n')}
${says(facts)}${canBuild ? `\n${build}` : ''}`;
  const errors = attempts.map(({ error }) => error);
  // The error of a file that does not load is more helpful than that of a missing one.
  const cause = errors.find(({ code }) => code !== 'MODULE_NOT_FOUND') ?? errors[0];
  return Object.assign(new Error(message, { cause }), { code: 'ERR_WASI_RS_LOAD', errors });
}

/** The name in package.json, which differs in a package with the class alone. */
function ownName() {
  try {
    return String(require('../package.json').name);
  } catch {
    return 'wasi-rs';
  }
}

/** @param {() => string} resolve */
function isInstalled(resolve) {
  try {
    return resolve() !== '';
  } catch {
    return false;
  }
}

module.exports = { REASONS, load };
