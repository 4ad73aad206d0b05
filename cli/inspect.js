'use strict';

const { CliError } = require('./errors.js');
const { write } = require('./output.js');
const { addon, readProgram } = require('./program.js');
const { sizeText } = require('./values.js');

/**
 * @typedef {object} Memory
 * @property {boolean} imported
 * @property {boolean} shared
 * @property {boolean} wide
 * @property {number} min bytes
 * @property {number | null} max bytes
 *
 * @typedef {object} Report
 * @property {string} file
 * @property {number} bytes
 * @property {'command' | 'reactor' | 'unknown'} kind
 * @property {'preview1' | 'unstable' | null} version
 * @property {Memory[]} memory
 * @property {{ module: string, name: string, kind: string, type?: string, limits?: string }[]} imports
 * @property {{ name: string, kind: string, type?: string }[]} exports
 * @property {string[]} missing the imports and exports that it lacks here
 */

/**
 * wasi-rs inspect
 *
 * @param {import('./parse.js').Invocation} invocation
 * @returns {Promise<number>} the exit code: 1 if the program can't run here
 */
async function inspect({ flags, program }) {
  const bytes = await readProgram(program);
  const report = describe(program, bytes);
  write(flags.json ? `${JSON.stringify(report, null, 2)}\n` : toText(report));
  return report.missing.length > 0 ? 1 : 0;
}

/** @param {string} file @param {Uint8Array} bytes @returns {Report} */
function describe(file, bytes) {
  const { describe } = addon();
  try {
    return { file, bytes: bytes.length, ...describe(bytes) };
  } catch (error) {
    throw new CliError(
      `${file} is not a valid WebAssembly module: ${/** @type {Error} */ (error).message}`,
    );
  }
}

/** @param {Report} report */
function toText({ file, bytes, kind, version, memory, imports, exports, missing }) {
  const wants = version ? `WASI ${version}` : 'no WASI';
  const lines = [
    `${file}: ${kind === 'unknown' ? 'neither command nor reactor' : kind}, ${wants}, ${bytes} bytes`,
    ...memory.map((one) => `memory: ${memoryText(one)}`),
    ...section(
      'imports',
      imports.map(
        ({ module, name, type, kind }) => `${module && `${module}.`}${name} ${type ?? kind}`,
      ),
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

/** @param {Memory} memory */
function memoryText({ imported, shared, wide, min, max }) {
  const words = [imported && 'imported', shared && 'shared', wide && '64-bit'].filter(Boolean);
  const upTo = max === null ? 'no maximum' : `at most ${sizeText(max)}`;
  return [`${sizeText(min)} at first, ${upTo}`, ...words].join(', ');
}

module.exports = { inspect };
