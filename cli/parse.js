'use strict';

const { CliError, closest } = require('./errors.js');
const { COMMANDS, FLAGS, flagsOf } = require('./flags.js');
const { VALUES } = require('./values.js');

/**
 * @typedef {object} Invocation
 * @property {string} command
 * @property {Record<string, any>} flags their values by name; of a repeated one, an array
 * @property {string} program '' if none is given
 * @property {string[]} args what follows it
 */

/**
 * Reads a command line. The first argument names the command, which is `run` otherwise; flags end at the program, or at
 * `--`. All that follows the program is its own, `--` included.
 *
 * @param {readonly string[]} argv
 * @returns {Invocation}
 */
function parse(argv) {
  if (argv[0] === 'help') return parse(helpArguments(argv[1]));
  const named = COMMANDS.some(({ name }) => name === argv[0]);
  const command = named ? argv[0] : 'run';
  const rest = argv.slice(named ? 1 : 0);
  const flags = readFlags(command, rest);
  const [program = '', ...args] = rest;
  if (!flags.help && !flags.version) checkOperands(command, program, args);
  return { command, flags, program, args };
}

/** `wasi-rs help command`, as it is written otherwise. @param {string | undefined} command @returns {string[]} */
function helpArguments(command) {
  if (command === undefined) return ['--help'];
  const names = COMMANDS.map(({ name }) => name);
  if (names.includes(command)) return [command, '--help'];
  const meant = closest(command, names);
  const mend = meant ? `did you mean ${meant}?` : `there are ${names.join(', ')}`;
  throw new CliError(`there is no command ${quote(command)}; ${mend}`);
}

/** @param {string} command @param {string} program @param {string[]} args */
function checkOperands(command, program, args) {
  const { takesNothing } = COMMANDS.find(({ name }) => name === command) ?? {};
  const tooMany = takesNothing ? program : command === 'run' ? undefined : args[0];
  if (tooMany) throw new CliError(`what is ${quote(tooMany)}? see wasi-rs ${command} --help`);
  if (!takesNothing && !program) {
    throw new CliError(`which program? wasi-rs ${command} app.wasm; see wasi-rs --help`);
  }
}

/** Takes the flags from the front of the arguments. @param {string} command @param {string[]} rest */
function readFlags(command, rest) {
  /** @type {Record<string, any>} */
  const values = {};
  for (const { name, repeated } of flagsOf(command)) if (repeated) values[name] = [];
  while (rest.length > 0 && rest[0].startsWith('-') && rest[0] !== '-') {
    const argument = /** @type {string} */ (rest.shift());
    if (argument === '--') break;
    const [, written, attached] = /^([^=]*)(?:=([^]*))?$/.exec(argument) ?? [];
    const flag = findFlag(command, written);
    const value = readValue(flag, attached, rest);
    if (flag.repeated) values[flag.name].push(value);
    else values[flag.name] = value;
  }
  return values;
}

/** @param {string} command @param {string} written with its dashes @returns {import('./flags.js').Flag} */
function findFlag(command, written) {
  const known = flagsOf(command);
  const flag = known.find(({ name, short }) => written === `--${name}` || written === `-${short}`);
  if (flag) return flag;
  const other = FLAGS.find(({ name }) => written === `--${name}`);
  if (other?.commands)
    throw new CliError(`${written} is a flag of wasi-rs ${other.commands.join(', ')}`);
  const meant = closest(
    written,
    known.map(({ name }) => `--${name}`),
  );
  const mend = meant ? `did you mean ${meant}?` : `see wasi-rs ${command} --help`;
  throw new CliError(`unknown flag ${written}; ${mend}`);
}

/** @param {import('./flags.js').Flag} flag @param {string | undefined} attached after a `=` @param {string[]} rest */
function readValue({ name, kind, example }, attached, rest) {
  if (!kind) {
    if (attached !== undefined) throw new CliError(`--${name} takes no value`);
    return true;
  }
  const text = attached ?? rest.shift();
  if (text === undefined)
    throw new CliError(`--${name} needs a value, such as --${name} ${example}`);
  try {
    return VALUES[kind](text);
  } catch (error) {
    throw new CliError(`--${name} ${quote(text)}: ${/** @type {Error} */ (error).message}`);
  }
}

/** @param {string} text */
const quote = (text) => (/^[\w./:=@%+,-]+$/.test(text) ? text : JSON.stringify(text));

module.exports = { parse };
