import { defineConfig } from 'vitest/config';

const project = (/** @type {'node' | 'jsdom' | 'happy-dom'} */ environment) => ({
  extends: /** @type {const} */ (true),
  test: { name: environment, environment },
});

export default defineConfig({
  test: {
    include: ['*.test.mjs'],
    projects: [project('node'), project('jsdom'), project('happy-dom')],
  },
});
