import { geometricMean } from '../lib/compare.mjs';

/** A ratio from here to its inverse is noise. */
export const NOISE = 0.95;

/** Of those rows that have a ratio; undefined if none has. */
export function meanRatio(rows) {
  const ratios = rows.map(({ ratio }) => ratio).filter((ratio) => ratio !== undefined);
  return ratios.length === 0 ? undefined : geometricMean(ratios);
}

export function slowerRows(rows) {
  return rows.filter(({ ratio }) => ratio < NOISE);
}
