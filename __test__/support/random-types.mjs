// Types of components at random, from a seed: with their text for an echo, and with values of theirs.

/** Numbers from 0 to `bound` - 1, the same for the same seed: mulberry32. @param {number} seed */
export function numbers(seed) {
  let state = seed | 0;
  return (/** @type {number} */ bound) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
}

/** @template T @param {(bound: number) => number} below @param {readonly T[]} all @returns {T} */
const oneOf = (below, all) => all[below(all.length)];

/** A value of each primitive type: as it is given, which may differ from what comes back. */
const PRIMITIVES = {
  bool: [false, true],
  s8: [-128, -1, 0, 127],
  u8: [0, 1, 255],
  s16: [-32768, 32767, 0],
  u16: [0, 65535, 0xd800],
  s32: [-(2 ** 31), -1, 0, 2 ** 31 - 1],
  u32: [0, 2 ** 31, 2 ** 32 - 1],
  s64: [-(2n ** 63n), -1n, 0n, 2n ** 53n + 1n, 2n ** 63n - 1n],
  u64: [0n, 2n ** 63n, 2n ** 64n - 1n],
  f32: [0, -0, NaN, Infinity, -Infinity, 1.5, 2 ** -149, 3.4028234663852886e38],
  f64: [0, -0, NaN, Infinity, -Infinity, 0.1, Number.MIN_VALUE, -Number.MAX_VALUE],
  char: ['a', '\0', 'é', '\u{d7ff}', '\u{e000}', '🎉', '\u{10ffff}'],
  string: ['', 'a', 'ä€🎉', '\0', '\ud800', 'a\udc00b', '👩‍👩‍👧‍👦', 'x'.repeat(300)],
};

const CORE = {
  ...{ bool: 'i32', s8: 'i32', u8: 'i32', s16: 'i32', u16: 'i32', s32: 'i32', u32: 'i32' },
  ...{ s64: 'i64', u64: 'i64', f32: 'f32', f64: 'f64', char: 'i32' },
};

/** The typed arrays of lists of numbers. */
const ARRAYS = {
  ...{ s8: Int8Array, u8: Uint8Array, s16: Int16Array, u16: Uint16Array, s32: Int32Array },
  ...{ u32: Uint32Array, s64: BigInt64Array, u64: BigUint64Array },
  ...{ f32: Float32Array, f64: Float64Array },
};

/** Those of the types that have names of their own in a component. */
const NAMED = ['record', 'variant', 'enum', 'flags'];

/**
 * @typedef {object} Type
 * @property {string} kind
 * @property {(Type | undefined)[]} parts the types that it is made of
 * @property {string[]} [names] of fields, cases or flags
 * @property {string} [name] of the type
 */

/**
 * A type at random.
 *
 * @param {(bound: number) => number} below
 * @param {number} depth how deep it may be nested
 * @param {Type[]} named the types with names, those that others are made of first
 * @returns {Type}
 */
export function typeAtRandom(below, depth, named) {
  if (depth === 0 || below(6) === 0) {
    return { kind: oneOf(below, Object.keys(PRIMITIVES)), parts: [] };
  }
  if (named.length > 0 && below(5) === 0) return oneOf(below, named);
  const part = () => typeAtRandom(below, depth - 1, named);
  const maybe = () => (below(3) === 0 ? undefined : part());
  const many = (/** @type {number} */ most, /** @type {() => any} */ make) =>
    Array.from({ length: 1 + below(most) }, make);
  const kinds = ['record', 'variant', 'enum', 'flags', 'option', 'result', 'tuple', 'list', 'list'];
  const kind = oneOf(below, kinds);
  /** @type {Type} */
  const type = { kind, parts: [] };
  if (kind === 'record' || kind === 'tuple') type.parts = many(4, part);
  else if (kind === 'variant') type.parts = many(4, maybe);
  else if (kind === 'option' || kind === 'list') type.parts = [part()];
  else if (kind === 'result') type.parts = [maybe(), maybe()];
  else type.parts = many(kind === 'flags' ? 32 : 5, () => undefined);
  if (NAMED.includes(kind)) {
    type.names = type.parts.map((_, i) => oneOf(below, ['a', 'two-words', 'n9']) + `-n${i}`);
    type.name = `${kind}${named.length}`;
    named.push(type);
  }
  return type;
}

/** A type in the text format: its name, or what it is. @param {Type} type @param {boolean} [isWhole] */
export function textOf(type, isWhole = false) {
  const { kind, parts, names = [], name } = type;
  if (name !== undefined && !isWhole) return `$${name}`;
  const own = parts.map((part) => part && textOf(part));
  const cases = names.map((one, i) => `(case "${one}" ${own[i] ?? ''})`);
  switch (kind) {
    case 'record':
      return `(record ${names.map((one, i) => `(field "${one}" ${own[i]})`).join(' ')})`;
    case 'variant':
      return `(variant ${cases.join(' ')})`;
    case 'enum':
    case 'flags':
      return `(${kind} ${names.map((one) => `"${one}"`).join(' ')})`;
    case 'result':
      return `(result ${own[0] ?? ''} ${own[1] ? `(error ${own[1]})` : ''})`;
    default:
      return own.length > 0 ? `(${kind} ${own.join(' ')})` : kind;
  }
}

