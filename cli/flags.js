'use strict';

// The commands and flags, as data: the parser, --help and docs/cli.md read this list, and nothing else knows them.

/**
 * @typedef {object} Command
 * @property {string} name
 * @property {string} usage what follows the name
 * @property {boolean} [takesNothing] whether it is about no program
 * @property {string} help
 *
 * @typedef {object} Flag
 * @property {string} name without the dashes
 * @property {string} [short] one letter
 * @property {string} [value] what its value is called; a flag without one is on or off
 * @property {keyof typeof import('./values.js').VALUES} [kind] of value
 * @property {string} [limit] that it sets
 * @property {string} [example] a value
 * @property {boolean} [repeated] whether each value counts, rather than the last
 * @property {readonly string[]} [commands] that have it; without them, all
 * @property {string} help
 */

/** @type {readonly Command[]} */
const COMMANDS = [
  {
    name: 'run',
    usage: '[FLAGS] PROGRAM [ARGUMENTS]',
    help: 'Runs a program; may be left out: `wasi-rs app.wasm` is `wasi-rs run app.wasm`. All that follows the program is its own, `--` included.',
  },
  {
    name: 'inspect',
    usage: '[FLAGS] PROGRAM',
    help: 'Tells what a program imports, exports and needs, and what of that is missing here. The exit code is 1 if it can not run.',
  },
  {
    name: 'compile',
    usage: 'PROGRAM',
    help: 'Makes machine code of a program and keeps it, so that the engine wasmtime starts it at once the next time.',
  },
  {
    name: 'cache',
    usage: '[--clear]',
    takesNothing: true,
    help: 'Tells where machine code is kept, and how much of it.',
  },
];

/** @type {readonly Flag[]} */
const FLAGS = [
  {
    name: 'dir',
    value: 'HOST[::GUEST][:ro]',
    kind: 'directory',
    example: 'data::/data:ro',
    repeated: true,
    commands: ['run'],
    help: 'A directory the program may use, and its name for it. No path or link leads out of it. With :ro it may only read there (a directory whose own name ends so: HOST:ro::GUEST). Repeat for more.',
  },
  {
    name: 'env',
    value: 'NAME[=VALUE]',
    kind: 'variable',
    example: 'LANG=C.UTF-8',
    repeated: true,
    commands: ['run'],
    help: 'A variable of its environment, which is empty otherwise; without a value, the one it has here. Repeat for more.',
  },
  {
    name: 'timeout',
    value: 'DURATION',
    kind: 'duration',
    example: '5s',
    commands: ['run'],
    help: 'Ends the program after so long (500ms, 5s, 2m, 1h). The exit code is 124 then.',
  },
  {
    name: 'max-memory',
    limit: 'memory',
    value: 'SIZE',
    kind: 'size',
    example: '256M',
    commands: ['run'],
    help: 'How much its memories, tables and objects may take together (bytes, or 64K, 256M, 1G); beyond that it gets no more.',
  },
  {
    name: 'max-table',
    limit: 'tableElements',
    value: 'ELEMENTS',
    kind: 'count',
    example: '100000',
    commands: ['run'],
    help: 'How many elements its tables may have, 10000000 at most.',
  },
  {
    name: 'max-stack',
    limit: 'stack',
    value: 'SIZE',
    kind: 'size',
    example: '1M',
    commands: ['run'],
    help: 'How much stack its calls may take, 4K to 64M. Otherwise 1M; without any limit, in V8, what Node itself has (984K, or node --stack-size).',
  },
  {
    name: 'max-files',
    limit: 'openFiles',
    value: 'COUNT',
    kind: 'count',
    example: '100',
    commands: ['run'],
    help: 'How many files it may have open, its standard streams and directories included.',
  },
  {
    name: 'fuel',
    limit: 'fuel',
    value: 'UNITS',
    kind: 'count',
    example: '1000000000',
    commands: ['run'],
    help: 'How much it may do, about an instruction for each unit; not in the engine v8. The exit code is 134 when it is used up.',
  },
  {
    name: 'trace',
    commands: ['run'],
    help: 'Shows each of its system calls, with parameters and results, as a line on stderr.',
  },
  {
    name: 'engine',
    value: 'NAME',
    kind: 'engine',
    example: 'v8',
    commands: ['run'],
    help: 'What runs it: wasmtime, which starts at once where machine code is kept; v8, which needs none; auto, whichever starts sooner. Default: auto.',
  },
  {
    name: 'no-cache',
    commands: ['run'],
    help: 'Neither uses machine code that is kept nor keeps any.',
  },
  {
    name: 'clear',
    commands: ['cache'],
    help: 'Removes what is kept.',
  },
  {
    name: 'json',
    commands: ['inspect'],
    help: 'Writes it as JSON.',
  },
  {
    name: 'help',
    short: 'h',
    help: 'Writes this, or with a command what it does.',
  },
  {
    name: 'version',
    short: 'V',
    help: 'Writes the version.',
  },
];

/** What exit codes mean that are not the program's own. @type {readonly (readonly [number | string, string])[]} */
const EXIT_CODES = [
  [2, 'it was not started: the flags, the file or a directory are not right'],
  [124, 'it took longer than --timeout'],
  [134, 'it trapped (a mistake in the program, which ended it), or used up its --fuel'],
  ['128+N', 'signal N ended it, such as 130 for Ctrl-C'],
];

/** @param {string} command @returns {Flag[]} those that the command has */
const flagsOf = (command) => FLAGS.filter(({ commands }) => commands?.includes(command) ?? true);

module.exports = { COMMANDS, EXIT_CODES, FLAGS, flagsOf };
