import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { root, thrownBy } from '../support/host.mjs';

const require = createRequire(import.meta.url);
const {
  PLATFORMS,
  binaryName,
  packageName,
  packedName,
  triple,
  triples,
} = require('../../platform.js');
const { VERSION } = require('../../lib/addon.js');
const { REASONS } = require('../../lib/load.js');
const addon = binaryName(triple());

const realAddon = fs.readFileSync(path.join(root, addon));
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

/**
 * Everything the error says whatever the failure.
 *
 * @param {any} error @param {string} folder @param {string} [name]
 */
function assertComplete(error, folder, name) {
  assert.equal(error.code, 'ERR_WASI_RS_LOAD');
  assert.ok(error instanceof Error);
  assert.equal(error.errors.length, 2 * triples().length);
  assert.ok(error.errors.includes(error.cause));
  for (const platform of triples()) {
    for (const place of [
      path.join(folder, binaryName(platform, name)),
      packageName(platform, name),
    ]) {
      assert.ok(error.message.includes(place), error.message);
    }
  }
  for (const said of [
    `for ${triple()} `,
    error.cause.message.split('\n')[0],
    'npx wasi-rs build',
    'rustup.rs',
  ]) {
    assert.ok(error.message.includes(said), `"${said}" is missing in: ${error.message}`);
  }
}

/**
 * A platform's package, as `packageWith` takes it.
 *
 * @param {string} platform @param {string | Buffer} content @param {string} [version]
 */
function platformPackage(platform, content, version = VERSION) {
  const folder = `node_modules/${packageName(platform)}`;
  const main = packedName(version);
  return {
    [`${folder}/package.json`]: JSON.stringify({ main, version }),
    [`${folder}/${main}`]: content,
  };
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

test("the addon of the platform's own package, too, beside this one in node_modules", () => {
  const outer = fs.mkdtempSync(path.join(temporary, 'outer-'));
  const folder = path.join(outer, 'node_modules', 'wasi-rs');
  fs.cpSync(packageWith({}), folder, { recursive: true });
  fs.rmSync(path.join(folder, 'platform.js'));
  for (const [name, content] of Object.entries(platformPackage(triples()[0], realAddon))) {
    fs.mkdirSync(path.dirname(path.join(outer, name)), { recursive: true });
    fs.writeFileSync(path.join(outer, name), content);
  }
  const load = () => require(folder);
  if (isCommon) assert.equal(typeof load().WASI, 'function');
  else assert.throws(load, { code: 'MODULE_NOT_FOUND' });
});

test('a missing addon: the error names every place looked at, and how it comes to be missing', () => {
  const folder = packageWith({});
  const error = loadError(folder);
  assertComplete(error, folder);
  assert.equal(error.cause.code, 'MODULE_NOT_FOUND');
  assert.doesNotMatch(error.message, /Require stack/);
  assert.match(error.message, /is not installed\. .*--omit=optional.*lock file/);
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

test('a text file in place of the addon: the error keeps what dlopen said', () => {
  const folder = packageWith({ [addon]: 'version https://git-lfs\n'.repeat(99) });
  const error = loadError(folder);
  assertComplete(error, folder);
  assert.equal(error.cause.code, 'ERR_DLOPEN_FAILED');
  assert.match(error.message, /does not load: it is damaged.*Install it again/s);
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
  const folder = packageWith({ [addon]: 'broken', ...platformPackage(triple(), realAddon) });
  assert.equal(typeof require(folder).WASI, 'function');
});

test('an addon that was built here is preferred', () => {
  const folder = packageWith({ [addon]: realAddon, ...platformPackage(triple(), 'broken') });
  assert.equal(typeof require(folder).WASI, 'function');
});

test("a broken addon in the platform's own package is the cause, rather than a missing one", () => {
  const folder = packageWith(platformPackage(triple(), 'broken'));
  const error = loadError(folder);
  assertComplete(error, folder);
  assert.equal(error.cause.code, 'ERR_DLOPEN_FAILED');
});

test('the package of another version is not loaded: the error says so', () => {
  const folder = packageWith(platformPackage(triple(), realAddon, '99.0.0'));
  const error = loadError(folder);
  assertComplete(error, folder);
  assert.equal(error.cause.code, 'ERR_WASI_RS_VERSION');
  assert.match(error.message, /it has wasi-rs\.99\.0\.0\.node, and not wasi-rs\./);
  assert.match(error.message, /of another version than wasi-rs, .*: npm install wasi-rs@\d/s);
});

for (const [what, platform, said] of [
  ['another machine', process.platform === 'darwin' ? 'win32-x64-msvc' : 'darwin-arm64', /copied/],
  ...(triples().length > 1
    ? [['another C library', triples().find((name) => name !== triple()), /another C library/]]
    : []),
]) {
  test(`node_modules from ${what}: the error names its platform`, () => {
    const folder = packageWith(platformPackage(platform, 'not loaded'));
    const error = loadError(folder);
    assertComplete(error, folder);
    assert.match(error.message, said);
    assert.ok(error.message.includes(`the package for ${platform} is:`), error.message);
  });
}

/** What the table says where this is all that is known. @param {object} facts */
const reason = (facts) => {
  const here = triple();
  const known = {
    ...{ name: 'wasi-rs', self: 'wasi-rs', version: VERSION, attempts: [], others: [], here },
    ...facts,
  };
  return REASONS.find(({ when }) => when(known)).says({
    needed: packageName(known.here),
    ...known,
  });
};

test('a platform without packages: the error lists those that have some', () => {
  const said = reason({ here: 'freebsd-x64' });
  assert.match(said, /^There is no package for freebsd-x64, only for /);
  for (const row of PLATFORMS) assert.ok(said.includes(row.triple), said);
});

test('an older C library: the error says that it is that', () => {
  const error = new Error("libc.so.6: version `GLIBC_2.28' not found (required by wasi-rs.node)");
  assert.match(reason({ attempts: [{ triple: triple(), error }] }), /^The C library .* is older/);
});

test('a machine of 32 bits: the error says that there is none', (t) => {
  const arch = Object.getOwnPropertyDescriptor(process, 'arch');
  t.after(() => Object.defineProperty(process, 'arch', arch));
  Object.defineProperty(process, 'arch', { ...arch, value: 'arm' });
  assert.match(reason({}), /needs a Node of 64 bits, and this is one for arm$/);
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
