import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';

/** The longest that a command may take, in milliseconds. */
const TIMEOUT = 240_000;

/**
 * Runs a command: neither a child of this test run, nor with its options. It must end well, or with `status`, and warn
 * of nothing.
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
    timeout: TIMEOUT,
  });
  const collect = async (/** @type {import('node:stream').Readable} */ stream) =>
    Buffer.concat(await stream.toArray()).toString();
  const exit = new Promise((resolve) => {
    child.on('close', (code, signal) => resolve(signal ?? code));
  });
  const [stdout, stderr] = await Promise.all([collect(child.stdout), collect(child.stderr)]);
  const output = stdout + stderr;
  assert.equal(await exit, status, output);
  assert.doesNotMatch(output, /ExperimentalWarning: WASI/);
  return { stdout, output };
}
