// Measures whole processes that run a program:  processes.mjs <program> warm|cold <folder> <runs>
// Their figures go to descriptor 3.

import { writeSync } from 'node:fs';
import { KINDS, PROGRAMS } from '../lib/processes.mjs';

const [program, kind, folder, runs] = process.argv.slice(2);
const found = await KINDS[kind](PROGRAMS[program], { folder, runs: Number(runs) });
writeSync(3, JSON.stringify(found));
