'use strict';

const { WASI } = require('../../index.js');
const { unusable } = require('./errors.js');
const { IS_SHARED } = require('./module.js');

/** What each version of WASI is imported as. */
const NAMESPACES = Object.freeze({ preview1: 'wasi_snapshot_preview1', unstable: 'wasi_unstable' });

/** @type {ReadonlySet<string> | undefined} */
let syscalls;

/** The names of the syscalls, the same in both versions. */
function syscallNames() {
  syscalls ??= new Set(Object.keys(new WASI({ version: 'preview1' }).wasiImport));
  return syscalls;
}

/**
 * The version of WASI a program is for: the one it imports from.
 *
 * @param {readonly { module: string }[]} imports
 * @returns {'preview1' | 'unstable'}
 */
function versionOf(imports) {
  const imported = (/** @type {string} */ namespace) =>
    imports.some(({ module }) => module === namespace);
  return imported(NAMESPACES.unstable) && !imported(NAMESPACES.preview1) ? 'unstable' : 'preview1';
}

/**
 * The imports of a program that nothing here answers to.
 *
 * @template {{ module: string, name: string, kind: string }} I
 * @param {readonly I[]} imports
 * @param {'preview1' | 'unstable'} version
 * @returns {I[]}
 */
function missingImports(imports, version) {
  return imports.filter(({ module, name, kind }) => {
    if (kind === 'memory') return false; // of threads: it is made for the program
    return module !== NAMESPACES[version] || kind !== 'function' || !syscallNames().has(name);
  });
}

/** @param {readonly { module: string, name: string, kind: string }[]} missing @returns {string} what the program does wrong, in a line */
function describeMissing(missing) {
  const shown = missing.slice(0, 3).map(({ module, name, kind }) => `${module}.${name} (${kind})`);
  const more = missing.length > shown.length ? ` and ${missing.length - shown.length} more` : '';
  const list = `${shown.join(', ')}${more}`;
  return `imports what WASI preview 1 does not have: ${list}; build it for wasm32-wasip1`;
}

/**
 * What is to be known of a program before it is run.
 *
 * @param {import('./module.js').Module} module
 * @param {'preview1' | 'unstable'} [version] that its options name
 * @throws {Error} with code ERR_WASI_IMPORT or ERR_WASI_PROGRAM if it can't be
 */
function checkProgram({ imports, exports }, version = versionOf(imports)) {
  const missing = missingImports(imports, version);
  if (missing.length > 0) throw unusable(describeMissing(missing), 'ERR_WASI_IMPORT');
  if (!exports.some(({ name, kind }) => name === '_start' && kind === 'function')) {
    throw unusable("is not a command: it exports no function '_start'");
  }
  return { version, memories: importedMemories(imports) };
}

/**
 * The memories a program imports, as they have to be made.
 *
 * @param {readonly import('./module.js').Import[]} imports
 * @returns {import('./guest.js').ImportedMemory[]}
 */
function importedMemories(imports) {
  return imports.flatMap(({ module, name, limits, kind }) => {
    if (kind !== 'memory' || !limits) return [];
    const { flags, min: initial, max: maximum } = limits;
    const shared = (flags & IS_SHARED) !== 0;
    return [{ module, name, type: { initial, ...(maximum !== undefined && { maximum }), shared } }];
  });
}

module.exports = { NAMESPACES, checkProgram, missingImports, versionOf };
