#!/usr/bin/env node
'use strict';

// npx wasi-rs

const { explain } = require('./errors.js');
const { help } = require('./help.js');
const { complain, write } = require('./output.js');
const { parse } = require('./parse.js');

/**
 * The function of each command.
 *
 * @type {Record<string, (invocation: import('./parse.js').Invocation) => unknown>}
 */
const ACTIONS = {
  run: (invocation) => require('./run.js').run(invocation),
  serve: (invocation) => require('./serve.js').serve(invocation),
  inspect: (invocation) => require('./inspect.js').inspect(invocation),
  types: (invocation) => require('./types.js').types(invocation),
  compile: (invocation) => require('./compile.js').compile(invocation),
  cache: (invocation) => require('./cache.js').cache(invocation),
  build: (invocation) => require('./build.js').build(invocation),
};

/** @param {readonly string[]} argv @returns {Promise<unknown>} the exit code, if it is not 0 */
async function main(argv) {
  const invocation = parse(argv);
  const { command, flags } = invocation;
  if (flags.help) return write(help(command));
  if (flags.version) return write(`wasi-rs ${require('../package.json').version}\n`);
  return ACTIONS[command](invocation);
}

main(process.argv.slice(2)).then(
  (exitCode) => {
    process.exitCode = Number(exitCode ?? 0);
  },
  (error) => {
    const { message, exitCode } = explain(error);
    complain(`wasi-rs: ${message}\n`, exitCode);
  },
);
