import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';

/**
 * Runs Node: neither a child of this test run, nor with its options. It must end well and warn of nothing.
 *
 * @param {string[]} args
 * @param {{ cwd: string, env?: NodeJS.ProcessEnv }} options
 * @returns {Promise<{ stdout: string, output: string }>} output: of both streams
 */
export async function node(args, { cwd, env = {} }) {
  const inherited = { ...process.env };
  delete inherited.NODE_TEST_CONTEXT;
  delete inherited.NODE_OPTIONS;
  const child = spawn(process.execPath, args, {
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
  assert.equal(await exit, 0, output);
  assert.doesNotMatch(output, /ExperimentalWarning: WASI/);
  return { stdout, output };
}
