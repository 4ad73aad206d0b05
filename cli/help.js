'use strict';

const { COMMANDS, EXIT_CODES, flagsOf } = require('./flags.js');

/** The columns of the left side, and of the whole line. */
const LEFT = 26;
const WIDTH = 96;

/**
 * The text of --help.
 *
 * @param {string} command
 * @returns {string}
 */
function help(command) {
  const {
    name,
    usage,
    help: about,
  } = /** @type {import('./flags.js').Command} */ (COMMANDS.find((one) => one.name === command));
  const flags = flagsOf(command).map((flag) => row(flagText(flag), flag.help));
  const isRun = name === 'run';
  const parts = [
    `wasi-rs ${name} ${usage}`,
    wrap(about, 0),
    ['Flags:', ...flags].join('\n'),
    ...(isRun
      ? [
          [
            "Exit code: the program's, or",
            ...EXIT_CODES.map(([code, text]) => row(String(code), text)),
          ].join('\n'),
        ]
      : []),
    ...(isRun ? [['Commands:', ...COMMANDS.map((one) => row(one.name, one.help))].join('\n')] : []),
  ];
  return `${parts.join('\n\n')}\n`;
}

/** A flag as it is written. @param {import('./flags.js').Flag} flag */
function flagText({ name, short, value }) {
  return `${short ? `-${short}, ` : ''}--${name}${value ? `${value.startsWith('[') ? '' : ' '}${value}` : ''}`;
}

/** @param {string} left @param {string} right */
function row(left, right) {
  const text = wrap(right, LEFT);
  return left.length > LEFT - 4
    ? `  ${left}\n${text}`
    : `  ${left.padEnd(LEFT - 2)}${text.trimStart()}`;
}

/** A text in lines that fit. @param {string} text @param {number} indent @returns {string} */
function wrap(text, indent) {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines[lines.length - 1];
    if (line && indent + line.length + 1 + word.length > WIDTH) lines.push(word);
    else lines[lines.length - 1] = line ? `${line} ${word}` : word;
  }
  return lines.map((line) => ' '.repeat(indent) + line).join('\n');
}

module.exports = { flagText, help, wrap };
