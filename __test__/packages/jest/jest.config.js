'use strict';

const project = (/** @type {string} */ name, options = {}) => ({
  displayName: name,
  rootDir: __dirname,
  testMatch: [`<rootDir>/${name}/*.test.js`],
  ...options,
});

module.exports = {
  projects: [
    project('plain'),
    project('mapped', { moduleNameMapper: { '^(node:)?wasi$': 'wasi-rs' } }),
    project('registered'),
  ],
};
