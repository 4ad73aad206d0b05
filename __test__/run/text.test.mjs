// Output as text and lines, bounds of captured output, receivers of the web.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { text } from 'node:stream/consumers';
import { WritableStream } from 'node:stream/web';
import { run, spawn } from '../../index.js';
import { after, cat, tee } from '../support/programs.mjs';
import { ENGINES } from '../support/engine.mjs';

const inEach = (what, check) => {
  for (const engine of ENGINES) test(`${what}: ${engine}`, () => check({ cache: false, engine }));
};

inEach('captured output is text in the encoding', async (options) => {
  const input = 'grün 🎈';
  for (const encoding of ['utf8', 'hex', 'base64', 'utf-8']) {
    const { stdout } = await run(cat(), { ...options, input, encoding });
    assert.equal(stdout, Buffer.from(input).toString(encoding));
  }
  for (const encoding of [undefined, null, 'buffer']) {
    assert.ok(Buffer.isBuffer((await run(cat(), { ...options, input, encoding })).stdout));
  }
  const { stdout, stderr } = await run(tee(), {
    ...options,
    input,
    encoding: 'utf8',
    stdout: 'ignore',
  });
  assert.deepEqual([stdout, stderr], [null, input]);
});

inEach('captured output is lines', async (options) => {
  for (const [input, lines] of [
    ['', []],
    ['a', ['a']],
    ['a\r\n\nb\n', ['a', '', 'b']],
    ['\n', ['']],
    ['a\rb\n\r\n', ['a\rb', '']],
    ['a\r\r\nb\r', ['a\r', 'b\r']],
    ['a\n\r', ['a', '\r']],
    ['\r', ['\r']],
  ]) {
    assert.deepEqual((await run(cat(), { ...options, input, lines: true })).stdout, lines);
    const child = spawn(cat(), { ...options, input });
    const read = [];
    for await (const line of child) read.push(line);
    assert.deepEqual(read, lines);
  }
});

inEach('lines in each encoding of texts, captured and read', async (options) => {
  const written = 'grün\r\nwie Gras\nhie';
  for (const encoding of ['utf8', 'utf16le', 'UCS-2', 'latin1', 'binary']) {
    const given = { ...options, input: Buffer.from(written, encoding), encoding };
    const expected = ['grün', 'wie Gras', 'hie'];
    assert.deepEqual((await run(cat(), { ...given, lines: true })).stdout, expected, encoding);
    const read = [];
    for await (const line of spawn(cat(), given)) read.push(line);
    assert.deepEqual(read, expected, encoding);
  }
});

inEach('a line may come in many pieces, and end between them', async (options) => {
  const child = spawn(cat(), options);
  const long = 'x'.repeat(300_000);
  const read = [];
  const reading = (async () => {
    for await (const line of child) read.push(line);
  })();
  for (const piece of ['a\r', '\nb', '\n', long, long, '\r\n']) {
    await new Promise((resolve) => child.stdin.write(piece, resolve));
  }
  child.stdin.end();
  await reading;
  assert.deepEqual(read, ['a', 'b', long + long]);
});

inEach('an error has the output in the same form', async (options) => {
  const traps = after('one\ntwo\n', 'unreachable');
  const failed = await run(traps, { ...options, lines: true }).catch((error) => error);
  assert.deepEqual([failed.code, failed.stdout], ['ERR_WASI_TRAP', ['one', 'two']]);
  const read = [];
  await assert.rejects(
    async () => {
      for await (const line of spawn(traps, options)) read.push(line);
    },
    { code: 'ERR_WASI_TRAP' },
  );
  assert.deepEqual(read, ['one', 'two']);
});

inEach('a child whose lines are not read to the end gets EPIPE', async (options) => {
  const child = spawn(cat(), options);
  child.stdin.on('error', () => {});
  child.stdin.write('one\n');
  for await (const line of child) {
    assert.equal(line, 'one');
    break;
  }
  child.stdin.write('two\n');
  assert.equal((await child.result).exitCode, 64);
});

