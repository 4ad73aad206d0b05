// options.stdin, options.stdout and options.stderr as descriptors.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { preview1 } from '../support/class.mjs';
import { Guest } from '../support/guest.mjs';
import { HANGS, root, runInChild, temporaryFolder } from '../support/host.mjs';
import { assemble } from '../support/wat.mjs';

const demo = assemble(fs.readFileSync(path.join(root, 'examples/demo.wat'), 'utf8'));

describe('stdin, stdout and stderr', () => {
  test("demo.wat's hello world goes into a file", async (t) => {
    const file = path.join(temporaryFolder(t), 'stdout');
    const fd = fs.openSync(file, 'w');
    t.after(() => fs.closeSync(fd));
    const wasi = preview1({ stdout: fd });
    const { instance } = await WebAssembly.instantiate(demo, wasi.getImportObject());
    assert.equal(wasi.start(instance), 0);
    assert.equal(fs.readFileSync(file, 'utf8'), 'hello world\n');
  });

  test('files: stdin is read, stdout and stderr are written where they stand', (t) => {
    const folder = temporaryFolder(t);
    const [input, output, errors] = ['in', 'out', 'err'].map((name) => path.join(folder, name));
    fs.writeFileSync(input, 'first second');
    fs.writeFileSync(output, 'there was ');
    const stdin = fs.openSync(input, 'r');
    const stdout = fs.openSync(output, 'a');
    const stderr = fs.openSync(errors, 'w');
    t.after(() => [stdin, stdout, stderr].forEach((fd) => fs.closeSync(fd)));
    fs.readSync(stdin, Buffer.alloc(6));
    const guest = new Guest({ stdin, stdout, stderr });
    assert.equal(guest.read(0), 'second');
    assert.equal(guest.read(0), '');
    assert.equal(guest.write(1, 'output'), 0);
    assert.equal(guest.write(2, 'errors'), 0);
    assert.equal(fs.readFileSync(output, 'utf8'), 'there was output');
    assert.equal(fs.readFileSync(errors, 'utf8'), 'errors');
  });

  test('the same descriptor may be several of them', (t) => {
    const file = path.join(temporaryFolder(t), 'both');
    const fd = fs.openSync(file, 'w+');
    t.after(() => fs.closeSync(fd));
    const guest = new Guest({ stdin: fd, stdout: fd, stderr: fd });
    assert.deepEqual([guest.write(1, 'a'), guest.write(2, 'b')], [0, 0]);
    assert.equal(fs.readFileSync(file, 'utf8'), 'ab');
  });

  test(
    'a pipe that the host has closed after start() has ended for who reads it',
    { skip: process.platform === 'win32' && 'needs mkfifo' },
    (t) => {
      const fifo = path.join(temporaryFolder(t), 'fifo');
      assert.equal(spawnSync('mkfifo', [fifo]).status, 0);
      const reader = fs.openSync(fifo, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
      t.after(() => fs.closeSync(reader));
      const writer = fs.openSync(fifo, 'w');
      const guest = new Guest({ stdout: writer });
      assert.equal(guest.write(1, 'output'), 0);
      fs.closeSync(writer);
      const buffer = Buffer.alloc(16);
      assert.equal(fs.readSync(reader, buffer), 6);
      assert.equal(fs.readSync(reader, buffer), 0); // EAGAIN, while anybody could still write
      assert.ok(guest.wasi);
    },
  );

  test("pipes: the defaults are the process's own", async () => {
    const child = await runInChild(
      `const guest = new Guest();
       guest.write(1, 'read: ' + guest.read(0));
       guest.write(2, 'an error');`,
      { input: 'some input 🐎' },
    );
    assert.deepEqual(child, {
      code: 0,
      signal: null,
      stdout: 'read: some input 🐎',
      stderr: 'an error',
    });
  });

  test('a guest that waits for a pipe gets what comes later', async (t) => {
    const file = path.join(temporaryFolder(t), 'guest.mjs');
    fs.writeFileSync(
      file,
      `import { Guest } from ${JSON.stringify(new URL('../support/guest.mjs', import.meta.url))};
       const guest = new Guest();
       for (let asked = 0; asked < 3; asked++) {
         guest.write(1, '?');
         guest.write(1, guest.read(0));
       }`,
    );
    const child = spawn(process.execPath, [file], {
      stdio: ['pipe', 'pipe', 'inherit'],
      timeout: HANGS,
    });
    let [output, answers] = ['', 0];
    child.stdout.on('data', (data) => {
      output += data;
      if (data.includes('?')) child.stdin.write(`answer ${(answers += 1)}`);
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    assert.deepEqual([code, output], [0, '?answer 1?answer 2?answer 3']);
  });

  test('what process.stdout has written stands before what the guest writes', async () => {
    const child = await runInChild(
      `const guest = new Guest();
       await new Promise((resolve) => process.stdout.write('host ', resolve));
       guest.write(1, 'guest ');
       await new Promise((resolve) => process.stdout.write('host', resolve));`,
    );
    assert.deepEqual([child.code, child.stdout], [0, 'host guest host'], child.stderr);
  });
});
