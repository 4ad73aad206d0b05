// Runs a guest that does not end by itself in the class, until it is terminated.
import { parentPort, workerData } from 'node:worker_threads';
import { WASI } from '../../index.js';

const wasi = new WASI({ version: 'preview1', preopens: { '/': '/tmp' } });
const module = new WebAssembly.Module(workerData.guest);
const instance = new WebAssembly.Instance(module, wasi.getImportObject());
parentPort.postMessage('begins');
wasi.start(instance);
