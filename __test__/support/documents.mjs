// Documents in Markdown: their sections, blocks of code and links, and the commands that they have people type.

import fs from 'node:fs';
import path from 'node:path';
import { execute } from './execute.mjs';
import { root } from './host.mjs';

/**
 * @typedef {object} Block
 * @property {string} document
 * @property {number} line of its fence
 * @property {string} language
 * @property {string | undefined} name of the file that it is: the line before it ends in "`name`:"
 * @property {string} code
 */

/** @typedef {{ title: string, blocks: Block[] }} Section */

/** @param {string} document its path in the repository */
export const read = (document) => fs.readFileSync(path.join(root, document), 'utf8');

/**
 * The lines of a document, each with whether it is code: within fences, or one of them.
 *
 * @param {string} text
 */
function linesOf(text) {
  let fence = '';
  return text.split('\n').map((line) => {
    const [mark] = /^ *```/.exec(line) ?? [];
    const isCode = fence !== '' || mark !== undefined;
    if (mark !== undefined) fence = fence ? '' : mark;
    return { line, isCode };
  });
}

/**
 * The sections of a document, which begin with headings of the second level. The text before has the title ''.
 *
 * @param {string} document its path in the repository
 * @returns {Section[]}
 */
export function sectionsOf(document) {
  const sections = [{ title: '', /** @type {Block[]} */ blocks: [] }];
  /** @type {Block | undefined} */
  let block;
  /** The last line of text that is not empty. */
  let before = '';
  for (const [i, { line, isCode }] of linesOf(read(document)).entries()) {
    const fence = /^ *```(\w*)/.exec(line);
    if (!isCode) {
      if (line.startsWith('## ')) sections.push({ title: line.slice(3), blocks: [] });
      if (line.trim()) before = line;
    } else if (!block) {
      const [, name] = /`([^`\s]+\.\w+)`:$/.exec(before) ?? [];
      block = { document, line: i + 1, language: fence?.[1] ?? '', name, code: '' };
    } else if (fence) {
      sections.at(-1)?.blocks.push(block);
      [block, before] = [undefined, ''];
    } else {
      block.code += `${line}\n`;
    }
  }
  return sections;
}

/** @param {string} document @param {string} language @returns {string[]} the code of its blocks */
export const blocksOf = (document, language) =>
  sectionsOf(document)
    .flatMap(({ blocks }) => blocks)
    .filter((block) => block.language === language)
    .map(({ code }) => code);

/**
 * The sections of a page by their titles: the files and commands in it.
 *
 * @param {string} document its path in the repository
 * @returns {Map<string, { files: Record<string, string>, commands: string }>}
 */
export function recipesOf(document) {
  return new Map(
    sectionsOf(document).map(({ title, blocks }) => {
      const files = blocks.filter(({ name }) => name).map(({ name, code }) => [name, code]);
      const commands = blocks.filter(({ name, language }) => !name && language === 'sh');
      return [
        title,
        { files: Object.fromEntries(files), commands: commands.map(({ code }) => code).join('') },
      ];
    }),
  );
}

/** A heading's anchor, as GitHub makes it. @param {string} heading */
const slug = (heading) =>
  heading
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\p{M}_ -]/gu, '')
    .replaceAll(' ', '-');

/** @param {string} text of a document @returns {Set<string>} the anchors of its headings */
export function anchorsOf(text) {
  const anchors = new Set();
  for (const { line, isCode } of linesOf(text)) {
    const [, heading] = (!isCode && /^#{1,6} (.*)$/.exec(line)) || [];
    if (heading === undefined) continue;
    let anchor = slug(heading);
    for (let i = 1; anchors.has(anchor); i++) anchor = `${slug(heading)}-${i}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** @param {string} text of a document @returns {string[]} the targets of its links and pictures */
export function linksOf(text) {
  const prose = linesOf(text)
    .filter(({ isCode }) => !isCode)
    .map(({ line }) => line)
    .join('\n')
    .replaceAll(/`[^`]*`/g, '``');
  return [...prose.matchAll(/\]\(([^)\s]+)\)|(?:href|src)="([^"]+)"|^\[[^\]]+\]: (\S+)$/gm)].map(
    ([, a, b, c]) => a ?? b ?? c,
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
 * @param {{ cwd: string, bin: string[], env?: NodeJS.ProcessEnv }} options bin: folders of the packages' commands
 * @returns {Promise<{ stdout: string, output: string }>}
 */
export function shell(commands, { cwd, bin, env = {} }) {
  const PATH = [path.dirname(process.execPath), ...bin, process.env.PATH].join(path.delimiter);
  // npx would ask the registry for what is not in the folder; all that the pages name is on the PATH.
  const script = `set -e\nnpx() { "$@"; }\n${commands}`;
  return execute('sh', ['-c', script], { cwd, env: { PATH, ...env } });
}
