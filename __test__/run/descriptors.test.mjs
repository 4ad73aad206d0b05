// A program's descriptors are its own from when it has begun.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { forEachEngine } from '../support/engine.mjs';
import { temporaryFolder } from '../support/host.mjs';
import { cat } from '../support/programs.mjs';

const folder = temporaryFolder({ after });

forEachEngine(({ engine, spawn }) => {
  test(`from its start on a guest’s descriptors are its own: closing the host’s does not hurt, in ${engine}`, async () => {
    const file = path.join(folder, 'own');
    const fd = fs.openSync(file, 'w');
    const child = spawn(cat(), { stdout: fd });
    await once(child, 'spawn');
    fs.closeSync(fd);
    child.stdin.end('afterwards');
    await child.result;
    assert.equal(fs.readFileSync(file, 'utf8'), 'afterwards');
  });
});
