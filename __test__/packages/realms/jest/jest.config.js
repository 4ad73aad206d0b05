'use strict';

const project = (/** @type {string} */ testEnvironment) => ({
  displayName: testEnvironment,
  rootDir: __dirname,
  testEnvironment,
});

module.exports = { projects: [project('node'), project('jsdom')] };
