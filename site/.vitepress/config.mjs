import { defineConfig } from 'vitepress';

const guides = [
  ['Capture output', '/guides/output'],
  ['Untrusted code', '/guides/untrusted'],
  ["An agent's tools", '/guides/agents'],
  ['Plugins', '/guides/plugins'],
  ['Files in memory', '/guides/memory'],
  ['Workers', '/guides/workers'],
  ['Migrating', '/guides/migrating'],
  ['Testing', '/testing'],
  ['Deployment', '/deployment'],
  ['Examples', '/examples/'],
];
const reference = [
  ['The class WASI', '/class'],
  ['run(), spawn(), Runner', '/run'],
  ['load(), loadSync()', '/load'],
  ['Components', '/components'],
  ['handler()', '/http'],
  ['Command line', '/cli'],
  ['Limits', '/limits'],
  ['System calls', '/syscalls'],
  ['API', '/api/'],
];
const background = [
  ['Benchmark', '/benchmark'],
  ['Speed', '/speed'],
  ['Security', '/security'],
  ['Architecture', '/architecture'],
  ['Decisions', '/decisions/'],
  ['Contributing', '/contributing'],
  ['Changelog', '/changelog'],
];
const items = (/** @type {string[][]} */ list) => list.map(([text, link]) => ({ text, link }));

export default defineConfig({
  title: 'wasi-rs',
  description: 'Runs WebAssembly programs from Node.js',
  srcDir: 'build',
  outDir: 'dist',
  cacheDir: 'build/.cache',
  // For GitHub Pages of a repository: SITE_BASE=/wasi-rs/.
  base: process.env.SITE_BASE ?? '/',
  cleanUrls: true,
  lastUpdated: false,
  markdown: { languageAlias: { wat: 'wasm', wit: 'rust' } },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: [
      { text: 'Documents', link: '/documents' },
      { text: 'API', link: '/api/' },
    ],
    sidebar: [
      { text: 'wasi-rs', link: '/' },
      { text: 'Guides', items: items(guides) },
      { text: 'Reference', items: items(reference) },
      { text: 'Background', items: items(background), collapsed: true },
    ],
  },
});
