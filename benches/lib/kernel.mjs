import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const target = fileURLToPath(new URL('../../target/kernel', import.meta.url));
const manifest = fileURLToPath(new URL('../kernel/Cargo.toml', import.meta.url));

/**
 * The time of the kernel's own calls in each row, measured by a program that makes no others: the floor for
 * both sides. There is one on Linux only.
 *
 * @param {string} folder with the files that the guests have
 * @returns {(row: string) => number | undefined} nanoseconds, for a row that needs the kernel
 */
export function kernelFloors(folder) {
  if (process.platform !== 'linux') return () => undefined;
  run('cargo', [
    'build',
    '--quiet',
    '--release',
    '--manifest-path',
    manifest,
    '--target-dir',
    target,
  ]);
  return (row) => Number(run(`${target}/release/kernel`, [folder, row])) || undefined;
}

function run(command, args) {
  const stdio = /** @type {const} */ (['ignore', 'pipe', 'inherit']);
  const { error, status, stdout } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    stdio,
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: exit code ${status}`);
  return stdout;
}
