'use strict';

// Publishes the packages that scripts/pack.js has made, those first that others need. A version that the
// registry has is left out, so this can be run again after a failure.
//   node scripts/publish.js [--dir DIR] [--provenance] [--dry-run]

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { PACKAGES, npm, root, version } = require('./packages.js');

/** @param {string} name */
function isPublished(name) {
  const shell = process.platform === 'win32'; // npm.cmd
  const { status } = spawnSync('npm', ['view', `${name}@${version}`, 'version', '--json'], {
    shell,
  });
  return status === 0;
}

const { values } = parseArgs({
  options: {
    dir: { type: 'string', default: path.join(root, 'dist') },
    provenance: { type: 'boolean', default: false },
    'dry-run': { type: 'boolean', default: false },
  },
});
const flags = Object.entries(values).flatMap(([name, value]) =>
  value === true ? [`--${name}`] : [],
);
// A version with a dash is none that people get who ask for none.
const tag = version.includes('-') ? 'next' : 'latest';
const entries = PACKAGES.map(({ name }) => ({
  name,
  tarball: path.join(values.dir, `${name.replace('@', '').replace('/', '-')}-${version}.tgz`),
}));
// All or none: a package whose platforms are missing would be broken there.
const missing = entries.filter(({ tarball }) => !fs.existsSync(tarball));
if (missing.length > 0 && !values['dry-run']) {
  console.error(`wasi-rs: there is no ${missing.map(({ tarball }) => tarball).join(', ')}`);
  process.exit(1);
}
for (const { name, tarball } of entries.filter((entry) => !missing.includes(entry))) {
  if (isPublished(name)) {
    console.log(`${name}@${version} is published`);
    continue;
  }
  npm(root, 'publish', path.resolve(tarball), '--access=public', `--tag=${tag}`, ...flags);
  console.log(`published ${name}@${version}`);
}
