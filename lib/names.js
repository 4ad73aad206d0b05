'use strict';

// Names of WIT, in JavaScript.

/** A name of WIT as JavaScript has it: `get-html-2` is `getHtml2`. @param {string} name */
function camel(name) {
  const [first, ...rest] = name.split('-').map((word) => word.toLowerCase());
  return first + rest.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}

/** A name of WIT as that of a class. @param {string} name */
function pascal(name) {
  const text = camel(name);
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/**
 * The parts of the name of a function: `[method]thing.do-it` is a method of `thing`.
 *
 * @param {string} name
 * @returns {{ role: string, resource?: string, name: string }}
 */
function partsOf(name) {
  const [, role, resource, method] = /^\[([a-z ]+)\]([^.]*)(?:\.(.*))?$/.exec(name) ?? [];
  if (role === undefined) return { role: 'function', name };
  return { role: role.replace(/^async ?/, '') || 'function', resource, name: method ?? resource };
}

/**
 * The name of a function in its class or interface. Two names have a meaning of their own there: a promise
 * takes an object with a method `then` for another promise.
 *
 * @param {string} name
 * @param {boolean} isAsync true if functions give promises
 */
function memberOf(name, isAsync) {
  const { role, name: own } = partsOf(name);
  const key = camel(own);
  const isTaken =
    role === 'static' ? key === 'prototype' : role === 'method' && isAsync && key === 'then';
  return isTaken ? `${key}_` : key;
}

/** The name of an interface without its version. @param {string} name */
const withoutVersion = (name) => name.replace(/@.*$/, '');

/** The name of an interface without its package and its version. @param {string} name */
const shortOf = (name) => withoutVersion(name).replace(/^.*\//, '');

/**
 * The names by which JavaScript finds an exported interface, of which the short one may have several: the
 * first has it.
 *
 * @param {string} name
 */
const exportNamesOf = (name) => new Set([name, withoutVersion(name), camel(shortOf(name))]);

module.exports = { camel, exportNamesOf, memberOf, partsOf, pascal, shortOf, withoutVersion };
