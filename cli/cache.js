'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { cacheFolder } = require('../lib/program.js');
const { CliError, reason } = require('./errors.js');
const { write } = require('./output.js');
const { sizeText } = require('./values.js');

/** The names of the cache's own files: a folder that somebody chose may hold others. */
const OURS = /^[0-9a-f]{64}\./;
const IS_CODE = /\.cwasm$/;

/**
 * wasi-rs cache
 *
 * @param {import('./parse.js').Invocation} invocation
 */
function cache({ flags }) {
  const folder = cacheFolder(true);
  if (folder === undefined) return write('The cache is off.\n');
  const files = filesOf(folder);
  const programs = files.filter(({ file }) => IS_CODE.test(file)).length;
  const size = sizeText(files.reduce((sum, { bytes }) => sum + bytes, 0));
  const content = `${programs} ${programs === 1 ? 'program' : 'programs'}, ${size}`;
  if (!flags.clear) return write(`${folder}\n${content}\n`);
  for (const { file } of files) remove(file);
  return write(`Removed from ${folder}: ${content}\n`);
}

/** @param {string} folder */
function filesOf(folder) {
  return list(folder).flatMap((name) => {
    const file = path.join(folder, name);
    const stat = OURS.test(name) && lstat(file);
    return stat && stat.isFile() ? [{ file, bytes: stat.size }] : [];
  });
}

/** The names in a folder, which must not be a link. @param {string} folder @returns {string[]} */
function list(folder) {
  if (lstat(folder)?.isSymbolicLink()) {
    throw new CliError(`the cache ${folder}: is a symbolic link. Name the folder it leads to`);
  }
  try {
    return fs.readdirSync(folder);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT') return [];
    throw new CliError(`the cache ${folder}: ${reason(error)}`);
  }
}

/** The file at a path, links not followed; undefined if it can't be read. @param {string} path */
function lstat(path) {
  try {
    return fs.lstatSync(path);
  } catch {
    return undefined;
  }
}

/** @param {string} file */
function remove(file) {
  try {
    fs.rmSync(file, { force: true });
  } catch (error) {
    throw new CliError(`can't remove ${file}: ${reason(error)}`);
  }
}

module.exports = { cache };
