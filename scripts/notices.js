'use strict';

// Writes, for each platform and addon, the licences of all that is linked into the addon, and a list of it
// (an SBOM in CycloneDX's form). Fails if a licence is not one that deny.toml allows.
//   node scripts/notices.js [--out DIR] [TRIPLE...]

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { PLATFORMS, packageName, packedName } = require('../platform.js');
const { ADDONS, root } = require('./build.js');

const LICENCES = 'THIRD-PARTY-LICENSES.txt';
const SBOM = 'sbom.cdx.json';

/**
 * A crate, as `cargo metadata` tells of it.
 *
 * @typedef {object} Crate
 * @property {string} id
 * @property {string} name
 * @property {string} version
 * @property {string | null} license
 * @property {string | null} source null for our own
 * @property {string | null} repository
 * @property {string} manifest_path
 * @property {Array<{ kind: string[] }>} targets
 */

/**
 * The crates that are linked into an addon: neither those that run while it is built nor those of tests.
 *
 * @param {import('../platform.js').Platform} platform
 * @param {import('./build.js').Addon} addon
 * @returns {{ crates: Crate[], dependencies: Map<string, string[]> }} the crates, and those that each uses
 */
function linked(platform, addon) {
  const args = ['metadata', '--format-version=1', '--locked', '--no-default-features'];
  const features = `--features=${addon.features(platform.triple).join(',')}`;
  const output = execFileSync('cargo', [...args, `--filter-platform=${platform.rust}`, features], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: Infinity,
  });
  const { packages, resolve } = JSON.parse(output);
  /** @type {Map<string, Crate>} */
  const byId = new Map(packages.map((/** @type {Crate} */ crate) => [crate.id, crate]));
  /** @type {Map<string, any>} */
  const nodes = new Map(resolve.nodes.map((/** @type {any} */ node) => [node.id, node]));
  const isLinked = (/** @type {string} */ id) =>
    !byId.get(id)?.targets.some(({ kind }) => kind.includes('proc-macro'));
  /** @type {Map<string, string[]>} */
  const dependencies = new Map();
  const left = [resolve.root];
  for (let id = left.pop(); id !== undefined; id = left.pop()) {
    if (dependencies.has(id)) continue;
    const used = nodes
      .get(id)
      .deps.filter((/** @type {any} */ dep) =>
        dep.dep_kinds.some((/** @type {any} */ { kind }) => kind === null),
      )
      .map((/** @type {any} */ { pkg }) => pkg)
      .filter(isLinked);
    dependencies.set(id, used);
    left.push(...used);
  }
  const crates = [...dependencies.keys()]
    .map((id) => /** @type {Crate} */ (byId.get(id)))
    .sort((a, b) => compare(a.name, b.name) || compare(a.version, b.version));
  return { crates, dependencies };
}

/** @param {string} a @param {string} b */
const compare = (a, b) => (a < b ? -1 : Number(a > b));

/** The licences that deny.toml allows. @returns {string[]} */
function allowed() {
  const [, list] =
    /^allow = \[([^\]]*)\]/m.exec(fs.readFileSync(path.join(root, 'deny.toml'), 'utf8')) ?? [];
  return [...String(list).matchAll(/"([^"]+)"/g)].map(([, name]) => name);
}

/**
 * True if one way to read an SPDX expression is allowed.
 *
 * @param {string} expression
 * @param {string[]} names those that are allowed
 */
function isAllowed(expression, names) {
  const tokens = expression.replaceAll('/', ' OR ').match(/[()]|[^\s()]+/g) ?? [];
  const peek = () => tokens[0];
  /** @returns {boolean} */
  const either = () => {
    let holds = both();
    while (peek() === 'OR') holds = [tokens.shift(), both()][1] === true || holds;
    return holds;
  };
  /** @returns {boolean} */
  const both = () => {
    let holds = one();
    while (peek() === 'AND') holds = [tokens.shift(), one()][1] === true && holds;
    return holds;
  };
  /** @returns {boolean} */
  const one = () => {
    let name = String(tokens.shift());
    if (name === '(') return [either(), tokens.shift()][0] === true;
    if (peek() === 'WITH') name = [name, tokens.shift(), tokens.shift()].join(' ');
    return names.includes(name);
  };
  return either() && tokens.length === 0;
}

/** Crates of the repository of wasmtime, not all of which have the text of its licence. */
const IS_WASMTIMES = /^(cranelift|pulley|wasmtime)-/;

/** The holders of the MIT licence of crates that have no text of it, as their repository has them. */
const MIT_HOLDERS = /** @type {Record<string, string>} */ ({
  napi: '2020 LongYinan, 2018 GitHub',
  'napi-sys': '2020 LongYinan, 2018 GitHub',
});

/**
 * The texts of a crate's licences.
 *
 * @param {Crate} crate
 * @param {Crate[]} crates all of them
 * @returns {string[]}
 */
function textsOf({ name, manifest_path: manifest }, crates) {
  const texts = textsIn(path.dirname(manifest));
  if (texts.length > 0) return texts;
  if (name in MIT_HOLDERS) {
    const own = fs.readFileSync(path.join(root, 'LICENSE'), 'utf8');
    return [own.replace(/^Copyright .*$/m, `Copyright (c) ${MIT_HOLDERS[name]}`).trim()];
  }
  const wasmtime = IS_WASMTIMES.test(name) && crates.find((crate) => crate.name === 'wasmtime');
  return wasmtime ? textsIn(path.dirname(wasmtime.manifest_path)) : [];
}

