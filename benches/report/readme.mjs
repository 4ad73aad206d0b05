// The README's figures: the last whole run in a few lines.

import { times } from './format.mjs';
import { describe } from './machine.mjs';
import { slowerRows } from './summary.mjs';

const START = '<!-- written by npm run bench -->\n';
const END = '<!-- end of what npm run bench writes -->\n';

/**
 * The README with these results in place of those that it has.
 *
 * @param {string} readme
 * @param {{ machine: any, parts: any[] }} results
 */
export function withFigures(readme, { machine, parts }) {
  const [before, rest] = readme.split(START);
  const [, after] = (rest ?? '').split(END);
  if (after === undefined) throw new Error(`README.md has no place for the figures: ${START}`);
  const lines = parts.map(({ title, rows, geometricMean }) => {
    const compared = rows.filter(({ ratio }) => ratio !== undefined);
    const mean = times(geometricMean);
    return `- ${title}: ${mean && `${mean} in the geometric mean, `}${slowerRows(rows).length} of ${compared.length} slower`;
  });
  const figures = `Ratios above 1: wasi-rs is the faster one.\n\n${lines.join('\n')}`;
  return `${before}${START}${figures}\n\n(${describe(machine)})\n${END}${after}`;
}
