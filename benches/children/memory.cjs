'use strict';

const { readFileSync } = require('node:fs');

/** In KiB. A process's maxRSS begins with that of its parent at fork, on Linux; VmHWM is its own. */
exports.peakMemory = () => {
  try {
    return Number(/^VmHWM:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
  } catch {
    return process.resourceUsage().maxRSS;
  }
};
