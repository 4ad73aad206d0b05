// URLs of files wherever a path is taken, by run() and by the class.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import vm from 'node:vm';
import { Runner, WASI, run, spawn } from '../../index.js';
import { temporaryFolder } from '../support/host.mjs';
import { creates } from '../support/programs.mjs';

/** Runs a program that creates a file in its directory. */
const PLACES = {
  run: async (preopens) =>
    assert.equal((await run(creates(), { cache: false, preopens })).exitCode, 0),
  async class(preopens) {
    const wasi = new WASI({ version: 'preview1', returnOnExit: true, preopens });
    const module = new WebAssembly.Module(creates());
    assert.equal(wasi.start(new WebAssembly.Instance(module, wasi.getImportObject())), 0);
  },
};

/** A URL of another realm, as jsdom has it. */
const foreign = ({ href, protocol, hostname, pathname }) =>
  vm.runInNewContext(`(${JSON.stringify({ href, protocol, hostname, pathname })})`);

for (const [place, create] of Object.entries(PLACES)) {
  describe(`a preopen as the URL of a directory: ${place}`, () => {
    test('stands for its path', async (t) => {
      const folder = path.join(temporaryFolder(t), 'ä %41 #');
      fs.mkdirSync(folder);
      const made = path.join(folder, 'made');
      const url = pathToFileURL(folder);
      for (const value of [url, foreign(url), { path: url }]) {
        await create({ '/': value });
        fs.rmSync(made);
      }
    });

    test('must be of a file here', async () => {
      const refused = {
        code: 'ERR_INVALID_ARG_VALUE',
        message: /options\.preopens\['\/'\].* no URL of a file/,
      };
      for (const url of ['http://localhost/', 'file://host/', 'file:///a%2Fb', 'file:///a%00b']) {
        await assert.rejects(() => create({ '/': new URL(url) }), refused, url);
        await assert.rejects(() => create({ '/': { path: new URL(url) } }), refused, url);
      }
      const wrong = {
        code: 'ERR_INVALID_ARG_TYPE',
        message: /path" property must be of type string or an instance of URL/,
      };
      await assert.rejects(() => create({ '/': { path: 5 } }), wrong);
    });
  });
}

test('a wrong URL is refused in the same words wherever it is given', async () => {
  for (const [url, why] of [
    ['http://localhost/', 'the protocol must be file:'],
    ['file://host/', 'it must have no host'],
    ['file:///a%2Fb', 'it must not have encoded slashes'],
    ['file:///a%00b', 'it must not have encoded null bytes'],
    ['file:///%ff', 'its path must be encoded in UTF-8'],
  ]) {
    const wrong = new URL(url);
    const preopens = { '/d': wrong };
    for (const [give, option] of [
      [() => run(wrong), `argument 'source'`],
      [() => run(creates(), { cache: wrong }), `property 'options.cache'`],
      [() => run(creates(), { preopens }), `property 'options.preopens['/d']'`],
      [async () => new Runner({ preopens }), `property 'options.preopens['/d']'`],
      [
        async () => new WASI({ version: 'preview1', preopens }),
        `property 'options.preopens['/d']'`,
      ],
    ]) {
      await assert.rejects(give, ({ code, message }) => {
        assert.equal(code, 'ERR_INVALID_ARG_VALUE');
        assert.ok(message.startsWith(`The ${option} is no URL of a file: ${why}. `), message);
        return true;
      });
    }
  }
});

test('a preopen that is no path is refused by run(), and is its string in the class', async () => {
  for (const value of [null, undefined, 5, 0, true, false, 5n, Symbol('s'), () => {}, ['a']]) {
    const preopens = { '/d': value };
    const wrong = {
      code: 'ERR_INVALID_ARG_TYPE',
      message: /"options\.preopens\['\/d'\]" property/,
    };
    await assert.rejects(run(creates(), { preopens }), wrong);
    assert.throws(() => spawn(creates(), { preopens }), wrong);
    assert.throws(() => new Runner({ preopens }), wrong);
    await assert.rejects(new Runner().run(creates(), { preopens }), wrong);
  }
  assert.throws(() => new WASI({ version: 'preview1', preopens: { '/d': null } }), {
    code: 'UVWASI_ENOENT',
    message: /'null'/,
  });
});
