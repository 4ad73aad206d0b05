import wasi, { WASI } from 'node:wasi';
import { test } from 'vitest';
import { declare } from '../checks.js';

declare(test, 'node:wasi', WASI);
declare(test, 'node:wasi, the default import,', wasi.WASI);