/** A type in WIT: its name, or its definition. @param {Type} type @param {boolean} [isWhole] */
export function witOf(type, isWhole = false) {
  const { kind, parts, names = [], name } = type;
  if (name !== undefined && !isWhole) return name;
  const own = parts.map((part) => part && witOf(part));
  const separator = kind === 'record' ? ': ' : '';
  const bodies = names.map((one, i) => {
    const inner = own[i] === undefined ? '' : separator === '' ? `(${own[i]})` : own[i];
    return `%${one}${separator}${inner}`;
  });
  switch (kind) {
    case 'record':
    case 'variant':
    case 'enum':
    case 'flags':
      return `${kind} ${name} { ${bodies.join(', ')} }`;
    case 'result':
      if (own[1]) return `result<${own[0] ?? '_'}, ${own[1]}>`;
      return own[0] ? `result<${own[0]}>` : 'result';
    default:
      return own.length > 0 ? `${kind}<${own.join(', ')}>` : kind;
  }
}

/** The core types of a type in parameters. @param {Type} type @returns {string[]} */
export function coreOf({ kind, parts }) {
  const own = parts.map((part) => (part ? coreOf(part) : []));
  switch (kind) {
    case 'record':
    case 'tuple':
      return own.flat();
    case 'option':
    case 'result':
    case 'variant': {
      /** @type {string[]} */
      const joined = [];
      for (const one of own.flatMap((cores) => [...cores.entries()])) {
        const [i, core] = one;
        const other = joined[i] ?? core;
        const isSmall = [core, other].every((each) => each === 'i32' || each === 'f32');
        joined[i] = core === other ? core : isSmall ? 'i32' : 'i64';
      }
      return ['i32', ...joined];
    }
    case 'list':
    case 'string':
      return ['i32', 'i32'];
    default:
      return [/** @type {any} */ (CORE)[kind] ?? 'i32'];
  }
}

/** @param {string} name */
const camel = (name) => name.replace(/-(.)/g, (_, letter) => letter.toUpperCase());

/**
 * A value at random: as it may be given, and as it comes back.
 *
 * @param {(bound: number) => number} below
 * @param {Type} type
 * @returns {[given: any, returned: any]}
 */
export function valueAtRandom(below, { kind, parts, names = [] }) {
  const of = (/** @type {Type} */ part) => valueAtRandom(below, part);
  const tagged = (/** @type {string} */ tag, /** @type {Type | undefined} */ part) => {
    if (!part) return [{ tag }, { tag }];
    const [given, returned] = of(part);
    return [
      { tag, val: given },
      { tag, val: returned },
    ];
  };
  switch (kind) {
    case 'record':
      return together(parts.map((part, i) => [camel(names[i]), ...of(/** @type {Type} */ (part))]));
    case 'flags':
      return together(
        names.map((name) => {
          const isSet = below(2) === 0;
          return [camel(name), isSet || oneOf(below, [false, undefined]), isSet];
        }),
      );
    case 'tuple': {
      const values = parts.map((part) => of(/** @type {Type} */ (part)));
      return [values.map(([given]) => given), values.map(([, returned]) => returned)];
    }
    case 'variant': {
      const at = below(names.length);
      return /** @type {any} */ (tagged(names[at], parts[at]));
    }
    case 'enum': {
      const name = oneOf(below, names);
      return [name, name];
    }
    case 'option': {
      const [part] = /** @type {Type[]} */ (parts);
      const isNone = below(3) === 0;
      if (part.kind === 'option') {
        return /** @type {any} */ (isNone ? tagged('none', undefined) : tagged('some', part));
      }
      return isNone ? [oneOf(below, [undefined, null]), undefined] : of(part);
    }
    case 'result': {
      const at = below(2);
      const [given, returned] = /** @type {any} */ (tagged(['ok', 'err'][at], parts[at]));
      return [given, { val: undefined, ...returned }];
    }
    case 'list': {
      const [part] = /** @type {Type[]} */ (parts);
      const values = Array.from({ length: below(6) }, () => of(part));
      const [given, returned] = [values.map(([one]) => one), values.map(([, one]) => one)];
      const Typed = /** @type {any} */ (ARRAYS)[part.kind];
      if (!Typed) return [given, returned];
      return [below(2) === 0 ? given : Typed.from(given), Typed.from(returned)];
    }
    default: {
      const value = oneOf(below, /** @type {any} */ (PRIMITIVES)[kind]);
      // (`toWellFormed()`, of Node 20.)
      return [value, kind === 'string' ? Buffer.from(value).toString() : value];
    }
  }
}

/** @param {[key: string, given: any, returned: any][]} entries @returns {[any, any]} */
function together(entries) {
  const given = Object.fromEntries(entries.map(([key, value]) => [key, value]));
  return [given, Object.fromEntries(entries.map(([key, , value]) => [key, value]))];
}
