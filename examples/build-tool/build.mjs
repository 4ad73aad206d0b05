// Bundles many programs with esbuild's WASI build: compiled once, run in parallel, with files in memory.

import { Runner, memory } from 'wasi-rs';

const esbuild = new URL(import.meta.resolve('@esbuild/wasi-preview1/esbuild.wasm'));

/**
 * @param {Record<string, Record<string, string>>} projects the files of each project, with an `index.js`
 * @param {{ concurrency?: number }} [options]
 * @returns {Promise<Record<string, string>>} the bundle of each
 */
export async function bundle(projects, { concurrency = 2 } = {}) {
  // With a cache the machine code is made once, in the background, and the next runs start in milliseconds.
  const runner = new Runner({ concurrency, cache: true });
  const bundles = await Promise.all(
    Object.entries(projects).map(async ([name, files]) => {
      const work = memory(files);
      await runner.run(esbuild, {
        args: ['/index.js', '--bundle', '--format=esm', '--outfile=/out.js', '--log-level=error'],
        preopens: { '/': work },
        check: true,
        timeout: 60_000,
      });
      return [name, work.readFile('out.js', 'utf8')];
    }),
  );
  await runner.close();
  return Object.fromEntries(bundles);
}
