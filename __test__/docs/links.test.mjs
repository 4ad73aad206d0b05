// Links in the documents lead to files and headings that are there. Those to other hosts are not asked for.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { anchorsOf, linksOf, read } from '../support/documents.mjs';
import { root } from '../support/host.mjs';
import { allDocuments } from './pages.mjs';

/** @type {{ repository?: { url: string } }} */
const { repository } = JSON.parse(read('package.json'));
/** Where files of the repository are on the web, if that is known. */
const own = repository?.url.replace(/^git\+|\.git$/g, '');

/**
 * The file that a link leads to, and its heading.
 *
 * @param {string} document
 * @param {string} link
 */
function target(document, link) {
  const inOwn =
    own &&
    link.startsWith(`${own}/`) &&
    /^(?:blob|tree)\/[^/]+\/(.*)$/.exec(link.slice(own.length + 1));
  const relative = inOwn ? inOwn[1] : link;
  const [file, anchor] = relative.split('#');
  const folder = inOwn ? '' : path.dirname(document);
  return { file: file === '' ? document : path.join(folder, decodeURI(file)), anchor };
}

for (const document of allDocuments) {
  test(document, () => {
    for (const link of linksOf(read(document))) {
      if (/^[a-z]+:/.test(link) && !(own && link.startsWith(`${own}/blob/`))) continue;
      const { file, anchor } = target(document, link);
      assert.ok(fs.existsSync(path.join(root, file)), `${link}: there is no ${file}`);
      if (anchor === undefined) continue;
      assert.ok(anchorsOf(read(file)).has(anchor), `${link}: ${file} has no such heading`);
    }
  });
}

test('links are found as they are written, and anchors are as GitHub makes them', () => {
  const text = '# A `b`: [c](d), e!\n## A\n## A\n[x\ny](z#a) `[no](no)`\n```\n[no](no)\n```\n';
  assert.deepEqual(linksOf(text), ['d', 'z#a']);
  assert.deepEqual([...anchorsOf(text)], ['a-b-c-e', 'a', 'a-1']);
});

test('a document is a file that somebody finds: another one leads to it', () => {
  const found = new Set(
    allDocuments.flatMap((document) =>
      linksOf(read(document))
        .filter((link) => !/^[a-z]+:/.test(link))
        .map((link) => target(document, link).file.replaceAll('\\', '/')),
    ),
  );
  const lost = allDocuments.filter((document) => !found.has(document) && document !== 'README.md');
  assert.deepEqual(lost, []);
});
