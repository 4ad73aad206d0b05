'use strict';

// The commands and flags, as data: the parser, --help and docs/cli.md read this list; no other place names
// them all.

/**
 * @typedef {object} Command
 * @property {string} name
 * @property {string} usage the arguments after the name
 * @property {boolean} [takesNothing] true if it takes no program
 * @property {boolean} [takesArguments] true if all that follows the program is the program's own
 * @property {string} help
 *
 * @typedef {object} Flag
 * @property {string} name without the dashes
 * @property {string} [short] one letter
 * @property {string} [value] the name of its value; a flag without one is on or off
 * @property {keyof typeof import('./values.js').VALUES} [kind] of value
 * @property {string} [limit] the limit that it sets
 * @property {string} [example] an example of its value
 * @property {boolean} [isOptional] true if it may have no value, before which there is no space then
 * @property {boolean} [repeated] true if each value counts, rather than the last
 * @property {readonly string[]} [commands] the commands that have it; all, if there are none here
 * @property {string} help
 */

/** @type {readonly Command[]} */
const COMMANDS = [
  {
    name: 'run',
    usage: '[FLAGS] PROGRAM [ARGUMENTS]',
    takesArguments: true,
    help: 'Runs a program. The command may be left out: `wasi-rs app.wasm` is `wasi-rs run app.wasm`. All arguments after the program are its own, `--` included.',
  },
  {
    name: 'serve',
    usage: '[FLAGS] PROGRAM',
    help: 'Serves HTTP with a component that exports wasi:http/incoming-handler or, in WASI 0.3, wasi:http/handler. Each request is answered by an instance of its own, in wasmtime; if that fails, the response is a 500, and the reason is written to stderr. At SIGINT, SIGTERM or SIGHUP it answers the requests that it has, and ends with the exit code 0; a second one ends it at once.',
  },
  {
    name: 'inspect',
    usage: '[FLAGS] PROGRAM',
    help: 'Lists the imports, exports and memories of a program, and what it needs that is missing here. The exit code is 1 if it can not run.',
  },
  {
    name: 'types',
    usage: '[FLAGS] PROGRAM',
    help: "Writes TypeScript's declarations of what load() gives for a component or module, and of what a component wants. It is compiled first, and the machine code kept.",
  },
  {
    name: 'compile',
    usage: 'PROGRAM',
    help: 'Makes machine code of a program and keeps it: the engine wasmtime then starts the program at once.',
  },
  {
    name: 'cache',
    usage: '[--clear]',
    takesNothing: true,
    help: 'Names the folder that keeps machine code, and its size.',
  },
  {
    name: 'build',
    usage: '[--class-only]',
    takesNothing: true,
    help: 'Builds the addons of this package from its sources in Rust, for a platform that has no package with them, or to have built them oneself: they are loaded instead of those. It needs Rust 1.95 or newer, and fetches what else it needs from crates.io.',
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
    commands: ['run', 'serve'],
    help: 'A directory the program may use, and its name for it. No path or link leads out of it. With :ro it may only read there (a directory whose own name ends so: HOST:ro::GUEST). Repeat for more.',
  },
  {
    name: 'tmpfs',
    value: 'GUEST[:SIZE]',
    kind: 'tmpfs',
    example: '/tmp:64M',
    repeated: true,
    commands: ['run', 'serve'],
    help: 'An empty directory in memory that the program may use by this name, of at most this size (bytes, or 64K, 256M, 1G; 256M if it is not said). Its files are gone when the program ends; with serve, requests share it. Repeat for more.',
  },
  {
    name: 'overlay',
    value: 'HOST[::GUEST]',
    kind: 'overlay',
    example: 'project::/project',
    repeated: true,
    commands: ['run', 'serve'],
    help: 'As --dir, but nothing in the directory is changed: what the program writes there is in memory, of at most 256M, and is gone when the program ends; with serve, requests share it. Repeat for more.',
  },
  {
    name: 'env',
    value: 'NAME[=VALUE]',
    kind: 'variable',
    example: 'LANG=C.UTF-8',
    repeated: true,
    commands: ['run', 'serve'],
    help: 'A variable of its environment, which is empty otherwise. Without a value, it has the one that it has here. Repeat for more.',
  },
  {
    name: 'timeout',
    value: 'DURATION',
    kind: 'duration',
    example: '5s',
    commands: ['run', 'serve'],
    help: 'Ends the program after this time (500ms, 5s, 2m, 1h): the exit code is 124. With serve it is the time of a request, with its wait for others, and the response is a 500.',
  },
  {
    name: 'max-memory',
    limit: 'memory',
    value: 'SIZE',
    kind: 'size',
    example: '256M',
    commands: ['run', 'serve'],
    help: 'The most that its memories, tables and objects may take together (bytes, or 64K, 256M, 1G).',
  },
  {
    name: 'max-table',
    limit: 'tableElements',
    value: 'ELEMENTS',
    kind: 'count',
    example: '100000',
    commands: ['run', 'serve'],
    help: 'The most elements that its tables may have, up to 10000000.',
  },
  {
    name: 'max-stack',
    limit: 'stack',
    value: 'SIZE',
    kind: 'size',
    example: '1M',
    commands: ['run', 'serve'],
    help: 'The stack that its calls may take, 4K to 64M. Default: 1M; in V8 without any limit, that of Node itself (984K, or node --stack-size).',
  },
  {
    name: 'max-files',
    limit: 'openFiles',
    value: 'COUNT',
    kind: 'count',
    example: '100',
    commands: ['run', 'serve'],
    help: 'The most files that it may have open, its standard streams and directories included.',
  },
  {
    name: 'fuel',
    limit: 'fuel',
    value: 'UNITS',
    kind: 'count',
    example: '1000000000',
    commands: ['run', 'serve'],
    help: 'The work that it may do, about an instruction for each unit; not in the engine v8. When it is used up, the exit code is 134, or the response a 500.',
  },
  {
    name: 'addr',
    value: 'HOST:PORT',
    kind: 'address',
    example: '127.0.0.1:8080',
    commands: ['serve'],
    help: 'The address that it listens at; a port alone is one of 127.0.0.1, and port 0 any that is free. Default: 127.0.0.1:8080.',
  },
  {
    name: 'max-requests',
    value: 'COUNT',
    kind: 'count',
    example: '100',
    commands: ['serve'],
    help: 'The requests that are answered at a time; others wait. Default: 64.',
  },
  {
    name: 'fetch',
    value: 'HOST[:PORT]',
    kind: 'host',
    example: 'api.example.org',
    repeated: true,
    commands: ['run', 'serve'],
    help: 'A host that a component may make requests of HTTP to; *.example.org stands for the hosts below that name, and * for all. Repeat for more. Without it, it may make none.',
  },
  {
    name: 'connect',
    value: 'HOST:PORT',
    kind: 'connect',
    example: 'db.example:5432',
    repeated: true,
    commands: ['run', 'serve'],
    help: 'Where a component may connect to, by TCP: a name, *.example.org for the names below that one, an address (an IPv6 one in brackets), a network (10.0.0.0/8), or * for all; and a port, a range (8000-8010) or *. udp:HOST:PORT: where it may send datagrams to, and receive them from. Repeat for more. Without it, nowhere.',
  },
  {
    name: 'listen',
    value: 'ADDRESS:PORT',
    kind: 'listen',
    example: '127.0.0.1:8080',
    repeated: true,
    commands: ['run', 'serve'],
    help: 'Where a program may take connections, by TCP: an address of this host, or * for all, and a port; port 0 is any that is free. A module is started with a socket that listens there, one address and one port: the first is descriptor 3 without --dir. udp:ADDRESS:PORT: where it may receive datagrams, from anybody. Repeat for more. Without it, nowhere.',
  },
  {
    name: 'deterministic',
    commands: ['run'],
    help: 'Has two runs do the same, byte for byte, where arguments, environment, input and files are the same: --clock and --random are fixed (--random 0), directories are listed in the order of names, and what WebAssembly leaves open is fixed. It runs in wasmtime; --fetch, --connect and --listen are refused.',
  },
  {
    name: 'clock',
    value: 'TIME[,STEP]',
    kind: 'clock',
    example: '2030-01-31T12:00:00Z,1ms',
    commands: ['run', 'serve'],
    help: 'The time that its clocks begin with, a date or @SECONDS since 1970; they move by STEP (0, or 100ns, 1us, 1ms, 1s) with each look, and by the time that it sleeps, which takes none. Default of STEP: 1us. With serve, it is the time of each request.',
  },
  {
    name: 'random',
    value: 'SEED',
    kind: 'text',
    example: '42',
    commands: ['run', 'serve'],
    help: 'The seed of its random bytes, any text: the same bytes in each run, and with serve for each request. They are not random to anybody who knows the seed.',
  },
  {
    name: 'trace',
    value: '[=FILE]',
    kind: 'file',
    example: 'calls.txt',
    isOptional: true,
    commands: ['run', 'serve'],
    help: 'Shows each of its system calls, with parameters and results, as a line on stderr, or at the end of a file: --trace=FILE. Without it, the variable WASI_RS_TRACE says the same: 1 for stderr, or a file.',
  },
  {
    name: 'engine',
    value: 'NAME',
    kind: 'engine',
    example: 'v8',
    commands: ['run'],
    help: 'The engine that runs it: wasmtime starts at once where machine code is kept; v8 needs none; auto is the one that starts sooner. Default: auto.',
  },
  {
    name: 'no-cache',
    commands: ['run', 'serve'],
    help: 'Neither uses machine code that is kept nor keeps any.',
  },
  {
    name: 'clear',
    commands: ['cache'],
    help: 'Removes the machine code.',
  },
  {
    name: 'json',
    commands: ['inspect'],
    help: 'Writes the report as JSON.',
  },
  {
    name: 'sync',
    commands: ['types'],
    help: 'For loadSync(), whose functions return values instead of promises.',
  },
  {
    name: 'class-only',
    commands: ['build'],
    help: 'Builds the addon with the class WASI alone, without the engines, which take most of the time.',
  },
  {
    name: 'help',
    short: 'h',
    help: 'Writes this, or the help of a command.',
  },
  {
    name: 'version',
    short: 'V',
    help: 'Writes the version.',
  },
];

/** The exit codes that are not the program's own. @type {readonly (readonly [number | string, string])[]} */
const EXIT_CODES = [
  [2, 'it was not started: the flags, the file or a directory are not right'],
  [124, 'it took longer than --timeout'],
  [134, 'it trapped (a mistake in the program, which ended it), or used up its --fuel'],
  ['128+N', 'signal N ended it, such as 130 for Ctrl-C'],
];

/** The flags of a command. @param {string} command @returns {Flag[]} */
const flagsOf = (command) => FLAGS.filter(({ commands }) => commands?.includes(command) ?? true);

module.exports = { COMMANDS, EXIT_CODES, FLAGS, flagsOf };
