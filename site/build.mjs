// npm run site: makes the site of the documents in dist/, which any server of files can serve, GitHub Pages too.
// The documents are copied, since their links lead to files of the repository, which is elsewhere on the web.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = import.meta.dirname ?? path.dirname(fileURLToPath(import.meta.url));
const root = path.dirname(here);
const source = path.join(here, 'build');

/** The pages that are no part of docs/, and their addresses. */
const PAGES = {
  'README.md': 'index.md',
  'ARCHITECTURE.md': 'architecture.md',
  'CHANGELOG.md': 'changelog.md',
  'CONTRIBUTING.md': 'contributing.md',
  'SECURITY.md': 'security.md',
};

/** @param {string} folder in the repository */
const documentsIn = (folder) =>
  fs
    .readdirSync(path.join(root, folder), { recursive: true })
    .map((name) => path.posix.join(folder, name.replaceAll('\\', '/')))
    .filter((name) => name.endsWith('.md') && !name.includes('node_modules'));

/** @type {Map<string, string>} the pages by their documents */
const pages = new Map(Object.entries(PAGES));
for (const name of documentsIn('docs')) {
  pages.set(name, name.slice('docs/'.length).replace(/README\.md$/, 'index.md'));
}
pages.set('docs/README.md', 'documents.md');
for (const name of documentsIn('examples'))
  pages.set(name, name.replace(/README\.md$/, 'index.md'));

const { repository } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
/** Where files of the repository are on the web. */
const web = repository?.url.replace(/^git\+|\.git$/g, '') ?? 'https://github.com/wasi-rs/wasi-rs';

/** Where a link of a document leads on the site. @param {string} document @param {string} link */
function rewritten(document, link) {
  if (/^(?:[a-z]+:|#)/.test(link)) return link;
  const [file, anchor] = link.split('#');
  const target = path.posix.join(path.posix.dirname(document), file);
  const hash = anchor ? `#${anchor}` : '';
  if (target === 'index.d.ts') return '/api/';
  const page = pages.get(target) ?? pages.get(path.posix.join(target, 'README.md'));
  if (page) return `/${page}${hash}`;
  if (/\.(svg|png)$/.test(target)) return `/${path.posix.basename(target)}`;
  return `${web}/blob/main/${target}${hash}`;
}

/** A document as a page, with the links of the site. @param {string} document */
function pageOf(document) {
  const text = fs.readFileSync(path.join(root, document), 'utf8');
  let isCode = false;
  const lines = text.split('\n').map((line) => {
    if (line.startsWith('```')) isCode = !isCode;
    if (isCode) return line;
    return line.replaceAll(/\]\(([^)\s]+)\)/g, (_, link) => `](${rewritten(document, link)})`);
  });
  return lines.join('\n');
}

/** @param {string} script of a package @param {string[]} args */
function run(script, args) {
  const { status } = spawnSync(
    process.execPath,
    [path.join(here, 'node_modules', script), ...args],
    {
      cwd: here,
      stdio: 'inherit',
    },
  );
  if (status !== 0) process.exit(status ?? 1);
}

fs.rmSync(source, { recursive: true, force: true });
for (const [document, page] of pages) {
  fs.mkdirSync(path.dirname(path.join(source, page)), { recursive: true });
  fs.writeFileSync(path.join(source, page), pageOf(document));
}
fs.mkdirSync(path.join(source, 'public'), { recursive: true });
fs.copyFileSync(
  path.join(root, 'docs', 'benchmark.svg'),
  path.join(source, 'public', 'benchmark.svg'),
);

run('typedoc/bin/typedoc', ['--options', 'typedoc.json']);
run('vitepress/bin/vitepress.js', ['build', '.']);
