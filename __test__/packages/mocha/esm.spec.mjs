import { WASI as NodeWASI } from 'node:wasi';
import { it } from 'mocha';
import { WASI } from 'wasi-rs';
import { declare } from '../checks.js';

declare(it, 'wasi-rs, imported,', WASI);
declare(it, 'node:wasi, imported,', NodeWASI);
