// A server of the Model Context Protocol over stdio, with one tool: a message of JSON-RPC in each line.

import { createInterface } from 'node:readline';
import { runPython } from './python.mjs';

const TOOL = {
  name: 'run_python',
  description:
    'Runs a script of Python 3.12, with its standard library, without network. It may write files to /app.',
  inputSchema: {
    type: 'object',
    properties: {
      code: { type: 'string', description: 'the script; what it prints is the result' },
    },
    required: ['code'],
  },
};

/** The methods that a client may call. */
const methods = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: 'python-sandbox', version: '1.0.0' },
  }),
  ping: () => ({}),
  'tools/list': () => ({ tools: [TOOL] }),
  async 'tools/call'({ name, arguments: { code } = {} }) {
    if (name !== TOOL.name) throw new Error(`there is no tool ${name}`);
    if (typeof code !== 'string') throw new Error('the argument code must be a string');
    const { text, isError } = await runPython(code);
    return { content: [{ type: 'text', text }], isError };
  },
};

/** @param {object} message */
const send = (message) =>
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);

/** @param {string} line */
async function answer(line) {
  let message;
  try {
    message = JSON.parse(line);
  } catch {
    return send({ id: null, error: { code: -32700, message: 'this is no JSON' } });
  }
  const { id, method, params = {} } = message;
  if (id === undefined) return; // a notification
  if (!Object.hasOwn(methods, method)) {
    return send({ id, error: { code: -32601, message: `there is no method ${method}` } });
  }
  try {
    send({ id, result: await methods[method](params) });
  } catch (error) {
    send({ id, error: { code: -32602, message: error.message } });
  }
}

createInterface({ input: process.stdin }).on('line', answer);
