// The README's table: some rows of the last whole run.

import { describe } from './machine.mjs';
import { summary, table } from './markdown.mjs';

const START = '<!-- written by npm run bench -->\n';
const END = '<!-- end of what npm run bench writes -->\n';

/** The rows it shows. */
const SHOWN = [
  'clock_time_get, monotonic',
  'environ_get',
  'random_get, 8 B',
  'fd_write, 16 B to /dev/null',
  'fd_pread, 4 KiB',
  'path_open + fd_close, depth 1',
  'path_filestat_get, depth 1',
  'fd_readdir, 100 entries',
  'CPython imports 110 modules from files',
  'copy of 1024 MiB (tmpfs)',
  'process that runs the hello module',
];

/**
 * The README with the table of these results in place of the one it has.
 *
 * @param {string} readme
 * @param {{ machine: any, parts: any[] }} results
 */
export function withTable(readme, { machine, parts }) {
  const [before, rest] = readme.split(START);
  const [, after] = (rest ?? '').split(END);
  if (after === undefined) throw new Error(`README.md has no place for a table: ${START}`);
  const rows = parts.flatMap((part) => part.rows).filter(({ name }) => SHOWN.includes(name));
  const simple = rows.map(({ name, ours, theirs, kernel, unit, ratio }) => ({
    name,
    ours,
    theirs,
    kernel,
    unit,
    ratio,
  }));
  const tables = [summary(parts), table(simple)].join('\n\n');
  return `${before}${START}${tables}\n\n(${describe(machine)})\n${END}${after}`;
}
