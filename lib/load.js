'use strict';

// Finds an addon that is not in its usual place. The error says why there is none.

const path = require('node:path');
const { binaryName, triple, triples } = require('../platform.js');

const root = path.dirname(__dirname);

/**
 * Loads an addon from the package itself, or from the one npm picks for the platform. Environment variables
 * such as NAPI_RS_FORCE_WASI, set for other packages of the program, are not read.
 *
 * @param {string} name the name of its file up to the first dot
 * @param {(file: string) => any} open loads a file
 */
function load(name, open) {
  const files = triples().map((platform) => binaryName(platform, name));
  const candidates = [
    ...files.map((file) => path.join(root, file)),
    ...triples().map((platform, i) => `@wasi-rs/${platform}/${files[i]}`),
  ];
  /** @type {NodeJS.ErrnoException[]} */
  const errors = [];
  for (const candidate of candidates) {
    try {
      return open(require.resolve(candidate));
    } catch (error) {
      errors.push(/** @type {NodeJS.ErrnoException} */ (error));
    }
  }
  throw loadError(candidates, errors);
}

/** Advice for an addon that is missing, broken, or made for another platform. */
const MEND = `To mend it, install wasi-rs again, or build it with Rust (https://rustup.rs) and \`npm rebuild wasi-rs\`;
where npm blocks install scripts: node ${JSON.stringify(path.join(root, 'scripts', 'build.js'))}`;

/** Advice for a Node that was told to load no addons. */
const ALLOW =
  'Node is run without native addons. Under --permission, add --allow-addons, and --allow-wasi for its programs; otherwise leave out --no-addons';

/** Advice for a bundle with this file in it: the addons can't be there too. */
const BUNDLED = `wasi-rs is part of a bundle, ${path.relative('', __filename)}: leave it out, as an external package,
and keep node_modules/wasi-rs where the bundle finds it (docs/deployment.md)`;

/** True if this file is not in its place in the package. */
const isBundled = __filename !== path.join(root, 'lib', 'load.js');

/**
 * The error, which names every place that was tried.
 *
 * @param {string[]} candidates
 * @param {NodeJS.ErrnoException[]} errors one for each candidate
 */
function loadError(candidates, errors) {
  const reasons = errors.map(
    ({ message }, i) => `  ${candidates[i]}\n    ${message.replace(/\nRequire stack:[^]*/, '')}`,
  );
  const isForbidden = errors.some(({ code }) => code === 'ERR_DLOPEN_DISABLED');
  const message = `wasi-rs: the native addon for ${triple()} could not be loaded
${reasons.join('\n')}
${isForbidden ? ALLOW : isBundled ? BUNDLED : MEND}`;
  // The error of a file that does not load is more helpful than that of a missing one.
  const cause = errors.find(({ code }) => code !== 'MODULE_NOT_FOUND') ?? errors[0];
  return Object.assign(new Error(message, { cause }), { code: 'ERR_WASI_RS_LOAD', errors });
}

module.exports = { load };
