// Runs guests that do not end by themselves, until it is terminated.
import { parentPort, workerData } from 'node:worker_threads';
import { run, spawn } from '../../index.js';

const { engine, guests } = workerData;
const options = { engine, cache: false };
for (const guest of guests)
  run(Buffer.from(guest), { ...options, stdout: () => {} }).catch(() => {});
for (const guest of guests) spawn(Buffer.from(guest), options).on('error', () => {});
parentPort.postMessage('begun');
