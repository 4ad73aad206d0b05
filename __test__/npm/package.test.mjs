import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { root } from '../support/host.mjs';

const require = createRequire(import.meta.url);
const { binaryName, triple } = require('../../platform.js');
const addon = binaryName(triple());
const engine = binaryName(triple(), 'wasi-rs-engine');

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'wasi-rs-package-'));
after(() => fs.rmSync(temporary, { recursive: true }));

/** A new, empty folder. @param {string} name */
const newFolder = (name) => fs.mkdtempSync(path.join(temporary, `${name}-`));

const npmCli =
  process.env.npm_execpath ??
  process.env.PATH.split(path.delimiter)
    .map((folder) => path.join(folder, 'npm'))
    .filter((file) => fs.existsSync(file))
    .map((file) => fs.realpathSync(file))[0];

/**
 * A machine on which only Node and a shell are installed, and what else is given: name to shell script.
 *
 * @param {Record<string, string>} [programs]
 */
function machine(programs = {}) {
  const bin = newFolder('bin');
  fs.symlinkSync(process.execPath, path.join(bin, 'node'));
  fs.symlinkSync('/bin/sh', path.join(bin, 'sh'));
  for (const [name, script] of Object.entries(programs)) {
    fs.writeFileSync(path.join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  // CI keeps the install script from writing to the terminal of who runs the tests.
  return { PATH: bin, HOME: newFolder('home'), TMPDIR: temporary, CI: 'true' };
}

/** @param {NodeJS.ProcessEnv} env @param {string} cwd @param {string[]} args */
function node(env, cwd, ...args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd,
    env,
    encoding: 'utf8',
  });
  return { status, stdout, stderr, output: stdout + stderr };
}

/** Installs the tarball in a new project. @param {NodeJS.ProcessEnv} env @param {string} tarball @param {string[]} flags */
function install(env, tarball, ...flags) {
  const project = newFolder('project');
  fs.writeFileSync(path.join(project, 'package.json'), '{}');
  // npm 12 runs no install script of a dependency unless told to.
  const scripts = ['--foreground-scripts', '--dangerously-allow-all-scripts'];
  const args = [npmCli, 'install', '--offline', '--no-audit', ...scripts, ...flags, tarball];
  return { project, ...node(env, project, ...args) };
}

/** @param {string} folder a package, packed as it is @returns {{ tarball: string, files: string[] }} */
function pack(folder) {
  const destination = newFolder('packed');
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', destination];
  const { status, stdout, stderr } = node(machine(), folder, npmCli, ...args);
  assert.equal(status, 0, stderr);
  const [{ filename, files }] = Object.values(JSON.parse(stdout));
  return { tarball: path.join(destination, filename), files: files.map((file) => file.path) };
}

/** A copy of the package without its binary. @param {string[]} files */
function sourcePackage(files) {
  const folder = newFolder('source');
  for (const file of files.filter((name) => !name.endsWith('.node'))) {
    fs.cpSync(path.join(root, file), path.join(folder, file));
  }
  return folder;
}

/** Runs the documentation's example by the installed package, required and imported. @param {string} project */
async function assertHelloWorld(project) {
  const wabt = await require('wabt')();
  const source = fs.readFileSync(path.join(root, 'examples', 'demo.wat'), 'utf8');
  const { buffer } = wabt.parseWat('demo.wat', source).toBinary({});
  fs.writeFileSync(path.join(project, 'demo.wasm'), buffer);
  const run = `
    const wasi = new WASI({ version: 'preview1' });
    WebAssembly.instantiate(readFileSync('demo.wasm'), wasi.getImportObject())
      .then(({ instance }) => { process.exitCode = 40 + wasi.start(instance); });`;
  const heads = {
    'app.cjs': "const { WASI } = require('wasi-rs'); const { readFileSync } = require('node:fs');",
    'app.mjs': "import { WASI } from 'wasi-rs'; import { readFileSync } from 'node:fs';",
  };
  const scripts = Object.entries(heads).map(([name, head]) => [name, head + run]);
  scripts.push([
    'off-the-loop.cjs',
    `require('wasi-rs').run('demo.wasm', { stdout: 'inherit' })
      .then(({ exitCode }) => { process.exitCode = 40 + exitCode; });`,
  ]);
  for (const [name, script] of scripts) {
    fs.writeFileSync(path.join(project, name), script);
    const { status, stdout, stderr } = node(machine(), project, name);
    assert.deepEqual(
      { status, stdout, stderr },
      { status: 40, stdout: 'hello world\n', stderr: '' },
    );
  }
}

