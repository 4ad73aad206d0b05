'use strict';

// npm test [-- filter]: sets up what is missing, then runs the tests in Rust and those in JavaScript.
// A filter is part of a test's name. The addons under test are those in the package, built with any profile.

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

if (!fs.existsSync(path.join(root, 'node_modules'))) run('npm', ['ci']);
if (!isUpToDate()) run(process.execPath, ['scripts/build.js']);

run('cargo', ['test', '--workspace', ...profile, '--', ...filters]);
run('cargo', ['test', '--manifest-path', 'crates/runner/loom/Cargo.toml', '--', ...filters]);

let folders = fs.readdirSync(path.join(root, '__test__'));
// The tests of packages download them: not for a filter, which most likely is about something else.
const packages = path.join('__test__', 'packages');
if (filters.length === 0 || fs.existsSync(path.join(root, packages, 'node_modules'))) {
  run(process.execPath, [path.join(packages, 'install.js')]);
} else {
  folders = folders.filter((folder) => folder !== 'packages');
}
const tests = folders.flatMap((folder) =>
  fs
    .readdirSync(path.join(root, '__test__', folder))
    .filter((name) => name.endsWith('.test.mjs'))
    .map((name) => path.join('__test__', folder, name)),
);
run(process.execPath, [
  '--test',
  // A test, or a file of them, that hangs is a failure with a name. The longest file takes a tenth of this.
  '--test-timeout=1200000',
  // Node would leave one core idle, which is half of CI's.
  `--test-concurrency=${Math.max(2, os.availableParallelism() - 1)}`,
  // tap always ends in the counts; spec, for people, lists the failures after them.
  `--test-reporter=${process.stdout.isTTY ? 'spec' : 'tap'}`,
  ...filters.map((filter) => `--test-name-pattern=${filter}`),
  ...tests,
]);
