import { createRequire } from 'node:module';
import path from 'node:path';
import { execute } from '../support/execute.mjs';

export { execute };

const require = createRequire(import.meta.url);

/** The script behind a framework's command. @param {string} name */
export function command(name) {
  const folder = path.join(import.meta.dirname, 'node_modules', name);
  const { bin } = require(path.join(folder, 'package.json'));
  return path.join(folder, bin[name] ?? bin);
}

/**
 * Runs Node: neither a child of this test run, nor with its options. It must end well, or with `status`, and warn of nothing.
 *
 * @param {string[]} args
 * @param {{ cwd: string, env?: NodeJS.ProcessEnv, status?: number }} options
 */
export const node = (args, options) => execute(process.execPath, args, options);
