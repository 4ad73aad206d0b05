import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/**
 * Runs a script of children/ in a process of its own, as users start one: the warning of node:wasi is part of
 * its time.
 *
 * @param {string} script
 * @param {string[]} args
 * @param {string[]} flags of node
 * @returns {{ wall: number, stdout: string, report: any }} wall: ms; report: its output on descriptor 3
 */
export function runChild(script, args, flags = []) {
  const file = fileURLToPath(new URL(`../children/${script}`, import.meta.url));
  const start = performance.now();
  const { error, status, signal, output } = spawnSync(process.execPath, [...flags, file, ...args], {
    encoding: 'utf8',
    maxBuffer: Infinity,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  const wall = performance.now() - start;
  if (error) throw error;
  const [, stdout, stderr, report] = output;
  if (status !== 0) throw new Error(`${script} ${args[0]}: ${signal ?? status}\n${stderr}`);
  return { wall, stdout, report: report && JSON.parse(report) };
}
