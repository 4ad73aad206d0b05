import fs from 'node:fs';
import os from 'node:os';

/** The versions and the machine that the figures are of. */
export function machine() {
  const { version } = JSON.parse(fs.readFileSync(new URL('../../package.json', import.meta.url)));
  return {
    date: new Date().toISOString().slice(0, 10),
    wasiRs: version,
    node: process.versions.node,
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    cores: os.availableParallelism(),
    memory: `${Math.round(os.totalmem() / 2 ** 30)} GiB`,
    os: `${os.type()} ${/^\d+\.\d+/.exec(os.release())?.[0] ?? os.release()}, ${os.arch()}`,
  };
}

export function describe({ wasiRs, node, cpu, cores, memory, os, date }) {
  return `wasi-rs ${wasiRs}, Node.js ${node}; ${cpu}, ${cores} cores, ${memory}; ${os}; ${date}`;
}
