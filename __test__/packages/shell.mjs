// The commands of a page in docs/, with those of the packages of this folder on the PATH.

import path from 'node:path';
import * as documents from '../support/documents.mjs';

const bin = [path.join(import.meta.dirname, 'node_modules', '.bin')];

/**
 * @param {string} commands
 * @param {{ cwd: string, env?: NodeJS.ProcessEnv }} options
 */
export const shell = (commands, options) => documents.shell(commands, { bin, ...options });