inEach('each output has a bound of its own', async (options) => {
  const input = 'abcdef';
  const bound = (maxBuffer) => run(tee(), { ...options, input, maxBuffer, encoding: 'utf8' });
  for (const [maxBuffer, stream] of [
    [5, 'stdout'],
    [{ stdout: 5 }, 'stdout'],
    [{ stderr: 5 }, 'stderr'],
  ]) {
    await assert.rejects(bound(maxBuffer), (error) => {
      assert.equal(error.code, 'ERR_WASI_STDIO_MAXBUFFER');
      assert.match(error.message, new RegExp(`5 bytes to ${stream}.*options\\.maxBuffer`));
      assert.deepEqual([error.isMaxBuffer, error[stream]], [true, 'abcde']);
      return true;
    });
  }
  for (const maxBuffer of [6, { stdout: 6, stderr: 6 }, {}, undefined]) {
    assert.equal((await bound(maxBuffer)).stderr, input);
  }
});

inEach('a WritableStream takes the output at its own pace, and is left open', async (options) => {
  let taken = '';
  let writes = 0;
  const stream = new WritableStream({
    async write(chunk) {
      await null;
      taken += chunk;
      writes++;
    },
  });
  const input = 'x'.repeat(200_000);
  assert.equal((await run(cat(), { ...options, input, stdout: stream })).stdout, null);
  assert.equal(taken, input);
  assert.ok(writes > 1);
  assert.equal(stream.locked, false);
  taken = '';
  await run(tee(), { ...options, input: 'both', stdout: stream, stderr: stream });
  assert.equal(taken, 'bothboth');
  assert.equal(stream.locked, false);
  taken = input;
  await run(cat(), { ...options, input: 'more', stdout: stream });
  assert.equal(taken, `${input}more`);
});

inEach('a WritableStream that fails or is closed ends the program', async (options) => {
  const reason = Object.freeze(new Error('full'));
  const failing = new WritableStream({
    write() {
      throw reason;
    },
  });
  const input = 'x'.repeat(200_000);
  await assert.rejects(run(cat(), { ...options, input, stdout: failing }), (error) => {
    assert.deepEqual([error.code, error.cause], ['ERR_WASI_STREAM', reason]);
    return true;
  });
  const closed = new WritableStream();
  await closed.close();
  await assert.rejects(run(cat(), { ...options, input, stdout: closed }), { code: 'EPIPE' });
});

test('an encoding that shows bytes has no lines', async () => {
  const refused = (one) => ({
    code: 'ERR_INCOMPATIBLE_OPTION_PAIR',
    message: new RegExp(`${one}.*options\\.encoding`),
  });
  for (const encoding of ['hex', 'HEX', 'base64', 'base64url', 'buffer', null]) {
    await assert.rejects(run(cat(), { lines: true, encoding }), refused('options\\.lines'));
  }
  const child = spawn(cat(), { encoding: 'hex', input: 'a' });
  await assert.rejects(async () => {
    for await (const line of child) assert.fail(line);
  }, refused('for await'));
  assert.equal(await text(child.stdout), '61', 'nothing has been read');
});

test('wrong values are named', async () => {
  const locked = new WritableStream();
  locked.getWriter();
  for (const [options, message] of [
    [{ encoding: 'utf9' }, /'options.encoding' must be an encoding, or 'buffer'. Received 'utf9'/],
    [{ encoding: 8 }, /"options.encoding" property must be of type string/],
    [{ lines: 'yes' }, /"options.lines" property must be of type boolean/],
    [{ lines: true, encoding: 'buffer' }, /options.lines.*options.encoding/],
    [{ maxBuffer: '5' }, /"options.maxBuffer" property must be of type number/],
    [{ maxBuffer: -1 }, /"options.maxBuffer" is out of range/],
    [{ maxBuffer: { stdout: 1.5 } }, /"options.maxBuffer.stdout" is out of range.*integer/],
    [{ maxBuffer: { stdot: 1 } }, /options.maxBuffer.*stdout/],
    [{ stdout: locked }, /options.stdout.*locked/],
    [{ limits: { stdout: 5 } }, /'options.limits.stdout'.*options.maxBuffer. Received 5/],
  ]) {
    await assert.rejects(run(cat(), options), (error) => {
      assert.match(
        error.code,
        /^ERR_(INVALID_ARG_TYPE|INVALID_ARG_VALUE|OUT_OF_RANGE|INCOMPATIBLE_OPTION_PAIR)$/,
      );
      assert.match(error.message, message);
      return true;
    });
  }
  const child = spawn(cat(), { stdout: 'ignore', input: '' });
  await assert.rejects(async () => {
    for await (const line of child) assert.fail(line);
  }, /options.stdout is not 'pipe'/);
});
