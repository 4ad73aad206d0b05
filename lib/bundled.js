'use strict';

// The advice for who finds this package inside of a bundle. This file requires nothing: in a bundle that may
// not work.

/** Where the package is kept out of the bundle, by bundler. docs/deployment.md has whole recipes. */
const BUNDLERS = {
  esbuild: '--external:wasi-rs',
  webpack: "externals: { 'wasi-rs': 'commonjs wasi-rs' }",
  'Rollup, Rolldown': "external: ['wasi-rs']",
  Vite: "ssr: { external: ['wasi-rs'] }",
  ncc: '--external wasi-rs',
  'Next.js': "serverExternalPackages: ['wasi-rs']",
};

/**
 * The advice.
 *
 * @param {string} where what this file is part of
 * @returns {string}
 */
function advice(where) {
  const options = Object.entries(BUNDLERS).map(([name, option]) => `  ${name}: ${option}`);
  return `wasi-rs is part of a bundle${where}, where its addons can't be. Keep wasi-rs external:
${options.join('\n')}
and have node_modules/wasi-rs and node_modules/@wasi-rs where the bundle finds them (docs/deployment.md)`;
}

/** The error of a bundle that is an ES module: it has no folder of its own. */
function moduleError() {
  return Object.assign(new Error(`wasi-rs: ${advice('')}`), { code: 'ERR_WASI_RS_LOAD' });
}

module.exports = { BUNDLERS, advice, moduleError };
