// An Extism plugin with WASI, in the calling thread and in a worker: writes its input to a file, reads that back.

import fs from 'node:fs';
import path from 'node:path';
import { createPlugin } from '@extism/extism';

const [, , folder] = process.argv;
const wasm = fs.readFileSync(new URL('../build/plugin.wasm', import.meta.url));

const result = {};
for (const runInWorker of [false, true]) {
  const plugin = await createPlugin(
    { wasm: [{ data: wasm }] },
    { useWasi: true, runInWorker, allowedPaths: { '/': folder } },
  );
  const where = runInWorker ? 'worker' : 'thread';
  const output = await plugin.call('note', `from a ${where}`);
  const file = fs.readFileSync(path.join(folder, 'note'), 'utf8');
  result[where] = { output: output.text(), file };
  fs.rmSync(path.join(folder, 'note'));
  await plugin.close();
}
console.log(JSON.stringify(result));
