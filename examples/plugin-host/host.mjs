import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { load } from 'wasi-rs';

/**
 * Loads all plugins of a folder. Each call of one has an instance of its own (`fresh`): a plugin that fails, or keeps
 * something in its memory, is nothing to the next call.
 *
 * @param {string} folder
 * @param {{ log: (plugin: string, text: string) => void }} host
 */
export async function loadPlugins(folder, { log }) {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.wasm')).sort();
  const plugins = await Promise.all(
    files.map(async (file) => {
      const { exports } = await load(path.join(folder, file), {
        fresh: true,
        timeout: 1000,
        limits: { memory: 64 * 2 ** 20 },
        imports: { 'example:plugin/host': { log: (text) => log(file, text) } },
      });
      return [await exports.api.name(), exports.api];
    }),
  );
  return new Map(plugins);
}
