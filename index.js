'use strict';

const fs = require('node:fs');

// Looked for here, and not in a file of its own: each file of JavaScript takes 0.1 to 0.2 ms to load.
const addon = nearby() ?? load();

exports.WASI = addon.WASI;

// Loaded when they are first used.
/** @typedef {typeof import('./lib/run.js')} Run */
/** @type {Run['run']} */
exports.run = (source, options) => require('./lib/run.js').run(source, options);
/** @type {Run['spawn']} */
exports.spawn = (source, options) => require('./lib/run.js').spawn(source, options);
/** @type {Run['compile']} */
exports.compile = (source, options) => require('./lib/run.js').compile(source, options);
/** @type {Run['deserialize']} */
exports.deserialize = (bytes) => require('./lib/run.js').deserialize(bytes);

// Where the package's other files find the addon.
Object.defineProperty(exports, Symbol.for('wasi-rs addon'), { value: addon });

// Where it nearly always is, looked at first and alone: without the file that knows all platforms.
function nearby() {
  const { platform, arch } = process;
  const abi = { linux: '-gnu', win32: '-msvc' }[String(platform)] ?? '';
  const file = `${__dirname}/wasi-rs.${platform}-${arch}${abi}.node`;
  try {
    refuseTruncated(file);
    return require(file);
  } catch {
    return undefined; // load finds it elsewhere, or says why
  }
}

// It is in the package itself or in the one npm picks for the platform. No environment variable is asked:
// NAPI_RS_FORCE_WASI and its like, set for other packages of the program, must not change what is loaded here.
function load() {
  const { binaryName, triples } = require('./platform.js');
  const platforms = triples();
  const candidates = [
    ...platforms.map((platform) => `${__dirname}/${binaryName(platform)}`),
    ...platforms.map((platform) => `@wasi-rs/${platform}`),
  ];
  /** @type {NodeJS.ErrnoException[]} */
  const errors = [];
  for (const candidate of candidates) {
    try {
      const file = require.resolve(candidate);
      refuseTruncated(file);
      return require(file);
    } catch (error) {
      errors.push(/** @type {NodeJS.ErrnoException} */ (error));
    }
  }
  throw loadError(candidates, errors);
}

/**
 * A shared object that ends too early is mapped without a word, and SIGBUS kills the process that touches what is not
 * there. No ELF file (here: 64-bit, little-endian) ends before its section headers do.
 *
 * @param {string} file
 */
function refuseTruncated(file) {
  let fd;
  try {
    fd = fs.openSync(file, 'r');
  } catch {
    return; // require says why; or loads it, where a test has put a mock in node:fs's place
  }
  try {
    const header = new DataView(new ArrayBuffer(64));
    fs.readSync(fd, header);
    if (header.getUint32(0) !== 0x7f454c46 || header.getUint16(4) !== 0x0201) return;
    const sections = Number(header.getBigUint64(40, true));
    const length = sections + header.getUint16(58, true) * header.getUint16(60, true);
    if (fs.readSync(fd, header, 0, 1, length - 1) === 0) {
      throw new Error(`${file}: truncated, shorter than its ${length} bytes`);
    }
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * @param {string[]} candidates
 * @param {NodeJS.ErrnoException[]} errors one for each candidate
 */
function loadError(candidates, errors) {
  const reasons = errors.map(
    ({ message }, i) => `  ${candidates[i]}\n    ${message.replace(/\nRequire stack:[^]*/, '')}`,
  );
  const { triple } = require('./platform.js');
  const message = `wasi-rs: the native addon for ${triple()} could not be loaded
${reasons.join('\n')}
To mend it, install wasi-rs again, or build it with Rust (https://rustup.rs) and \`npm rebuild wasi-rs\`;
where npm blocks install scripts: node ${JSON.stringify(`${__dirname}/scripts/build.js`)}`;
  // A file that is there and does not load tells more than one that is missing.
  const cause = errors.find(({ code }) => code !== 'MODULE_NOT_FOUND') ?? errors[0];
  return Object.assign(new Error(message, { cause }), { code: 'ERR_WASI_RS_LOAD', errors });
}
