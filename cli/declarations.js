'use strict';

// TypeScript's declarations of what load() and loadSync() give for a component, and want.

const {
  camel,
  exportNamesOf,
  memberOf,
  pascal,
  partsOf,
  shortOf,
  withoutVersion,
} = require('../lib/names.js');
const { ARRAYS } = require('../lib/values.js');

/**
 * @typedef {import('../lib/types.js').Interface} Interface
 * @typedef {import('../lib/types.js').ComponentFunction} ComponentFunction
 */

/** The TypeScript types of types that are not made of others. @type {Record<string, string>} */
const SIMPLE = {
  ...{ bool: 'boolean', char: 'string', string: 'string', s64: 'bigint', u64: 'bigint' },
  ...{ s8: 'number', u8: 'number', s16: 'number', u16: 'number', s32: 'number', u32: 'number' },
  ...{ f32: 'number', f64: 'number', unsupported: 'never' },
};

/** A name as a property of an object. @param {string} name */
const key = (name) =>
  /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name) ? name : JSON.stringify(name);

/** Text inside a comment of one line. @param {string} text */
const inComment = (text) =>
  text.replace(
    /[\n\r\u2028\u2029]/g,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** Words that name no type of ours. */
const TAKEN = new Set([
  'Exports',
  'Imports',
  'Promise',
  'AsyncIterable',
  'Result',
  'Array',
  'Option',
  ...Object.values(ARRAYS).map((Typed) => Typed.name),
]);

/** The declarations of a component. */
class Declarations {
  #description;
  #isSync;
  /** The names of types, by their indices. @type {Map<number, string>} */
  #typeNames = new Map();
  /** The further names of types: each with the first. @type {[name: string, first: string][]} */
  #aliases = [];
  /**
   * The names of a resource's objects and of its class, by its index.
   *
   * @type {Map<number, { object: string, class: string }>}
   */
  #classNames = new Map();
  #taken = new Set(TAKEN);
  /** @type {string[]} */
  #lines = [];

  /** @param {Interface} description @param {boolean} isSync */
  constructor(description, isSync) {
    this.#description = description;
    this.#isSync = isSync;
    // The names of the component's own, before those made of them.
    const objects = description.resources.map(({ interface: from, name }) =>
      name === '' ? '' : this.#free(pascal(name), from),
    );
    for (const [index, names] of Object.entries(description.names)) {
      // An interface that is both imported and exported names its types twice.
      const known = new Set();
      for (const { interface: from, name } of names) {
        if (known.has(`${from} ${name}`)) continue;
        known.add(`${from} ${name}`);
        const free = this.#free(pascal(name), from);
        const first = this.#typeNames.get(Number(index));
        if (first === undefined) this.#typeNames.set(Number(index), free);
        else this.#aliases.push([free, first]);
      }
    }
    for (const [index, object] of objects.entries()) {
      if (object === '') continue;
      this.#classNames.set(index, { object, class: this.#free(`${object}Class`, undefined) });
    }
  }

  /** A name that no other type has. @param {string} name @param {string | undefined} from its interface */
  #free(name, from) {
    const long = from === undefined ? name : pascal(shortOf(from)) + name;
    let free = this.#taken.has(name) ? long : name;
    for (let number = 2; this.#taken.has(free); number++) free = `${long}${number}`;
    this.#taken.add(free);
    return free;
  }

  /**
   * @param {number} index
   * @param {boolean} isWhole true for the type itself, not its name
   * @returns {string}
   */
  #type(index, isWhole = false) {
    const name = isWhole ? undefined : this.#typeNames.get(index);
    if (name !== undefined) return name;
    const type = this.#description.types[index];
    switch (type.kind) {
      case 'list':
      case 'fixed-list': {
        const { kind } = this.#description.types[type.of];
        return ARRAYS[kind]?.name ?? `Array<${this.#type(type.of)}>`;
      }
      case 'record': {
        const fields = type.fields.map(([field, of]) => `${this.#field(field, of)};`);
        return `{ ${fields.join(' ')} }`;
      }
      case 'tuple':
        return `[${type.types.map((of) => this.#type(of)).join(', ')}]`;
      case 'variant':
        return type.cases.map(([tag, of]) => this.#tagged(tag, of)).join(' | ');
      case 'enum':
        return type.names.map((one) => `'${one}'`).join(' | ');
      case 'flags':
        return `{ ${type.names.map((one) => `${key(camel(one))}?: boolean;`).join(' ')} }`;
      case 'option': {
        const { kind } = this.#description.types[type.of];
        const some = this.#type(type.of);
        return kind === 'option'
          ? `{ tag: 'none' } | { tag: 'some'; val: ${some} }`
          : `${some} | undefined`;
      }
      case 'result':
        return `${this.#half('ok', type.ok)} | ${this.#half('err', type.err)}`;
      case 'own':
      case 'borrow':
        return this.#classNames.get(type.resource)?.object ?? 'object';
      case 'stream':
        return `AsyncIterable<${this.#element(type.of)}>`;
      case 'future':
        return `Promise<${type.of === null ? 'void' : this.#type(type.of)}>`;
      default:
        return SIMPLE[type.kind];
    }
  }

  /**
   * The type of a value that the component is given: of a stream, all that can be iterated.
   *
   * @param {number} index
   */
  #given(index) {
    const type = this.#description.types[index];
    const own = this.#type(index);
    if (type.kind === 'future')
      return `${own} | ${type.of === null ? 'void' : this.#type(type.of)}`;
    if (type.kind !== 'stream') return own;
    const isBytes = this.#element(type.of) === 'Uint8Array';
    return `${own} | Iterable<${this.#element(type.of)}>${isBytes ? ' | ArrayBuffer' : ''}`;
  }

  /** An element of a stream, of which bytes come in pieces. @param {number | null} of */
  #element(of) {
    if (of === null) return 'void';
    return this.#description.types[of].kind === 'u8' ? 'Uint8Array' : this.#type(of);
  }

  /** @param {string} tag @param {number | null} of */
  #tagged(tag, of) {
    return of === null ? `{ tag: '${tag}' }` : `{ tag: '${tag}'; val: ${this.#type(of)} }`;
  }

  /** One of the two of a result, which have `val` always. @param {string} tag @param {number | null} of */
  #half(tag, of) {
    return of === null ? `{ tag: '${tag}'; val?: undefined }` : this.#tagged(tag, of);
  }

  /** True for a type whose values include undefined. @param {number} of */
  #isOptional(of) {
    const type = this.#description.types[of];
    return type.kind === 'option' && this.#description.types[type.of].kind !== 'option';
  }

  /** A field or parameter. @param {string} name @param {number} of */
  #field(name, of) {
    return `${key(camel(name))}${this.#isOptional(of) ? '?' : ''}: ${this.#type(of)}`;
  }

  /** The parameters and the result. @param {ComponentFunction} function_ @param {boolean} isImported */
  #signature({ params, result, name }, isImported) {
    const { role } = partsOf(name);
    const own = role === 'method' ? params.slice(1) : params;
    // Only the last ones may be left out.
    const firstOptional = own.findLastIndex(([, of]) => !this.#isOptional(of)) + 1;
    const list = own.map(([param, of], i) => {
      const type = isImported ? this.#type(of) : this.#given(of);
      return `${paramName(param)}${i < firstOptional ? '' : '?'}: ${type}`;
    });
    return `(${list.join(', ')}): ${this.#result(result, isImported)}`;
  }

  /** @param {number | null} index @param {boolean} isImported */
  #result(index, isImported) {
    const type = index === null ? undefined : this.#description.types[index];
    const returned = type?.kind === 'result' ? type.ok : index;
    const own = isImported ? this.#given : this.#type;
    const value = returned === null ? 'void' : own.call(this, returned);
    if (this.#isSync) return value;
    return isImported ? `${value} | Promise<${value}>` : `Promise<${value}>`;
  }

  /** A function or method, with what it throws. @param {ComponentFunction} one @param {boolean} isImported */
  #member(one, isImported) {
    const name = key(memberOf(one.name, !this.#isSync && !isImported));
    return `${this.#comment(one)}  ${name}${this.#signature(one, isImported)};`;
  }

  /** The comment above a function. @param {ComponentFunction} function_ */
  #comment({ result }) {
    const type = result === null ? undefined : this.#description.types[result];
    if (type?.kind !== 'result') return '';
    const payload = type.err === null ? 'undefined' : this.#type(type.err);
    return `  /** @throws ComponentError with the payload ${payload.replaceAll('*/', '* /')} */\n`;
  }

  /** The names of types. */
  #writeTypes() {
    for (const [index, name] of this.#typeNames) {
      const { kind } = this.#description.types[index];
      const isObject = kind === 'record' || kind === 'flags';
      const type = this.#type(index, true);
      this.#lines.push(
        isObject ? `export interface ${name} ${broken(type)}` : `export type ${name} = ${type};`,
        '',
      );
    }
    for (const [name, first] of this.#aliases) {
      this.#lines.push(`export type ${name} = ${first};`, '');
    }
  }

  /** The classes of resources. @param {readonly ComponentFunction[]} functions @param {boolean} isImported */
  #writeClasses(functions, isImported) {
    for (const [
      index,
      { interface: from, name, isImported: isHost },
    ] of this.#description.resources.entries()) {
      const names = this.#classNames.get(index);
      if (isHost !== isImported || names === undefined) continue;
      const own = functions.filter(
        (one) => one.interface === from && partsOf(one.name).resource === name,
      );
      const members = own
        .filter((one) => partsOf(one.name).role === 'method')
        .map((one) => this.#member(one, isImported));
      const dispose = isImported ? [] : ['  [Symbol.dispose](): void;'];
      this.#lines.push(`export interface ${names.object} {`, ...members, ...dispose, '}', '');
      const statics = own
        .filter((one) => partsOf(one.name).role !== 'method')
        .map((one) => {
          if (partsOf(one.name).role === 'static') return this.#member(one, isImported);
          return `  new ${this.#signature(one, true).replace(/\): .*$/, `): ${names.object};`)}`;
        });
      this.#lines.push(
        `export interface ${names.class} {`,
        ...statics,
        `  readonly prototype: ${names.object};`,
        '}',
        '',
      );
    }
  }

  /**
   * The functions and classes of an interface, or of none.
   *
   * @param {readonly ComponentFunction[]} functions
   * @param {string | undefined} from
   * @param {boolean} isImported
   */
  #members(functions, from, isImported) {
    const members = functions
      .filter((one) => one.interface === from && partsOf(one.name).role === 'function')
      .map((one) => this.#member(one, isImported));
    const classes = [...this.#description.resources.entries()]
      .filter(
        ([, one]) => one.interface === from && one.isImported === isImported && one.name !== '',
      )
      .map(([index, { name }]) => `  ${key(pascal(name))}: ${this.#classNames.get(index)?.class};`);
    return [...members, ...classes];
  }

  /** @param {'Exports' | 'Imports'} name @param {readonly ComponentFunction[]} functions */
  #writeSide(name, functions) {
    const isImported = name === 'Imports';
    this.#writeClasses(functions, isImported);
    const resources = this.#description.resources.filter((one) => one.isImported === isImported);
    const from = [...functions, ...resources]
      .map((one) => one.interface)
      .filter((one) => one !== undefined);
    /** @type {string[]} */
    const all = this.#members(functions, undefined, isImported);
    const short = new Set();
    for (const one of new Set(from)) {
      const type = this.#free(pascal(shortOf(one)), isImported ? 'host' : one);
      this.#lines.push(
        `export type ${type} = {`,
        ...this.#members(functions, one, isImported),
        '};',
        '',
      );
      const keys = isImported ? [withoutVersion(one)] : [...exportNamesOf(one)].reverse();
      for (const each of keys) {
        if (!short.has(each)) all.push(`  ${key(each)}: ${type};`);
        short.add(each);
      }
    }
    // An alias, unlike an interface, fits where any names are allowed.
    this.#lines.push(`export type ${name} = {`, ...all, '};', '');
  }

  /** @param {string} file @returns {string} */
  text(file) {
    const call = this.#isSync ? 'loadSync' : 'await load';
    this.#lines.push(
      `// Made by \`wasi-rs types${this.#isSync ? ' --sync' : ''}\`, for \`${call}<Exports>('${inComment(file)}', { imports })\`, where`,
      '// `imports` is of the type Imports.',
      '',
    );
    this.#writeTypes();
    this.#writeSide('Imports', this.#description.imports);
    this.#writeSide('Exports', this.#description.exports);
    return `${this.#lines.join('\n').trimEnd()}\n`;
  }
}