/** @param {string} folder of a crate @returns {string[]} */
function textsIn(folder) {
  return fs
    .readdirSync(folder)
    .filter((name) => /^(licen[cs]e|copying|copyright|notice|unlicense)/i.test(name))
    .filter((name) => fs.statSync(path.join(folder, name)).isFile())
    .sort()
    .map((name) => fs.readFileSync(path.join(folder, name), 'utf8').replaceAll('\r', '').trim());
}

/** The document with all licences, each text once. @param {Crate[]} crates @returns {string} */
function licenceDocument(crates) {
  /** @type {Map<string, string[]>} */
  const users = new Map();
  for (const crate of crates) {
    for (const text of textsOf(crate, crates)) {
      users.set(text, [...(users.get(text) ?? []), `${crate.name} ${crate.version}`]);
    }
  }
  const list = crates.map(({ name, version, license }) => `${name} ${version}: ${license}`);
  const rule = '-'.repeat(80);
  const texts = [...users].map(
    ([text, names]) => `${rule}\n${names.join(', ')}\n${rule}\n\n${text}\n`,
  );
  return `The addon contains the standard library of Rust (MIT OR Apache-2.0, https://www.rust-lang.org)
and these crates, from https://crates.io. The texts of their licences follow.

${list.join('\n')}

${texts.join('\n')}`;
}

/** The checksums that Cargo.lock has, by name and version. @returns {Map<string, string>} */
function checksums() {
  const lock = fs.readFileSync(path.join(root, 'Cargo.lock'), 'utf8');
  const entry = /^name = "(.+)"\nversion = "(.+)"\nsource = ".+"\nchecksum = "(.+)"$/gm;
  return new Map(
    [...lock.matchAll(entry)].map(([, name, version, sum]) => [`${name}@${version}`, sum]),
  );
}

/**
 * The list of an addon's parts, in CycloneDX's form.
 *
 * @param {import('../platform.js').Platform} platform
 * @param {import('../platform.js').AddonName} addon
 * @param {ReturnType<typeof linked>} parts
 */
function sbom({ triple }, addon, { crates, dependencies }) {
  const sums = checksums();
  const { version } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
  const name = packageName(triple, addon);
  const own = `pkg:npm/${name.replace('@', '%40')}@${version}`;
  const purls = new Map(
    crates.map((crate) => [crate.id, `pkg:cargo/${crate.name}@${crate.version}`]),
  );
  const purl = (/** @type {string} */ id) => /** @type {string} */ (purls.get(id));
  const main = { type: 'library', 'bom-ref': own, name, version, purl: own };
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      component: {
        ...main,
        description: packedName(version, addon),
        licenses: [{ expression: 'MIT' }],
      },
    },
    components: crates.map((crate) => {
      const sum = sums.get(`${crate.name}@${crate.version}`);
      return {
        type: 'library',
        'bom-ref': purl(crate.id),
        name: crate.name,
        version: crate.version,
        ...(sum && { hashes: [{ alg: 'SHA-256', content: sum }] }),
        licenses: [{ expression: String(crate.license).replaceAll('/', ' OR ') }],
        purl: purl(crate.id),
        ...(crate.repository && {
          externalReferences: [{ type: 'vcs', url: crate.repository }],
        }),
      };
    }),
    dependencies: [
      {
        ref: own,
        dependsOn: crates.filter((crate) => crate.name === 'wasi-rs').map(({ id }) => purl(id)),
      },
      ...crates.map(({ id }) => ({
        ref: purl(id),
        dependsOn: [...new Set(dependencies.get(id)?.map(purl))].sort(),
      })),
    ],
  };
}

/**
 * Writes licences and lists for platforms, into DIR/TRIPLE/ADDON.
 *
 * @param {string} out
 * @param {string[]} triples
 * @returns {string[]} problems
 */
function write(out, triples) {
  const names = allowed();
  /** @type {Set<string>} */
  const problems = new Set();
  for (const platform of PLATFORMS.filter(({ triple }) => triples.includes(triple))) {
    for (const addon of ADDONS) {
      const parts = linked(platform, addon);
      for (const crate of parts.crates) {
        const { name, license } = crate;
        if (!isAllowed(license ?? '', names))
          problems.add(`${name}: the licence ${license} is not allowed`);
        if (crate.source && textsOf(crate, parts.crates).length === 0)
          problems.add(`${name}: it has no licence's text`);
      }
      const folder = path.join(out, platform.triple, addon.name);
      fs.mkdirSync(folder, { recursive: true });
      const foreign = parts.crates.filter(({ source }) => source);
      fs.writeFileSync(path.join(folder, LICENCES), licenceDocument(foreign));
      const list = sbom(platform, addon.name, parts);
      fs.writeFileSync(path.join(folder, SBOM), `${JSON.stringify(list, null, 2)}\n`);
    }
  }
  return [...problems];
}

module.exports = { LICENCES, SBOM, isAllowed, write };

if (require.main === module) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { out: { type: 'string', default: path.join(root, 'dist', 'notices') } },
  });
  const all = PLATFORMS.map(({ triple }) => triple);
  for (const problem of write(values.out, positionals.length > 0 ? positionals : all)) {
    console.error(`wasi-rs: ${problem}`);
    process.exitCode = 1;
  }
}
