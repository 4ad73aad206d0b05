'use strict';

const { parseArgs } = require('node:util');
const { CliError, closest } = require('./errors.js');
const { COMMANDS, FLAGS, flagsOf } = require('./flags.js');
const { VALUES } = require('./values.js');

/**
 * @typedef {object} Invocation
 * @property {string} command
 * @property {Record<string, any>} flags their values by name; of a repeated one, an array
 * @property {string} program '' if none is given
 * @property {string[]} args those after it
 */

/**
 * Reads a command line. The first argument names the command, which is `run` otherwise. Where a program gets
 * arguments, all after it are its own, `--` included.
 *
 * @param {readonly string[]} argv
 * @returns {Invocation}
 */
function parse(argv) {
  if (argv[0] === 'help') return parse(helpArguments(argv[1]));
  const named = COMMANDS.some(({ name }) => name === argv[0]);
  const command = named ? argv[0] : 'run';
  const { flags, operands } = readFlags(command, argv.slice(named ? 1 : 0));
  const [program = '', ...args] = operands;
  if (!flags.help && !flags.version) checkOperands(command, program, args);
  return { command, flags, program, args };
}

/**
 * The arguments that `wasi-rs help command` stands for.
 *
 * @param {string | undefined} command
 * @returns {string[]}
 */
function helpArguments(command) {
  if (command === undefined) return ['--help'];
  const names = COMMANDS.map(({ name }) => name);
  if (names.includes(command)) return [command, '--help'];
  const meant = closest(command, names);
  const mend = meant ? `did you mean ${meant}?` : `there are ${names.join(', ')}`;
  throw new CliError(`there is no command ${quote(command)}; ${mend}`);
}

/** @param {string} command @returns {import('./flags.js').Command} */
const commandOf = (command) =>
  /** @type {import('./flags.js').Command} */ (COMMANDS.find(({ name }) => name === command));

/** @param {string} command @param {string} program @param {string[]} args */
function checkOperands(command, program, args) {
  const { takesNothing, takesArguments } = commandOf(command);
  const tooMany = takesNothing ? program : takesArguments ? undefined : args[0];
  if (tooMany) {
    throw new CliError(`unexpected argument ${quote(tooMany)}; see wasi-rs ${command} --help`);
  }
  if (!takesNothing && !program) {
    throw new CliError(`no program is given: wasi-rs ${command} app.wasm; see wasi-rs --help`);
  }
}

/**
 * The flags at the front of the arguments, and the arguments after them. Where a program gets no arguments,
 * flags may come after it.
 *
 * @param {string} command
 * @param {string[]} args
 */
function readFlags(command, args) {
  const known = flagsOf(command);
  const { takesArguments } = commandOf(command);
  /** @type {string[]} */
  const operands = [];
  /** @type {Record<string, any>} */
  const flags = {};
  for (const { name, repeated } of known) if (repeated) flags[name] = [];
  // Not strict: strictly, Node takes no value that begins with a dash, and has no suggestions for a misspelt
  // flag.
  const { tokens } = parseArgs({ args, options: optionsOf(known), strict: false, tokens: true });
  for (const token of tokens) {
    if (token.kind === 'positional') {
      if (takesArguments) return { flags, operands: args.slice(token.index) };
      operands.push(token.value);
      continue;
    }
    if (token.kind === 'option-terminator')
      return { flags, operands: [...operands, ...args.slice(token.index + 1)] };
    // As it was written: short flags are not put together.
    const flag = findFlag(command, token.inlineValue ? token.rawName : args[token.index]);
    const value = readValue(flag, token.value);
    if (flag.repeated) flags[flag.name].push(value);
    else flags[flag.name] = value;
  }
  return { flags, operands };
}

/** The flags as `parseArgs` takes them. @param {readonly import('./flags.js').Flag[]} flags */
function optionsOf(flags) {
  /** @type {import('node:util').ParseArgsOptionsConfig} */
  const options = {};
  for (const { name, short, kind, isOptional } of flags) {
    options[name] = { type: kind && !isOptional ? 'string' : 'boolean', ...(short && { short }) };
  }
  return options;
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

/** @param {import('./flags.js').Flag} flag @param {string | undefined} text the value as it was written */
function readValue({ name, kind, isOptional, example }, text) {
  if (!kind) {
    if (text !== undefined) throw new CliError(`--${name} takes no value`);
    return true;
  }
  if (text === undefined && isOptional) return true;
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
