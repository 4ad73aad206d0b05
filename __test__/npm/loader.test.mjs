import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { root, thrownBy } from '../support/host.mjs';

const require = createRequire(import.meta.url);
const { binaryName, triple, triples } = require('../../platform.js');
const addon = binaryName(triple());
const engineAddon = binaryName(triple(), 'wasi-rs-engine');

const realAddon = fs.readFileSync(path.join(root, addon));
const realEngine = fs.readFileSync(path.join(root, engineAddon));
const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'wasi-rs-loader-'));
after(() => fs.rmSync(temporary, { recursive: true }));

/**
 * A package with these binaries (name to content) in place of the real one.
 *
 * @param {Record<string, string | Buffer>} binaries
 */
function packageWith(binaries) {
  const folder = fs.mkdtempSync(path.join(temporary, 'package-'));
  for (const name of ['index.js', 'platform.js', 'package.json', 'lib']) {
    fs.cpSync(path.join(root, name), path.join(folder, name), { recursive: true });
  }
  for (const [name, content] of Object.entries(binaries)) {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    fs.writeFileSync(path.join(folder, name), content);
  }
  return folder;
}

/** @param {string} folder @returns {any} what requiring the package there throws */
const loadError = (folder) => thrownBy(() => require(folder));

/** Everything the error says whatever the failure. @param {any} error @param {string} folder @param {string} [name] */
function assertComplete(error, folder, name) {
  assert.equal(error.code, 'ERR_WASI_RS_LOAD');
  assert.ok(error instanceof Error);
  assert.equal(error.errors.length, 2 * triples().length);
  assert.ok(error.errors.includes(error.cause));
  for (const platform of triples()) {
    const file = binaryName(platform, name);
    assert.ok(error.message.includes(path.join(folder, file)), error.message);
    assert.ok(error.message.includes(`@wasi-rs/${platform}/${file}`), error.message);
  }
  for (const said of [
    `for ${triple()} `,
    error.cause.message.split('\n')[0],
    'npm rebuild wasi-rs',
    'rustup.rs',
    path.join(folder, 'scripts', 'build.js'),
  ]) {
    assert.ok(error.message.includes(said), `"${said}" is missing in: ${error.message}`);
  }
}

test(
  'the name of the platform says which libc Node runs on',
  { skip: process.platform !== 'linux' && 'Linux alone has several' },
  () => {
    const musl = fs.readFileSync('/proc/self/maps', 'utf8').includes('/ld-musl-');
    assert.match(triple(), new RegExp(`^linux-${process.arch}-${musl ? 'musl' : 'gnu'}`));
    assert.ok(triples().includes(triple()));
  },
);

const isCommon = triple() === triples()[0] && process.arch !== 'arm';
test(
  'the addon of a common platform is found without the file that knows all platforms',
  { skip: !isCommon && 'a platform that is looked for the long way' },
  () => {
    const folder = packageWith({ [addon]: realAddon });
    fs.rmSync(path.join(folder, 'platform.js'));
    assert.equal(typeof require(folder).WASI, 'function');
  },
);

test('a missing addon: the error names every place looked at', () => {
  const folder = packageWith({});
  const error = loadError(folder);
  assertComplete(error, folder);
  assert.equal(error.cause.code, 'MODULE_NOT_FOUND');
  assert.doesNotMatch(error.message, /Require stack/);
});

test('an addon of another platform is not taken for ours', () => {
  const folder = packageWith({ [binaryName('plan9-mips')]: realAddon });
  const error = loadError(folder);
  assertComplete(error, folder);
  assert.equal(error.cause.code, 'MODULE_NOT_FOUND');
});

for (const part of [0, 0.00005]) {
  test(`an addon cut at ${part} of its length: the error keeps what dlopen said`, () => {
    const folder = packageWith({ [addon]: realAddon.subarray(0, realAddon.length * part) });
    const error = loadError(folder);
    assertComplete(error, folder);
    assert.equal(error.cause.code, 'ERR_DLOPEN_FAILED');
    assert.ok(error.cause.message.includes(addon), error.cause.message);
  });
}

// Past its headers a truncated shared object kills the process that loads it (docs/decisions/truncated-addons.md).
for (const name of [addon, engineAddon]) {
  for (const share of [0, 0.00005, 0.01, 0.5]) {
    test(`the install script finds ${name} cut at ${share} of its length`, () => {
      const binaries = { [addon]: realAddon, [engineAddon]: realEngine };
      const whole = binaries[name];
      const cut = whole.subarray(0, whole.length * share);
      const folder = packageWith({ ...binaries, [name]: cut });
      for (const part of ['scripts', 'Cargo.toml']) {
        fs.cpSync(path.join(root, part), path.join(folder, part), { recursive: true });
      }
      const { status, stderr } = install(folder);
      // It builds another then, for which cargo is missing here.
      assert.match(
        stderr,
        /^wasi-rs: no working prebuilt binary for .+ \(.+\); building from source/,
      );
      assert.match(stderr, /cargo, the build tool of Rust, is not on the PATH/);
      assert.equal(status, 1);
      fs.writeFileSync(path.join(folder, name), whole);
      assert.deepEqual(install(folder), { status: 0, stderr: '' });
    });
  }
}

/** Runs the install script of a package where there is no cargo. @param {string} folder */
function install(folder) {
  const script = path.join(folder, 'scripts', 'install.js');
  const env = { ...process.env, CI: '1', PATH: '' };
  const { status, stderr } = spawnSync(process.execPath, [script], { encoding: 'utf8', env });
  return { status, stderr };
}

