'use strict';

const { classAddon } = require('../lib/addon.js');

const EXIT = Object.freeze({ NOT_STARTED: 2, TIMEOUT: 124, TRAP: 134 });

/** An error that is reported in one line, with the exit code of the process. */
class CliError extends Error {
  /** @param {string} message @param {number} [exitCode] */
  constructor(message, exitCode = EXIT.NOT_STARTED) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** The errors of the operating system in words. @type {Readonly<Record<string, string>>} */
const REASONS = {
  ENOENT: 'there is no such file or directory',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a directory',
  ENOTDIR: 'it is not a directory',
  ELOOP: 'there are too many symbolic links',
  EMFILE: 'too many files are open',
};

/** The reason of an error, to follow the name of a file. @param {unknown} error @returns {string} */
function reason(error) {
  const { code = '', message } = /** @type {NodeJS.ErrnoException} */ (error);
  return REASONS[code.replace('UVWASI_', '')] ?? message;
}

/** The advice of messages that the command line has no flag for. */
const ONLY_IN_SCRIPTS =
  /give it what it imports by options\.imports, or |; give it what it imports by options\.imports$/;

/**
 * An engine's message about "the program", with the name of its file instead, in one line.
 *
 * @param {string} program
 * @param {string} message
 */
function inNameOf(program, message) {
  const said = /^the program ([^]*)/.exec(message)?.[1];
  return said === undefined
    ? `${program}: ${message}`
    : `${program} ${said.replace(ONLY_IN_SCRIPTS, '').replace(/\n\s*/g, '; ')}`;
}

/**
 * Any error as the user sees it. An unforeseen error is shown with its stack.
 *
 * @param {any} error
 * @returns {{ message: string, exitCode: number }}
 */
function explain(error) {
  if (error instanceof CliError) return { message: error.message, exitCode: error.exitCode };
  // It says what to do.
  if (error?.code === 'ERR_WASI_RS_LOAD') {
    return { message: error.message.replace(/^wasi-rs: /, ''), exitCode: EXIT.NOT_STARTED };
  }
  const bug = 'this should not happen; please report it';
  return { message: `${error?.stack ?? error}\n${bug}`, exitCode: 70 };
}

/**
 * The candidate that was most likely meant.
 *
 * @param {string} word
 * @param {readonly string[]} candidates
 * @returns {string | undefined}
 */
const closest = (word, candidates) => classAddon().closest(word, candidates);

module.exports = { CliError, EXIT, closest, explain, inNameOf, reason };
