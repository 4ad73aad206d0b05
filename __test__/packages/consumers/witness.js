'use strict';

// Preloaded after wasi-rs/register, in each thread: notes every object made of what a package finds as node:wasi's
// class, by the thread's number and whether that class is ours.

const fs = require('node:fs');
const { syncBuiltinESMExports } = require('node:module');
const { threadId } = require('node:worker_threads');
const wasi = require('node:wasi');
const { WASI: ours } = require('wasi-rs/compat');

const log = /** @type {string} */ (process.env.WASI_WITNESS);
const found = wasi.WASI;
wasi.WASI = new Proxy(found, {
  construct(target, args, newTarget) {
    fs.appendFileSync(log, `${threadId} ${found === ours ? 'ours' : 'not ours'}\n`);
    return Reflect.construct(target, args, newTarget);
  },
});
syncBuiltinESMExports();
