// Where wasi-rs is known to differ from node:wasi.

import { inspect } from 'node:util';
import { Theirs, outcome } from './classes.mjs';

/** Before, Node looked with `in` into whatever was an object's constructor. */
const wordsAsTheNewest =
  outcome(Theirs, (Class) => new Class({ version: { constructor: 5 } })).code !== undefined;

/**
 * Where wasi-rs differs on purpose: why, how both outcomes look then, and whether this Node still differs. An entry
 * that no input needs fails the tests.
 */
export const ON_PURPOSE = [
  {
    why: 'the message of what could not be opened says what it was',
    applies: (ours, theirs) =>
      String(theirs.code).startsWith('UVWASI_') &&
      ours.code === theirs.code &&
      ours.name === theirs.name &&
      theirs.message === `${theirs.code}, uvwasi_init` &&
      ours.message.startsWith(`${theirs.message}: `),
  },
  {
    why: "a NUL in a host's path is refused, where node:wasi opens what stands before it",
    applies: (ours, theirs, name) =>
      name.startsWith('preopens with') &&
      theirs.code === 'UVWASI_ENOENT' &&
      ours.code === 'UVWASI_EINVAL' &&
      ours.message.includes('\0'),
  },
  {
    why: 'to ask for no args succeeds, where uvwasi answers EINVAL',
    applies: (ours, theirs, name) =>
      name === "the guest's args: none" &&
      ours.returned.replace('[ 0, 0 ]', '[ 0, 28 ]') === theirs.returned,
  },
  {
    why: "the engine's own TypeErrors, for what is no object of the class and for Proxies, have other words",
    applies: (ours, theirs) =>
      [ours, theirs].every(({ name, code }) => name === 'TypeError' && code === undefined) &&
      inspect(ours.log) === inspect(theirs.log),
  },
  {
    why: "the class and its methods are Node-API's functions: ordinary ones, not in strict mode",
    applies: (ours, theirs, name) =>
      name.endsWith(': called with new') ||
      (name.endsWith(': own keys') &&
        ours.returned.replace(/ ?'(arguments|caller|prototype)',?/g, '').replace(', ]', ' ]') ===
          theirs.returned.replace(/ ?'prototype',?/, '').replace(', ]', ' ]')),
  },
  {
    why: 'no function of Node-API can tell globalThis from no this at all',
    applies: (ours, theirs, name) => name === 'getImportObject on globalThis',
  },
  {
    why: 'the functions are exports of WebAssembly, whose names are numbers',
    applies: (ours, theirs, name) => name === 'the functions: the names they have themselves',
  },
  {
    why: 'structuredClone names what it met first',
    applies: (ours, theirs, name) =>
      name === 'an object: structuredClone' &&
      ours.name === 'DataCloneError' &&
      ours.name === theirs.name,
  },
  {
    why: 'from JavaScript too, proc_exit takes an i32, as WebAssembly converts it',
    applies: (ours, theirs, name) =>
      /^proc_exit\((2147483648|4294967295|1\.9|'7'|undefined|true)\) from JavaScript/.test(name) &&
      Number.isInteger(Number(ours.returned)),
  },
  {
    why: 'odd constructors are worded as the newest Node does',
    since: wordsAsTheNewest,
    applies: (ours, theirs, name) =>
      /constructor is|constructor has|anonymous class/.test(name) &&
      theirs.name === 'TypeError' &&
      ours.code === 'ERR_INVALID_ARG_TYPE',
  },
];

/** Inputs on which node:wasi aborts the process: an assertion in its C++ fails. Ours must merely come back. */
export const KILLS_NODE = new Set([
  'args: a sparse array',
  'args: an array of a species that is odd',
]);