test('a text file in place of the addon: the error keeps what dlopen said', () => {
  const folder = packageWith({ [addon]: 'version https://git-lfs\n'.repeat(99) });
  const error = loadError(folder);
  assertComplete(error, folder);
  assert.equal(error.cause.code, 'ERR_DLOPEN_FAILED');
  assert.match(error.message, /To mend it, install wasi-rs again/);
});

test(
  "another machine's code under our name: the error keeps what dlopen said",
  { skip: process.platform !== 'linux' && 'patches an ELF header' },
  () => {
    const foreign = Buffer.from(realAddon);
    foreign.writeUInt16LE(0xf3 + 1, 18); // e_machine: neither of Node's
    const folder = packageWith({ [addon]: foreign });
    const error = loadError(folder);
    assertComplete(error, folder);
    assert.equal(error.cause.code, 'ERR_DLOPEN_FAILED');
  },
);

test("the platform's own package serves where the addon inside is broken", () => {
  const scope = `node_modules/@wasi-rs/${triple()}`;
  const folder = packageWith({
    [addon]: 'broken',
    [`${scope}/package.json`]: JSON.stringify({ main: addon }),
    [`${scope}/${addon}`]: realAddon,
  });
  assert.equal(typeof require(folder).WASI, 'function');
});

test("a broken addon in the platform's own package is the cause, rather than a missing one", () => {
  const scope = `node_modules/@wasi-rs/${triple()}`;
  const folder = packageWith({
    [`${scope}/package.json`]: JSON.stringify({ main: addon }),
    [`${scope}/${addon}`]: 'broken',
  });
  const error = loadError(folder);
  assertComplete(error, folder);
  assert.equal(error.cause.code, 'ERR_DLOPEN_FAILED');
});

test('the class needs no engine; what does, says where it was looked for', async () => {
  const folder = packageWith({ [addon]: realAddon });
  const { WASI, compile } = require(folder);
  assert.equal(typeof WASI, 'function');
  const error = await compile(new Uint8Array()).catch((/** @type {any} */ thrown) => thrown);
  assertComplete(error, folder, 'wasi-rs-engine');
});

test('loaded again, after its files were forgotten, it is another that works beside the first', () => {
  const script = `
    const first = require('.').WASI;
    for (const file of Object.keys(require.cache)) delete require.cache[file];
    const second = require('.').WASI;
    const counts = [first, second].map((WASI) => Object.keys(new WASI({ version: 'preview1' }).wasiImport).length);
    console.log(JSON.stringify([first === second, ...counts]));`;
  const output = execFileSync(process.execPath, ['-e', script], { cwd: root, encoding: 'utf8' });
  assert.deepEqual(JSON.parse(output), [false, 46, 46]);
});

test('forgotten files but that with the addon leave the class the same', () => {
  const { WASI } = require('../../index.js');
  const file = require.resolve('../../index.js');
  const forgotten = require.cache[file];
  delete require.cache[file];
  try {
    assert.equal(require('../../index.js').WASI, WASI);
  } finally {
    require.cache[file] = forgotten;
  }
});

test("the environment variables of napi-rs's own loaders change nothing", () => {
  const script = "console.log(typeof require('.').WASI, process.report.getReport().sharedObjects)";
  const output = execFileSync(process.execPath, ['-e', script], {
    cwd: root,
    encoding: 'utf8',
    env: {
      ...process.env,
      NAPI_RS_FORCE_WASI: 'error',
      NAPI_RS_WASI_FLAVOR: 'wasi',
      NAPI_RS_NATIVE_LIBRARY_PATH: path.join(temporary, 'other.node'),
    },
  });
  assert.match(output, /^function/);
  assert.ok(output.includes(addon), output);
});

test("a mock in node:fs's place, as in people's tests, does not get in the way", () => {
  const script = `
    require('node:fs').openSync = () => { throw new Error('ENOENT'); };
    console.log(typeof require('.').WASI)`;
  const output = execFileSync(process.execPath, ['-e', script], { cwd: root, encoding: 'utf8' });
  assert.equal(output, 'function\n');
});

test('threads load it one after the other and side by side', async () => {
  const load = () =>
    new Promise((resolve, reject) => {
      const script = `
        const { WASI } = require(require('node:worker_threads').workerData);
        const wasi = new WASI({ version: 'preview1' });
        require('node:worker_threads').parentPort.postMessage(Object.keys(wasi.wasiImport).length);`;
      const worker = new Worker(script, { eval: true, workerData: root });
      let functions;
      worker.on('message', (message) => (functions = message));
      worker.on('error', reject);
      worker.on('exit', (code) => resolve({ code, functions }));
    });
  const expected = { code: 0, functions: 46 };
  for (let i = 0; i < 3; i++) assert.deepEqual(await load(), expected);
  assert.deepEqual(await Promise.all([load(), load(), load(), load()]), Array(4).fill(expected));
});

test('require, the named and the default import give the same class, by path and by name', async () => {
  const required = require('../../index.js');
  for (const specifier of ['../../index.js', 'wasi-rs']) {
    const namespace = await import(specifier);
    assert.equal(namespace.WASI, required.WASI);
    assert.equal(namespace.default, required);
  }
  assert.equal(required.WASI.name, 'WASI');
});
