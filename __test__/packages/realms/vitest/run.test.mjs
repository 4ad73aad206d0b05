import { test } from 'vitest';
import * as wasi from 'wasi-rs';
import { declareRuns } from '../checks.js';

declareRuns(test, wasi);
