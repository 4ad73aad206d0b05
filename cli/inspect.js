'use strict';

const { WASI } = require('../index.js');
const { PAGE } = require('../lib/v8/binary.js');
const { NAMESPACES, missingImports, versionOf } = require('../lib/v8/imports.js');
const { meterModule } = require('../lib/v8/meter.js');
const { IS_64, IS_SHARED, readFunctions, readModule } = require('../lib/v8/module.js');
const { CliError } = require('./errors.js');
const { write } = require('./output.js');
const { readProgram } = require('./program.js');
const { sizeText } = require('./values.js');

/** @typedef {import('../lib/v8/module.js').Module} Module */

/** The names of value types. @type {Readonly<Record<number, string>>} */
const TYPES = {
  0x7f: 'i32',
  0x7e: 'i64',
  0x7d: 'f32',
  0x7c: 'f64',
  0x7b: 'v128',
  0x70: 'funcref',
  0x6f: 'externref',
};

/**
 * wasi-rs inspect
 *
 * @param {import('./parse.js').Invocation} invocation
 * @returns {number} the exit code: 1 if it can't run here
 */
function inspect({ flags, program }) {
  const bytes = readProgram(program);
  const report = describe(program, bytes);
  write(flags.json ? `${JSON.stringify(report, null, 2)}\n` : toText(report));
  return report.missing.length > 0 ? 1 : 0;
}

/** @param {string} file @param {Uint8Array} bytes */
function describe(file, bytes) {
  const module = read(file, bytes);
  const version = versionOf(module.imports);
  const kind = kindOf(module);
  const imports = module.imports.map(({ module, name, kind, type, limits }) => ({
    ...{ module, name, kind },
    ...(type && { type: typeText(type) }),
    ...(limits && { limits: limitsText(limits) }),
  }));
  return {
    file,
    bytes: bytes.length,
    kind,
    version: module.imports.some((one) => one.module === NAMESPACES[version]) ? version : null,
    memory: memoriesOf(module),
    imports,
    exports: exportsOf(module),
    missing: [
      ...missing(module, version),
      ...(kind === 'unknown' ? ['a function _start or _initialize'] : []),
    ],
  };
}

/** @typedef {ReturnType<typeof describe>} Report */

/** @param {string} file @param {Uint8Array} bytes */
function read(file, bytes) {
  try {
    return { ...readModule(bytes), functions: readFunctions(bytes) };
  } catch (error) {
    throw new CliError(
      `${file} is not a valid WebAssembly module: ${/** @type {Error} */ (error).message}`,
    );
  }
}

/** @param {Module} module */
function kindOf({ exports }) {
  const has = (/** @type {string} */ wanted) =>
    exports.some(({ name, kind }) => name === wanted && kind === 'function');
  if (has('_start')) return 'command';
  return has('_initialize') ? 'reactor' : 'unknown';
}

/** @param {Module} module in pages and bytes */
function memoriesOf({ imports, memories }) {
  const imported = imports.flatMap(({ kind, limits }) =>
    kind === 'memory' && limits ? [limits] : [],
  );
  return [...imported, ...memories].map(({ flags, min, max }, index) => ({
    imported: index < imported.length,
    shared: (flags & IS_SHARED) !== 0,
    wide: (flags & IS_64) !== 0,
    min: min * PAGE,
    max: max === undefined ? null : max * PAGE,
  }));
}

/** @param {Module & { functions: number[] }} module */
function exportsOf({ types, imports, functions, exports }) {
  const all = [
    ...imports.filter(({ kind }) => kind === 'function').map(({ type }) => type),
    ...functions.map((type) => types[type]),
  ];
  return exports.map(({ name, kind, index }) => {
    const type = kind === 'function' ? all[index] : undefined;
    return { name, kind, ...(type && { type: typeText(type) }) };
  });
}

/** What the program wants and does not get. @param {Module} module @param {'preview1' | 'unstable'} version @returns {string[]} */
function missing({ imports }, version) {
  const unknown = missingImports(imports, version);
  const misfits = imports.filter((one) => !unknown.includes(one) && !fits(one, version));
  return [
    ...unknown.map(({ module, name, kind }) => `${module}.${name} (${kind})`),
    ...misfits.map(
      ({ module, name, type }) => `${module}.${name} as ${type ? typeText(type) : 'a function'}`,
    ),
  ];
}

/** Whether a syscall has the type the program thinks: V8 tells, when they are linked. @param {import('../lib/v8/module.js').Import} one @param {'preview1' | 'unstable'} version */
function fits(one, version) {
  const module = new WebAssembly.Module(/** @type {BufferSource} */ (meterModule([one])));
  if (WebAssembly.Module.exports(module).length === 0) return false;
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  try {
    new WebAssembly.Instance(module, {
      m: { m: memory, t() {} },
      s: new WASI({ version }).wasiImport,
    });
    return true;
  } catch {
    return false;
  }
}

/** @param {import('../lib/v8/module.js').FunctionType} type */
function typeText({ params, results }) {
  const names = (/** @type {number[]} */ codes) =>
    codes.map((code) => TYPES[code] ?? 'ref').join(', ');
  return `(${names(params)}) -> ${results.length === 1 ? names(results) : `(${names(results)})`}`;
}

/** @param {import('../lib/v8/module.js').Limits} limits */
const limitsText = ({ min, max }) => `${min} to ${max ?? 'any'}`;

/** @param {Report} report */
function toText({ file, bytes, kind, version, memory, imports, exports, missing }) {
  const wants = version ? `WASI ${version}` : 'no WASI';
  const lines = [
    `${file}: ${kind === 'unknown' ? 'neither command nor reactor' : kind}, ${wants}, ${bytes} bytes`,
    ...memory.map((one) => `memory: ${memoryText(one)}`),
    ...section(
      'imports',
      imports.map(({ module, name, type, kind }) => `${module}.${name} ${type ?? kind}`),
    ),
    ...section(
      'exports',
      exports.map(({ name, type, kind }) => `${name} ${type ?? kind}`),
    ),
    missing.length === 0 ? 'missing: nothing' : section('missing', missing).join('\n'),
  ];
  return `${lines.join('\n')}\n`;
}

/** @param {string} title @param {string[]} items */
const section = (title, items) =>
  items.length > 0 ? [`${title}:`, ...items.map((item) => `  ${item}`)] : [];

/** @param {Report['memory'][number]} memory */
function memoryText({ imported, shared, wide, min, max }) {
  const words = [imported && 'imported', shared && 'shared', wide && '64-bit'].filter(Boolean);
  const upTo = max === null ? 'no maximum' : `at most ${sizeText(max)}`;
  return [`${sizeText(min)} at first, ${upTo}`, ...words].join(', ');
}

module.exports = { inspect };
