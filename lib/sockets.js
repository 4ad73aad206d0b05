'use strict';

// The option `sockets`: the rules of a program's network, and sockets of this process that it is given.

const { engineAddon } = require('./addon.js');
const { invalidArgType, invalidArgValue, refuseUnknown } = require('./errors.js');

const PROPERTIES = ['connect', 'listen', 'protocol'];
const PROTOCOLS = ['tcp', 'udp'];

/**
 * A rule, with one of the two addresses.
 *
 * @typedef {object} Rule
 * @property {string} [connect]
 * @property {string} [listen]
 * @property {'tcp' | 'udp'} protocol
 */

/**
 * Checks and copies the option.
 *
 * @param {any} sockets
 * @param {(value: number, name: string) => number | undefined} readDescriptor
 * @returns {(Rule | number)[]}
 */
function readSockets(sockets, readDescriptor) {
  if (!Array.isArray(sockets))
    throw invalidArgType('options.sockets', 'an instance of Array', sockets);
  return Array.from(sockets, (socket, i) => {
    const name = `options.sockets[${i}]`;
    if (typeof socket !== 'number') return readRule(socket, name);
    return /** @type {number} */ (readDescriptor(socket, name));
  });
}

/** @param {any} rule @param {string} name @returns {Rule} */
function readRule(rule, name) {
  if (rule === null || typeof rule !== 'object' || Array.isArray(rule))
    throw invalidArgType(name, 'of type number or object', rule);
  refuseUnknown(rule, name, PROPERTIES);
  const { connect, listen, protocol = 'tcp' } = rule;
  if (typeof protocol !== 'string')
    throw invalidArgType(`${name}.protocol`, 'of type string', protocol);
  if (!PROTOCOLS.includes(protocol))
    throw invalidArgValue(`${name}.protocol`, protocol, "must be 'tcp' or 'udp'");
  if ((connect === undefined) === (listen === undefined))
    throw invalidArgValue(name, rule, 'must have either connect or listen');
  const [way, address] = listen === undefined ? ['connect', connect] : ['listen', listen];
  if (typeof address !== 'string')
    throw invalidArgType(`${name}.${way}`, 'of type string', address);
  const why = whyNot(/** @type {'connect' | 'listen'} */ (way), address);
  if (why !== undefined) throw invalidArgValue(`${name}.${way}`, address, why);
  return /** @type {Rule} */ ({ [way]: address, protocol });
}

/**
 * The reason why an address is none of a rule, as what follows its name; undefined if it is one.
 *
 * @param {'connect' | 'listen'} way
 * @param {string} address
 * @returns {string | undefined}
 */
const whyNot = (way, address) => engineAddon().engine.checkSocket(way === 'listen', address);

module.exports = { readSockets, whyNot };
