import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { root } from '../support/host.mjs';
import { environment, serve } from '../support/registry.mjs';

const require = createRequire(import.meta.url);
const { PLATFORMS, binaryName, packageName, packedName, triple } = require('../../platform.js');
const { pack } = require('../../scripts/pack.js');
const { PACKAGES, version } = require('../../scripts/packages.js');
const { VERSION } = require('../../lib/addon.js');

const addons = ['wasi-rs', 'wasi-rs-engine'];
const built = addons.map((name) => binaryName(triple(), name));

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
  return { PATH: bin, HOME: newFolder('home'), TMPDIR: temporary, CI: 'true' };
}

/** @param {NodeJS.ProcessEnv} env @param {string} cwd @param {string[]} args */
function node(env, cwd, ...args) {
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd, env }, (error, stdout, stderr) => {
      resolve({ status: error ? error.code : 0, stdout, stderr, output: stdout + stderr });
    });
  });
}

/** Runs the documentation's example by the installed package, required and imported. @param {string} project */
async function assertHelloWorld(project, { engines = true } = {}) {
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
  const offTheLoop = `require('wasi-rs').run('demo.wasm', { stdout: 'inherit' })
      .then(({ exitCode }) => { process.exitCode = 40 + exitCode; });`;
  if (engines) scripts.push(['off-the-loop.cjs', offTheLoop]);
  for (const [name, script] of scripts) {
    fs.writeFileSync(path.join(project, name), script);
    const { status, stdout, stderr } = await node(machine(), project, name);
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

test('the version is the same wherever it is written', () => {
  const manifest = fs.readFileSync(path.join(root, 'Cargo.toml'), 'utf8');
  assert.equal(/^version = "(.+)"/m.exec(manifest)[1], version);
  assert.equal(VERSION, version);
});

test('no package runs a script where it is installed', () => {
  for (const { manifest } of PACKAGES) assert.equal(manifest.scripts, undefined);
});

test('the packages of platforms say where they fit, and who wants all of them has them', () => {
  const { optionalDependencies } = PACKAGES.find(({ name }) => name === 'wasi-rs').manifest;
  const all = PLATFORMS.flatMap((platform) =>
    addons.map((name) => packageName(platform.triple, name)),
  );
  assert.deepEqual(Object.keys(optionalDependencies), all.sort());
  assert.deepEqual([...new Set(Object.values(optionalDependencies))], [version]);
  const { os, cpu, libc } = PACKAGES.find(
    ({ name }) => name === '@wasi-rs/linux-x64-musl',
  ).manifest;
  assert.deepEqual({ os, cpu, libc }, { os: ['linux'], cpu: ['x64'], libc: ['musl'] });
});

for (const { triple: platform, resolve } of PLATFORMS) {
  test(`the files of ${platform} are looked for in its own packages`, () => {
    for (const name of addons) {
      const called = new RegExp(`require\\.resolve\\('${packageName(platform, name)}'\\)`);
      assert.match(String(resolve[name]), called);
    }
  });
}

describe('the npm packages', { skip: process.platform === 'win32' && 'uses sh' }, () => {
  /** @type {ReturnType<typeof pack>} */ let packed;
  /** @type {Awaited<ReturnType<typeof serve>>} */ let registry;
  /** As most people have it. @type {Awaited<ReturnType<typeof install>>} */ let installed;
  before(async () => {
    packed = pack({ out: newFolder('packed'), local: true });
    registry = await serve(packed);
    installed = await install(['wasi-rs']);
  });
  after(() => registry.close());

  /** Installs packages in a new project. @param {string[]} args of npm @param {Record<string, string>} [programs] */
  async function install(args, programs) {
    const project = newFolder('project');
    fs.writeFileSync(path.join(project, 'package.json'), '{}');
    const env = machine(programs);
    Object.assign(env, environment(registry.url, env.HOME));
    return { env, project, ...(await node(env, project, npmCli, 'install', ...args)) };
  }

  /** Runs the installed command. @param {NodeJS.ProcessEnv} env @param {string} project @param {string[]} args */
  const command = (env, project, ...args) =>
    node(env, project, path.join(project, 'node_modules', '.bin', 'wasi-rs'), ...args);

  // A real build takes minutes. This cargo notes its arguments and answers as the real one does, with the libraries
  // that are already built; what remains untried is the compiler itself, which `npm ci` in a clone has just run.
  const rust = () => {
    const folder = newFolder('cargo');
    const libraries = built.map((name) => {
      const library = path.join(folder, `${name}.so`);
      fs.copyFileSync(path.join(root, name), library);
      return library;
    });
    const log = path.join(folder, 'log');
    const cargo = `
      [ "$*" = --version ] && echo 'cargo 1.95.0 (abc 2026-01-01)' && exit
      echo "$@" >>'${log}'
      echo 'Compiling wasi-rs' >&2
      /bin/mkdir -p target
      case "$*" in
        *--features=class*) echo '${artifactMessage(libraries[0])}' ;;
        *) echo '${artifactMessage(libraries[1])}' ;;
      esac`;
    const calls = () => fs.readFileSync(log, 'utf8').split('\n').slice(0, -1);
    return { programs: { cargo, rustc: RUSTC }, calls, libraries };
  };
  const RUSTC = "echo 'rustc 1.95.0 (abc 2026-01-01)'";

  const filesOf = (/** @type {string} */ folder) =>
    fs
      .readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(root, path.join(entry.parentPath ?? entry.path, entry.name)));

  test('hold what a consumer needs and nothing else', () => {
    const main = [
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
    const expected = Object.fromEntries(
      addons.map((name) => [
        packageName(triple(), name),
        ['LICENSE', 'README.md', 'package.json', packedName(version, name)],
      ]),
    );
    Object.assign(expected, { '@wasi-rs/class': main, 'wasi-rs': main });
    assert.deepEqual(
      Object.fromEntries(packed.map(({ name, files }) => [name, files.toSorted()])),
      Object.fromEntries(Object.entries(expected).map(([name, files]) => [name, files.toSorted()])),
    );
  });

  test('hold a crate that cargo accepts without the tests and benches left out', () => {
    const { folder } = packed.find(({ name }) => name === 'wasi-rs');
    const args = ['metadata', '--no-deps', '--offline', '--format-version=1'];
    const manifest = path.join(folder, 'Cargo.toml');
    const output = execFileSync('cargo', [...args, '--manifest-path', manifest], { cwd: root });
    const { packages } = JSON.parse(output.toString());
    const { targets } = packages.find(({ name }) => name === 'wasi-rs');
    assert.deepEqual(
      targets.map((target) => target.name),
      ['wasi_rs', 'build-script-build'],
    );
  });

  test('have no link in the README that leads nowhere', () => {
    const { folder } = packed.find(({ name }) => name === 'wasi-rs');
    const text = fs.readFileSync(path.join(folder, 'README.md'), 'utf8');
    const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target);
    assert.deepEqual(
      links.filter((target) => !/^(#|https:\/\/)/.test(target)),
      [],
    );
  });

  test('install without Rust, from this platform alone, and run', async () => {
    const { project, status, output } = installed;
    assert.equal(status, 0, output);
    const ours = addons.map((name) => packageName(triple(), name));
    assert.deepEqual([...registry.fetched].sort(), [...ours, 'wasi-rs'].sort());
    await assertHelloWorld(project);
  });

  test('bring the command wasi-rs', async () => {
    const { stdout } = await command(machine(), installed.project, '--version');
    assert.match(stdout, /^wasi-rs \d/);
  });

  for (const [specifier, name] of [
    ['wasi-rs@npm:@wasi-rs/class', 'wasi-rs'],
    ['@wasi-rs/class', '@wasi-rs/class'],
  ]) {
    test(`${specifier}: the class alone, and an error that says how to get the rest`, async () => {
      const { project, status, output } = await install([specifier]);
      assert.equal(status, 0, output);
      const scope = path.join(project, 'node_modules', '@wasi-rs');
      assert.ok(fs.existsSync(path.join(scope, triple())));
      assert.ok(!fs.existsSync(path.join(scope, `engine-${triple()}`)));
      const script = `
        const { WASI, run } = require('${name}');
        console.log(typeof WASI);
        run(new Uint8Array()).catch(({ code, message }) => console.log(code, message));`;
      const { stdout } = await node(machine(), project, '-e', script);
      assert.match(stdout, /^function\nERR_WASI_RS_LOAD /);
      const needed = packageName(triple(), 'wasi-rs-engine');
      assert.ok(
        stdout.includes(`need ${needed}. Add it:\nnpm install ${needed}@${version}`),
        stdout,
      );
      if (name === 'wasi-rs') await assertHelloWorld(project, { engines: false });
    });
  }

  test('without optional dependencies: the error names the package and how it is left out', async () => {
    const { env, project } = await install(['--omit=optional', 'wasi-rs']);
    const { stderr } = await node(env, project, '-e', "require('wasi-rs')");
    assert.match(stderr, /ERR_WASI_RS_LOAD/);
    assert.match(stderr, /@wasi-rs\/.+ is not installed\. .*--omit=optional.*lock file/);
    const said = await command(env, project, 'run', 'demo.wasm');
    assert.equal(said.status, 2);
    assert.match(said.stderr, /^wasi-rs: the native addon for .+ could not be loaded/);
    assert.doesNotMatch(said.stderr, /report| {4}at /);
  });

  test('npx wasi-rs build: says what it does, and what is built is loaded', async () => {
    const { programs, calls } = rust();
    const { env, project } = await install(['wasi-rs'], programs);
    const { status, stderr, stdout } = await command(env, project, 'build');
    assert.equal(status, 0, stderr);
    const own = path.join(fs.realpathSync(project), 'node_modules', 'wasi-rs');
    assert.equal(stdout, `The addons in ${own} are loaded from now on.\n`);
    for (const said of [
      `building with rustc 1.95.0 (abc 2026-01-01) in ${own}`,
      '1 of 2: the class WASI, about a minute',
      'Compiling wasi-rs',
      '2 of 2: the engines',
      'MiB',
      'done in',
    ]) {
      assert.ok(stderr.includes(said), `"${said}" is missing in: ${stderr}`);
    }
    const features = ['class', process.platform === 'win32' ? 'text' : 'engine,text'];
    assert.deepEqual(
      calls(),
      features.map((some, i) => {
        const target = path.join(own, 'target', addons[i]);
        const flags = `--no-default-features --features=${some} --target-dir=${target}`;
        return `build --release --lib ${flags} --message-format=json-render-diagnostics`;
      }),
    );
    assert.ok(!fs.existsSync(path.join(own, 'target')));
    await assertHelloWorld(project);
    const script = "require('wasi-rs'); console.log(process.report.getReport().sharedObjects)";
    const loaded = (await node(machine(), project, '-e', script)).stdout;
    assert.ok(loaded.includes(built[0]), loaded);
    assert.ok(!loaded.includes(packedName(version)), loaded);
  });

  test('npx wasi-rs build works where no addon is there, and builds the class alone', async () => {
    const { programs, calls } = rust();
    const { env, project } = await install(['--omit=optional', 'wasi-rs'], programs);
    const { status, stderr } = await command(env, project, 'build', '--class-only');
    assert.equal(status, 0, stderr);
    assert.equal(calls().length, 1);
    await assertHelloWorld(project, { engines: false });
  });

  for (const [what, programs, said] of [
    [
      'no Rust',
      {},
      /^wasi-rs: rustc, a part of Rust, is not on the PATH\.\nInstall Rust 1\.\d+ .*rustup/,
    ],
    [
      'an old Rust',
      { rustc: "echo 'rustc 1.63.0'" },
      /^wasi-rs: rustc 1\.63\.0 is too old: .* 1\.95\.\nInstall/,
    ],
    [
      "a new rustc and an old cargo, as Debian's",
      { rustc: RUSTC, cargo: "echo 'cargo 1.65.0'" },
      /^wasi-rs: cargo 1\.65\.0 is too old/,
    ],
    [
      'a compiler that fails',
      {
        rustc: RUSTC,
        cargo: `[ "$*" = --version ] && echo 'cargo 1.95.0' && exit
          echo 'error: no space left' >&2; exit 101`,
      },
      /error: no space left\nwasi-rs: cargo build failed \(exit code 101\)/,
    ],
  ]) {
    test(`npx wasi-rs build with ${what}: says so, and fails`, async () => {
      const { env, project } = await install(['wasi-rs'], programs);
      const { status, stderr } = await command(env, project, 'build');
      assert.equal(status, 1);
      assert.match(stderr, said);
      await assertHelloWorld(project);
    });
  }

  test('npx wasi-rs build loads what was built, in a process of its own', async () => {
    const { programs, libraries } = rust();
    // Behind its headers: whoever loads it is killed (docs/decisions/truncated-addons.md).
    fs.truncateSync(libraries[1], fs.statSync(libraries[1]).size / 2);
    const { env, project } = await install(['wasi-rs'], programs);
    const { status, stderr } = await command(env, project, 'build');
    assert.equal(status, 1);
    assert.match(stderr, /the addons do not load: SIG/);
  });

  test('npx wasi-rs build where npx has fetched the package says that it would be lost', async () => {
    const { programs } = rust();
    const { env, project } = await install(['wasi-rs'], programs);
    const cache = path.join(newFolder('cache'), '_npx', '0123');
    fs.cpSync(project, cache, { recursive: true, verbatimSymlinks: true });
    const { status, stderr } = await command(env, cache, 'build');
    assert.equal(status, 2);
    assert.match(
      stderr,
      /^wasi-rs: npx has fetched this package for one command\. Install it first/,
    );
  });

  test('in a clone npm builds when an addon is missing or older than its sources', async () => {
    const clone = newFolder('clone');
    fs.cpSync(packed.find(({ name }) => name === 'wasi-rs').folder, clone, { recursive: true });
    fs.copyFileSync(path.join(root, 'scripts/prepare.js'), path.join(clone, 'scripts/prepare.js'));
    assert.equal(require('../../package.json').scripts.prepare, 'node scripts/prepare.js');
    const { programs, calls } = rust();
    const env = machine(programs);
    const builds = async () => {
      const { status, output } = await node(env, clone, 'scripts/prepare.js');
      assert.equal(status, 0, output);
      return { count: calls().length, silent: output === '' };
    };
    assert.deepEqual(await builds(), { count: addons.length, silent: false });
    assert.deepEqual(await builds(), { count: addons.length, silent: true });

    const binary = path.join(clone, built[0]);
    const { ino, mtimeMs } = fs.statSync(binary);
    fs.utimesSync(path.join(clone, 'src', 'lib.rs'), new Date(), new Date(mtimeMs + 1000));
    assert.deepEqual(await builds(), { count: 2 * addons.length, silent: false });
    assert.notEqual(fs.statSync(binary).ino, ino, 'a process may have the old file mapped');
    assert.ok(fs.existsSync(path.join(clone, 'target')));
  });
});
