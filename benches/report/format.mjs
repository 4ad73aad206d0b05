/** Larger units, for readers: [unit, the number of the one before, or of the unit itself]. */
const UNITS = { ns: ['ns', 'us', 'ms', 's'], us: ['us', 'ms', 's'], ms: ['ms', 's'], KiB: ['KiB'] };

/** @param {number | undefined} value @param {keyof typeof UNITS} unit */
export function quantity(value, unit) {
  if (value === undefined) return '';
  const units = [...UNITS[unit]];
  while (value >= 10_000 && units.length > 1) {
    value /= 1000;
    units.shift();
  }
  return `${number(value)} ${units[0].replace('us', 'µs')}`;
}

/** Three digits that count. */
function number(value) {
  if (value >= 100) return Math.round(value).toLocaleString('en');
  return value.toFixed(value < 10 ? 2 : 1);
}

export function mebibytes(kib) {
  return `${Math.round(kib / 1024)} MiB`;
}

/** The peaks of both sides, and the ratio. */
export function memories({ ours, theirs }) {
  return `${mebibytes(ours)} / ${mebibytes(theirs)}, ${times(theirs / ours)}`;
}

export function times(ratio) {
  return ratio === undefined
    ? ''
    : `x${ratio < 9.95 ? ratio.toFixed(2) : Math.round(ratio).toLocaleString('en')}`;
}
