'use strict';

// The time, in ms, to load an addon (a .node file) or to require a module:  load.cjs <file or specifier>

const fs = require('node:fs');

const target = process.argv[2];
const start = performance.now();
if (target.endsWith('.node')) process.dlopen({ exports: {} }, target);
else require(target).WASI; // node:wasi's exports are lazy
fs.writeSync(3, JSON.stringify(performance.now() - start));
