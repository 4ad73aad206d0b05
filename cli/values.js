'use strict';

// The readers of the values of flags. The message of an error that they throw follows the name of the flag.

/** The units of a duration, in milliseconds. @type {Readonly<Record<string, number>>} */
const DURATIONS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** The units of a size, in bytes. @type {Readonly<Record<string, number>>} */
const SIZES = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/** Node's timers count in 32 bits. */
const LONGEST = 2 ** 31 - 1;

const ENGINES = ['auto', 'wasmtime', 'v8'];

/** The reader of each kind of value. */
const VALUES = {
  ...{ directory, tmpfs, overlay, variable, duration, size, count, engine, address, host },
  ...{ clock, text, file },
  ...{ connect: rule('connect'), listen: rule('listen') },
};

/** @param {string} text @returns {number} milliseconds */
function duration(text) {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? [];
  if (!unit) throw new Error('a duration is a number and a unit, such as 500ms, 5s or 2m');
  const milliseconds = Math.ceil(Number(number) * DURATIONS[unit]);
  if (milliseconds <= 0) throw new Error('a duration is more than 0');
  if (milliseconds > LONGEST) throw new Error('a duration is 24 days at most');
  return milliseconds;
}

/** The latest time of a clock, in milliseconds: nanoseconds in 63 bits. */
const LATEST = 2 ** 63 / 1e6;

/** The units of a step of a clock, in nanoseconds. @type {Readonly<Record<string, bigint>>} */
const STEPS = { ns: 1n, us: 1000n, ms: 1_000_000n, s: 1_000_000_000n };

/** Milliseconds; NaN if it depends on the place, as a time without a zone. @param {string} text */
function dateOf(text) {
  const isDate = /^\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d))?$/.test(text);
  return isDate ? Date.parse(text) : NaN;
}

/** @param {string} text @returns {{ now: bigint, step?: bigint }} nanoseconds */
function clock(text) {
  const [time, ...rest] = text.split(',');
  const [, seconds] = /^@(\d+)$/.exec(time) ?? [];
  const date = seconds === undefined ? dateOf(time) : Number(seconds) * 1000;
  if (!(date >= 0 && date < LATEST) || rest.length > 1)
    throw new Error('it is a time from 1970 to 2262, such as 2030-01-31T12:00:00Z or @1893456000');
  const now = BigInt(date) * 1_000_000n;
  if (rest.length === 0) return { now };
  const [, number, unit] = /^(\d+)(ns|us|ms|s)$/.exec(rest[0]) ?? [];
  if (unit === undefined && rest[0] !== '0')
    throw new Error('a step is 0, or a whole number and a unit, such as 100ns, 1us, 1ms or 1s');
  return { now, step: unit === undefined ? 0n : BigInt(number) * STEPS[unit] };
}

/** @param {string} text @returns {string} */
function text(text) {
  return text;
}

/** @param {string} text @returns {number} bytes */
function size(text) {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([KMG]?)(?:i?B)?$/i.exec(text) ?? [];
  if (number === undefined) throw new Error('a size is bytes, or such as 64K, 256M or 1G');
  const bytes = Math.floor(Number(number) * SIZES[unit.toUpperCase()]);
  if (!Number.isSafeInteger(bytes)) throw new Error('a size is less than 8388608G');
  return bytes;
}

/** @param {string} text @returns {number} */
function count(text) {
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number)) {
    throw new Error('it is a whole number, such as 1000000');
  }
  return number;
}

/**
 * @param {string} text the last `:ro` is not part of a name
 * @returns {[guest: string, directory: { path: string, readOnly: boolean }]}
 */
function directory(text) {
  const readOnly = text.endsWith(':ro');
  const [path, guest = path, ...rest] = (readOnly ? text.slice(0, -':ro'.length) : text).split(
    '::',
  );
  if (path === '' || guest === '' || rest.length > 0) {
    throw new Error('it is HOST, or HOST::GUEST, such as data::/data, or data::/data:ro');
  }
  return [guest, { path, readOnly }];
}

/**
 * @param {string} text
 * @returns {[guest: string, limit: number | undefined]}
 */
function tmpfs(text) {
  const [, guest, limit] = /^(.+?)(?::(\d[^:/]*))?$/.exec(text) ?? [];
  if (guest === undefined) throw new Error('it is GUEST, or GUEST:SIZE, such as /tmp:64M');
  return [guest, limit === undefined ? undefined : size(limit)];
}

/** @param {string} text @returns {[guest: string, path: string]} */
function overlay(text) {
  const [guest, { path, readOnly }] = directory(text);
  if (readOnly) throw new Error('nothing in it is changed in any case: :ro is for --dir');
  return [guest, path];
}

/** @param {string} text @returns {[name: string, value: string]} */
function variable(text) {
  const equals = text.indexOf('=');
  const name = equals < 0 ? text : text.slice(0, equals);
  if (name === '') throw new Error('it is NAME=VALUE, or the NAME of a variable that is set here');
  const value = equals < 0 ? process.env[name] : text.slice(equals + 1);
  if (value === undefined)
    throw new Error(`${name} is not set here; give it a value: ${name}=VALUE`);
  return [name, value];
}

/** @param {string} text @returns {string} */
function file(text) {
  if (text === '') throw new Error('it is the path of a file');
  return text;
}

/** @param {string} text @returns {string} */
function engine(text) {
  if (!ENGINES.includes(text)) throw new Error(`it is one of ${ENGINES.join(', ')}`);
  return text;
}

/** @param {string} text @returns {{ host: string, port: number }} */
function address(text) {
  const [, host = '127.0.0.1', port] = /^(?:(\[[^\]]+\]|[^:]+):)?(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined || Number(port) > 65_535)
    throw new Error('it is HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080, or a PORT');
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
}

/**
 * @typedef {object} Host
 * @property {string | undefined} port any, if there is none
 * @property {(hostname: string) => boolean} matches
 */

/** @param {string} text @returns {Host} */
function host(text) {
  const [, name, port] = /^(\*|(?:\*\.)?[\w.-]+|\[[0-9a-f:.]+\])(?::(\d{1,5}))?$/i.exec(text) ?? [];
  if (name === undefined)
    throw new Error('it is a HOST or HOST:PORT, such as api.example.org, *.example.org or *');
  const lower = name.toLowerCase();
  const matches = (/** @type {string} */ hostname) =>
    lower === '*' ||
    (lower.startsWith('*.') ? hostname.endsWith(lower.slice(1)) : hostname === lower);
  return { port, matches };
}

/**
 * The reader of a rule for sockets, with its protocol before it.
 *
 * @param {'connect' | 'listen'} way
 */
function rule(way) {
  return (/** @type {string} */ text) => {
    const [, protocol = 'tcp', address] = /^(?:(tcp|udp):)?(.*)$/s.exec(text) ?? [];
    const why = require('../lib/sockets.js').whyNot(way, address);
    if (why !== undefined) throw new Error(`it ${why}`);
    return { [way]: address, protocol };
  };
}

/** A size as people write it. @param {number} bytes @returns {string} */
function sizeText(bytes) {
  const [factor, unit] = bytes >= 2 ** 20 ? [2 ** 20, 'MiB'] : [2 ** 10, 'KiB'];
  return `${Number((bytes / factor).toFixed(1))} ${unit}`;
}

module.exports = { VALUES, sizeText };
