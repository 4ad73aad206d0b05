'use strict';

// Runs the tests in JavaScript on addons that were built elsewhere, without Rust and other packages:
//   node scripts/test-addons.js [--addons DIR] [FOLDER or FILE of __test__...]

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { binaryName, triple } = require('../platform.js');

const root = path.dirname(__dirname);

/** Tests that need Rust, npm or a fast machine. */
const LEFT_OUT = /^(npm\/(package|release|benchmark-docs)|class\/panic|sandbox\/cache-fence)\./;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { addons: { type: 'string' }, timeout: { type: 'string', default: '600000' } },
});
if (values.addons) {
  for (const name of /** @type {const} */ (['wasi-rs', 'wasi-rs-engine'])) {
    const file = binaryName(triple(), name);
    fs.copyFileSync(path.join(values.addons, file), path.join(root, file));
  }
}
const chosen =
  positionals.length > 0 ? positionals : ['class', 'run', 'engines', 'sandbox', 'cli', 'npm'];
const files = chosen
  .flatMap((name) =>
    name.endsWith('.mjs')
      ? [name]
      : fs
          .readdirSync(path.join(root, '__test__', name))
          .filter((file) => file.endsWith('.test.mjs'))
          .map((file) => `${name}/${file}`),
  )
  .filter((file) => !LEFT_OUT.test(file));
const { status } = spawnSync(
  process.execPath,
  [
    '--test',
    '--test-concurrency=2',
    `--test-timeout=${values.timeout}`,
    '--test-reporter=tap',
    ...files.map((file) => path.join('__test__', file)),
  ],
  { cwd: root, stdio: 'inherit', env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined } },
);
process.exitCode = status ?? 1;
