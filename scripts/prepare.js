'use strict';

// Builds the addons, unless they are newer than their sources. npm runs this after `npm install` in a clone,
// and for a dependency that comes from git; never for the package of a registry.

const { build, isUpToDate } = require('./build.js');

if (!isUpToDate()) {
  try {
    build();
  } catch (error) {
    console.error(`wasi-rs: ${/** @type {Error} */ (error).message}`);
    process.exitCode = 1;
  }
}