/** cargo's word that it made this library. @param {string} library */
function artifactMessage(library) {
  return JSON.stringify({
    reason: 'compiler-artifact',
    target: { name: 'wasi_rs', kind: ['cdylib', 'rlib'] },
    filenames: [library, library.replace('.so', '.rlib')],
  });
}

describe('the npm package', { skip: process.platform === 'win32' && 'uses sh' }, () => {
  /** @type {string} */ let tarball;
  /** @type {string[]} */ let files;
  /** @type {string} */ let source;
  /** Without a binary. @type {string} */ let sourceTarball;
  /** As most people have it. @type {ReturnType<typeof install>} */ let installed;
  before(() => {
    ({ tarball, files } = pack(root));
    source = sourcePackage(files);
    sourceTarball = pack(source).tarball;
    installed = install(machine(), tarball);
  });

  // A real build takes minutes. This cargo notes its arguments and answers as the real one does, with the libraries
  // that are already built; what remains untried is the compiler itself, which `npm ci` in a clone has just run.
  const cargo = () => {
    const folder = newFolder('cargo');
    const libraries = [addon, engine].map((name) => {
      const library = path.join(folder, `${name}.so`);
      fs.copyFileSync(path.join(root, name), library);
      return library;
    });
    const log = path.join(folder, 'log');
    const script = `
      echo "$@" >>'${log}'
      echo 'Compiling wasi-rs' >&2
      /bin/mkdir -p target
      case "$*" in
        *--features=class*) echo '${artifactMessage(libraries[0])}' ;;
        *) echo '${artifactMessage(libraries[1])}' ;;
      esac`;
    return { script, log };
  };

  test('holds what a consumer needs and nothing else', () => {
    const filesOf = (/** @type {string} */ folder) =>
      fs
        .readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => path.relative(root, path.join(entry.parentPath ?? entry.path, entry.name)));
    const expected = [
      'Cargo.lock',
      'Cargo.toml',
      'LICENSE',
      'README.md',
      'SECURITY.md',
      'build.rs',
      'compat.d.ts',
      'compat.js',
      'index.d.ts',
      'index.js',
      'legacy.d.ts',
      'legacy.js',
      'package.json',
      'platform.js',
      'register.d.ts',
      'register.js',
      'scripts/build.js',
      'scripts/install.js',
      addon,
      engine,
      ...filesOf('src'),
      // Not the crate that checks the source tree.
      ...['core', 'modules', 'components', 'runner'].flatMap((name) => [
        `crates/${name}/Cargo.toml`,
        ...filesOf(`crates/${name}/src`),
      ]),
      // The interfaces of WASI, of which the crate is made.
      ...filesOf('crates/components/wit'),
      ...filesOf('lib'),
      ...filesOf('cli'),
    ];
    assert.deepEqual(files.toSorted(), expected.toSorted());
  });

  test('holds a crate that cargo accepts without the tests and benches left out', () => {
    const manifest = path.join(source, 'Cargo.toml');
    const args = ['metadata', '--no-deps', '--offline', '--format-version=1'];
    const output = execFileSync('cargo', [...args, '--manifest-path', manifest], { cwd: root });
    const { packages } = JSON.parse(output.toString());
    const { targets } = packages.find(({ name }) => name === 'wasi-rs');
    assert.deepEqual(
      targets.map((target) => target.name),
      ['wasi_rs', 'build-script-build'],
    );
  });

  test('installs without Rust and runs, saying nothing', async () => {
    const { project, status, output } = installed;
    assert.equal(status, 0, output);
    assert.doesNotMatch(output, /wasi-rs:/);
    await assertHelloWorld(project);
  });

  test('works where npm runs no install scripts', async () => {
    const { project, status, output } = install(machine(), tarball, '--ignore-scripts');
    assert.equal(status, 0, output);
    await assertHelloWorld(project);
  });

  test('brings the command wasi-rs', () => {
    const { project } = installed;
    const bin = path.join(project, 'node_modules', '.bin', 'wasi-rs');
    assert.match(node(machine(), project, bin, '--version').stdout, /^wasi-rs \d/);
  });

  test('without a binary and without Rust the install fails and says what is missing', () => {
    const { status, output } = install(machine(), sourceTarball);
    assert.notEqual(status, 0);
    assert.ok(output.includes(`wasi-rs: no working prebuilt binary for ${triple()} (`), output);
    assert.match(output, /cargo, .*, is not on the PATH/);
    assert.match(output, /Install Rust 1\.\d+ or newer \(https:\/\/rustup\.rs\)/);
  });

  test('without a binary it says that it builds from source, and does', async () => {
    const { script, log } = cargo();
    const { project, status, output } = install(machine({ cargo: script }), sourceTarball);
    assert.equal(status, 0, output);
    assert.match(output, /no working prebuilt binary for .*; building from source with cargo/);
    assert.match(output, /Compiling wasi-rs/);
    const features = ['class', process.platform === 'win32' ? 'text' : 'engine,text'];
    assert.deepEqual(
      fs.readFileSync(log, 'utf8').split('\n').slice(0, -1),
      features.map((some, i) => {
        const target = path.join('target', ['wasi-rs', 'wasi-rs-engine'][i]);
        const folder = path.join(fs.realpathSync(project), 'node_modules', 'wasi-rs', target);
        const flags = `--no-default-features --features=${some} --target-dir=${folder}`;
        return `build --release --lib ${flags} --message-format=json-render-diagnostics`;
      }),
    );
    assert.ok(!fs.existsSync(path.join(project, 'node_modules', 'wasi-rs', 'target')));
    await assertHelloWorld(project);
  });

  for (const broken of [addon, engine]) {
    test(`a ${broken} that does not load is replaced by one built from source`, async () => {
      const folder = sourcePackage(files);
      for (const name of [addon, engine]) {
        fs.copyFileSync(path.join(root, name), path.join(folder, name));
      }
      fs.writeFileSync(path.join(folder, broken), 'broken');
      const environment = machine({ cargo: cargo().script });
      const { project, status, output } = install(environment, pack(folder).tarball);
      assert.equal(status, 0, output);
      assert.match(output, /no working prebuilt binary for .* \(.*\.node/);
      assert.doesNotMatch(output, /Cannot find module/);
      await assertHelloWorld(project);
    });
  }

  test('a build that fails makes the install fail and keeps what cargo said', () => {
    const failing = "echo 'error: rustc 1.60.0 is not supported' >&2\nexit 101";
    const { status, output } = install(machine({ cargo: failing }), sourceTarball);
    assert.notEqual(status, 0);
    assert.match(output, /error: rustc 1\.60\.0 is not supported/);
    assert.match(output, /wasi-rs: cargo build failed \(exit code 101\)/);
  });

  test('in a clone the install builds when the binary is missing or older than its sources', () => {
    const clone = sourcePackage(files);
    fs.mkdirSync(path.join(clone, '.git'));
    const { script, log } = cargo();
    const env = machine({ cargo: script });
    const builds = () => {
      const { status, output } = node(env, clone, 'scripts/install.js');
      assert.equal(status, 0, output);
      const count = fs.readFileSync(log, 'utf8').split('\n').length - 1;
      return { count, silent: output === '' };
    };
    const addons = 2;
    assert.deepEqual(builds(), { count: addons, silent: false });
    assert.deepEqual(builds(), { count: addons, silent: true });

    const binary = path.join(clone, addon);
    const { ino, mtimeMs } = fs.statSync(binary);
    fs.utimesSync(path.join(clone, 'src', 'lib.rs'), new Date(), new Date(mtimeMs + 1000));
    assert.deepEqual(builds(), { count: 2 * addons, silent: false });
    assert.notEqual(fs.statSync(binary).ino, ino, 'a process may have the old file mapped');
    assert.ok(fs.existsSync(path.join(clone, 'target')));
  });
});
