'use strict';

// npm test [-- filter]: sets up what is missing, then runs the tests in Rust and those in JavaScript.
// A filter is part of the path of a file in __test__/, such as `cli` or `cli/flags`: these files are run, and
// nothing else. If no file has it, it is part of a test's name, in Rust or JavaScript.
// The addons under test are those in the package, built with any profile.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { isUpToDate, root } = require('./build.js');

const filters = process.argv.slice(2);
// How Rust is built for tests, where not in the dev profile (.ci/run).
const profile = process.env.WASI_RS_TEST_PROFILE?.split(' ') ?? [];

// In a terminal Node's runner would set FORCE_COLOR for the processes that the tests start, whose output they
// compare.
const env = { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined };

/** @param {string} command @param {string[]} args */
function run(command, args) {
  const shell = command === 'npm' && process.platform === 'win32'; // npm.cmd
  const { error, status } = spawnSync(command, args, { cwd: root, stdio: 'inherit', shell, env });
  if (error) console.error(`wasi-rs: ${error.message}`);
  if (status !== 0) process.exit(status ?? 1);
}

/** Tells what comes next. @param {string} what */
const say = (what) => console.log(`wasi-rs: ${what}`);

const all = fs.readdirSync(path.join(root, '__test__')).flatMap((folder) =>
  fs
    .readdirSync(path.join(root, '__test__', folder))
    .filter((name) => name.endsWith('.test.mjs'))
    .map((name) => ({
      folder,
      file: path.join('__test__', folder, name),
      name: `${folder}/${name}`,
    })),
);
const named = all.filter(({ name }) => filters.some((filter) => name.includes(filter)));

if (filters.length === 0) {
  say('all tests take 4 minutes on two cores; from nothing 8, with 530 MB of packages to download');
}
if (!fs.existsSync(path.join(root, 'node_modules'))) {
  say('installs the packages that it is developed with');
  run('npm', ['ci']);
}
if (!isUpToDate()) {
  say('builds the addons, whose sources have changed');
  run(process.execPath, ['scripts/build.js']);
}

if (named.length === 0) {
  say('tests in Rust: compiles what has changed, then runs them');
  run('cargo', ['test', '--workspace', ...profile, '--', ...filters]);
  run('cargo', ['test', '--manifest-path', 'crates/runner/loom/Cargo.toml', '--', ...filters]);
}

let tests = named.length > 0 ? named : all;
// The tests of packages download them: not for a filter of tests, which most likely is about something else.
const packages = path.join('__test__', 'packages');
const isPackages = (/** @type {{ folder: string }} */ { folder }) => folder === 'packages';
if (
  filters.length === 0 ||
  named.some(isPackages) ||
  fs.existsSync(path.join(root, packages, 'node_modules'))
) {
  // Those of docs/ use some of the packages.
  if (tests.some(({ folder }) => ['packages', 'docs'].includes(folder))) {
    say('the packages that others built, unless they are there');
    run(process.execPath, [path.join(packages, 'install.js')]);
  }
} else {
  tests = tests.filter((test) => !isPackages(test));
}
say(`tests in JavaScript: ${tests.length} files`);
run(process.execPath, [
  '--test',
  // A test, or a file of them, that hangs is a failure with a name. The longest file takes a tenth of this.
  '--test-timeout=1200000',
  // Node would leave one core idle, which is half of CI's.
  `--test-concurrency=${Math.max(2, os.availableParallelism() - 1)}`,
  // tap always ends in the counts; spec, for people, lists the failures after them.
  `--test-reporter=${process.stdout.isTTY ? 'spec' : 'tap'}`,
  ...(named.length === 0 ? filters.map((filter) => `--test-name-pattern=${filter}`) : []),
  ...tests.map(({ file }) => file),
]);
