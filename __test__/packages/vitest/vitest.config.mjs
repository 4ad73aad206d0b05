import { defineConfig } from 'vitest/config';

const project = (/** @type {'forks' | 'threads' | 'vmThreads'} */ pool) => ({
  extends: /** @type {const} */ (true),
  test: { name: pool, pool },
});

export default defineConfig({
  test: {
    include: ['*.test.mjs'],
    projects: [project('forks'), project('threads'), project('vmThreads')],
  },
});
