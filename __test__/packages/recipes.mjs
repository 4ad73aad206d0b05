// The recipes of a page in docs/: the files and commands of its sections, as the page has them.

import fs from 'node:fs';
import path from 'node:path';
import { execute } from './node.mjs';

const root = path.join(import.meta.dirname, '..', '..');
const bin = path.join(import.meta.dirname, 'node_modules', '.bin');

/**
 * @typedef {object} Recipe
 * @property {Record<string, string>} files name to content: the blocks after a line that ends in "`name`:"
 * @property {string} commands the blocks of `sh`
 */

/**
 * The blocks of code of a document.
 *
 * @param {string} document its path in the repository
 * @param {string} language
 * @returns {string[]}
 */
export function blocksOf(document, language) {
  const text = fs.readFileSync(path.join(root, document), 'utf8');
  return [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
    .filter(([, name]) => name === language)
    .map(([, , code]) => code);
}

/**
 * The sections of a page by their titles. The text before the first one has the title ''.
 *
 * @param {string} page its name in docs/
 * @returns {Map<string, Recipe>}
 */
export function recipesOf(page) {
  const text = fs.readFileSync(path.join(root, 'docs', page), 'utf8');
  return new Map(
    `## \n${text}`
      .split(/^## /m)
      .slice(1)
      .map((section) => {
        const [title] = section.split('\n', 1);
        const blocks = [...section.matchAll(/(?:`([^`\n]+)`:\n\n)?^```(\w+)\n(.*?)^```$/gms)];
        const files = blocks.filter(([, name]) => name).map(([, name, , code]) => [name, code]);
        const commands = blocks.filter(([, name, language]) => !name && language === 'sh');
        return [
          title,
          {
            files: Object.fromEntries(files),
            commands: commands.map(([, , , code]) => code).join(''),
          },
        ];
      }),
  );
}

/** Writes files into a folder. @param {string} folder @param {Record<string, string | Uint8Array>} files */
export function write(folder, files) {
  for (const [name, content] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    fs.writeFileSync(path.join(folder, name), content);
  }
}

/**
 * Runs commands as a shell does in which the packages' own are on the PATH. The first that fails ends them.
 *
 * @param {string} commands
 * @param {{ cwd: string, env?: NodeJS.ProcessEnv }} options
 * @returns {Promise<{ stdout: string, output: string }>}
 */
export function shell(commands, { cwd, env = {} }) {
  const PATH = [path.dirname(process.execPath), bin, process.env.PATH].join(path.delimiter);
  // npx would ask the registry for what is not in the folder; all that the pages name is on the PATH.
  const script = `set -e\nnpx() { "$@"; }\n${commands}`;
  return execute('sh', ['-c', script], { cwd, env: { PATH, ...env } });
}
