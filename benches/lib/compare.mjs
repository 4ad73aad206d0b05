// Both sides are measured in turn, so that whatever else the machine does hits both alike.

/**
 * @typedef {{ rounds: number, sample: number, patience: number }} Effort
 *   rounds of measurement; the time of a sample of calls, and of all samples of a slow row at most, in ms
 */

// Samples are shorter than the slices in which the system shares a core out: most are not interrupted.
export const THOROUGH = { rounds: 101, sample: 2, patience: 4000 };
export const QUICK = { rounds: 21, sample: 1, patience: 500 };

/**
 * Asks each side for a sample, round by round; the first side alternates.
 *
 * @template {string} Side
 * @template T
 * @param {number} rounds
 * @param {Record<Side, () => T>} sides
 * @returns {Record<Side, T[]>}
 */
export function inTurn(rounds, sides) {
  const names = Object.keys(sides);
  const samples = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? names : names.toReversed();
    for (const name of order) samples[name].push(sides[name]());
  }
  return samples;
}

/**
 * The cost of one call, in nanoseconds, of functions that make n of them.
 * The ratio is the median of the rounds' ratios: above 1, ours is the faster one.
 *
 * @param {{ ours: (n: number) => unknown, theirs: (n: number) => unknown }} sides
 * @param {Effort} effort
 */
export function compareCalls(sides, { rounds, sample, patience }) {
  const costs = [calls(sides.ours, sample), calls(sides.theirs, sample)];
  const n = Math.min(...costs.map(({ n }) => n));
  const round = costs.reduce((total, { each }) => total + (each * n) / 1e6, 0);
  const affordable = Math.max(1, Math.min(rounds, Math.floor(patience / round)));
  const samples = inTurn(affordable, {
    ours: () => time(sides.ours, n),
    theirs: () => time(sides.theirs, n),
  });
  return {
    ours: median(samples.ours),
    theirs: median(samples.theirs),
    ratio: median(samples.ours.map((ours, round) => samples.theirs[round] / ours)),
  };
}

/** The number of calls that fill a sample; finding it out warms the code up. */
function calls(run, sample) {
  for (let n = 1; ; n *= 4) {
    const each = Math.min(time(run, n), time(run, n)); // the one that was not interrupted
    const elapsed = (each * n) / 1e6;
    if (elapsed >= sample / 2) return { n: Math.max(1, Math.round((n * sample) / elapsed)), each };
  }
}

function time(run, n) {
  const start = process.hrtime.bigint();
  run(n);
  return Number(process.hrtime.bigint() - start) / n;
}

/** @param {number[]} values */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** @param {number[]} values */
export function geometricMean(values) {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}