/** Words that can't be the name of a parameter. */
const RESERVED = new Set(
  'arguments await break case catch class const continue debugger default delete do else enum eval export extends false finally for function if implements import in instanceof interface let new null package private protected public return static super switch this throw true try typeof var void while with yield'.split(
    ' ',
  ),
);

/** @param {string} name of a parameter in WIT */
const paramName = (name) => (RESERVED.has(camel(name)) ? `${camel(name)}_` : camel(name));

/** An object type on several lines. @param {string} type */
const broken = (type) =>
  type
    .replace(/^\{ /, '{\n  ')
    .replace(/; (?=\S+\??: )/g, ';\n  ')
    .replace(/ \}$/, '\n}');

/** The numbers of WebAssembly in TypeScript. @param {string} types such as `i32, i64` */
const numbersOf = (types) =>
  types
    .split(', ')
    .filter(Boolean)
    .map((type) => ({ i32: 'number', f32: 'number', f64: 'number', i64: 'bigint' })[type]);

/**
 * The declarations of a module.
 *
 * @param {string} file
 * @param {readonly { name: string, kind: string, type?: string }[]} exports
 * @param {boolean} isSync
 */
function ofModule(file, exports, isSync) {
  const functions = exports.flatMap(({ name, kind, type = '' }) => {
    const [, params, results] = /^\((.*)\) -> \((.*)\)$|^\((.*)\) -> .*$/.exec(type) ?? [];
    const [given, got] =
      params === undefined ? (/\((.*)\) -> (.*)/.exec(type)?.slice(1) ?? []) : [params, results];
    if (kind !== 'function' || given === undefined || name === '_initialize') return [];
    const [inputs, outputs] = [numbersOf(given), numbersOf(got ?? '')];
    if (inputs.includes(undefined) || outputs.includes(undefined))
      return [`  // ${inComment(key(name))} takes or returns what JavaScript can't give or get`];
    const list = inputs.map((one, i) => `a${i}: ${one}`).join(', ');
    const result =
      outputs.length === 0 ? 'void' : outputs.length === 1 ? outputs[0] : `[${outputs.join(', ')}]`;
    return [`  ${key(name)}(${list}): ${isSync ? result : `Promise<${result}>`};`];
  });
  const call = isSync ? 'loadSync' : 'await load';
  const head = `// Made by \`wasi-rs types${isSync ? ' --sync' : ''}\`, for \`${call}<Exports>('${inComment(file)}')\`.`;
  return `${[head, '', 'export interface Exports {', ...functions, '}'].join('\n')}\n`;
}

module.exports = {
  /** @param {string} file @param {Interface} description @param {boolean} isSync */
  ofComponent: (file, description, isSync) => new Declarations(description, isSync).text(file),
  ofModule,
};
