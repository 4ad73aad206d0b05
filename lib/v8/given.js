'use strict';

// A module that the user has passed: what V8 does not tell of it before it is instantiated.

/** A module that imports a function which takes nothing and returns nothing: `(import "" "" (func))`. */
const IMPORTS_MAIN = [0x60, 0, 0, 2, 5, 1, 0, 0, 0, 0];
const HEADER = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1];

/** The reasons for which such a module is no program that runs here, to follow its name. */
const NOT_MAIN =
  "is not a command: its '_start' is of another type; it must take nothing and return nothing";
const TOO_EARLY =
  'makes system calls in its start function, before its memory is known: ' +
  'pass the bytes or the path of the module instead';

/** True if a function of WebAssembly takes nothing and returns nothing. @param {unknown} main */
function isMain(main) {
  const module = new WebAssembly.Module(new Uint8Array([...HEADER, ...IMPORTS_MAIN]));
  try {
    return !!new WebAssembly.Instance(module, { '': { '': /** @type {Function} */ (main) } });
  } catch {
    return false;
  }
}

module.exports = { NOT_MAIN, TOO_EARLY, isMain };
