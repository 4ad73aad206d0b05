import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';

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

/**
 * Runs a command likewise.
 *
 * @param {string} file
 * @param {string[]} args
 * @param {{ cwd: string, env?: NodeJS.ProcessEnv, status?: number }} options
 * @returns {Promise<{ stdout: string, output: string }>} output: of both streams
 */
export async function execute(file, args, { cwd, env = {}, status = 0 }) {
  const inherited = { ...process.env };
  delete inherited.NODE_TEST_CONTEXT;
  delete inherited.NODE_OPTIONS;
  const child = spawn(file, args, {
    cwd,
    env: { ...inherited, CI: 'true', NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const collect = async (stream) => Buffer.concat(await stream.toArray()).toString();
  const exit = new Promise((resolve) => {
    child.on('close', (code, signal) => resolve(signal ?? code));
  });
  const [stdout, stderr] = await Promise.all([collect(child.stdout), collect(child.stderr)]);
  const output = stdout + stderr;
  assert.equal(await exit, status, output);
  assert.doesNotMatch(output, /ExperimentalWarning: WASI/);
  return { stdout, output };
}
