// The part of docs/cli.md that comes from the list of commands and flags.

import { COMMANDS, EXIT_CODES, flagsOf } from '../../cli/flags.js';
import { flagText, wrap } from '../../cli/help.js';

/** The line after which it begins. */
export const MARK = '<!-- The rest comes from cli/flags.js:';

const table = (head, rows) =>
  [`| ${head} | |`, '| --- | --- |', ...rows.map(([left, right]) => `| ${left} | ${right} |`)].join(
    '\n',
  );

const cell = (text) => text.replaceAll('|', '\\|');

export function reference() {
  const commands = COMMANDS.flatMap(({ name, usage, help }) => {
    const flags = flagsOf(name).filter(({ commands }) => commands);
    return [
      `## wasi-rs ${name}`,
      `\`wasi-rs ${name} ${usage}\``,
      wrap(help, 0),
      ...(flags.length > 0
        ? [
            table(
              'flag',
              flags.map((flag) => [`\`${flagText(flag)}\``, cell(flag.help)]),
            ),
          ]
        : []),
    ];
  });
  const everywhere = flagsOf('').map((flag) => [`\`${flagText(flag)}\``, cell(flag.help)]);
  const codes = EXIT_CODES.map(([code, meaning]) => [code, cell(meaning)]);
  return [
    ...commands,
    '## Every command',
    table('flag', everywhere),
    [
      'A value may follow its flag or a `=`: `--timeout 5s`, `--timeout=5s`.',
      'Flags end at the program, or at a `--` before it; one after it belongs to the program.',
    ].join('\n'),
    '## Exit code',
    "The program's own, of which the system hands on the low 8 bits (256 becomes 0; Windows has all 32), or:",
    table('code', codes),
  ].join('\n\n');
}
