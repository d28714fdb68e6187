// From samples to what is told: min, median, 90th and 99th percentile and max, in the unit of the samples.

const round = (value) => Math.round(value * 100) / 100;

export function figures(samples) {
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (share) => round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]);
  return { min: at(0), median: at(0.5), p90: at(0.9), p99: at(0.99), max: round(sorted.at(-1)) };
}

/** Of two rows of figures, a and b measured by turns. */
export function ratio(a, b) {
  return round(a / b);
}

/**
 * One line of a result: what was measured, the figure, its bar, and whether it was reached; `bar` null = no bar. `of`: the
 * figures that it is the median (or a percentile) of, for its min and max.
 */
export function line(part, what, value, { unit = "", bar = null, atLeast = false, of = null } = {}) {
  const reached = bar === null ? null : atLeast ? value >= bar : value <= bar;
  const { min = null, max = null } = of ?? {};
  return { part, what, value: round(value), min, max, unit, bar, atLeast, reached };
}

/** The median of samples, with their min and max. */
export function medianLine(part, what, samples, options) {
  const of = figures(samples);
  return line(part, what, of.median, { ...options, of });
}

export function printLines(lines) {
  const width = Math.max(...lines.map(({ part, what }) => part.length + what.length)) + 4;
  for (const { part, what, value, min, max, unit, bar, atLeast, reached } of lines) {
    const range = min === null ? "" : `${min} to ${max}`;
    const aim = bar === null ? "" : `  bar ${atLeast ? ">=" : "<="} ${bar}: ${reached ? "reached" : "not reached"}`;
    const figure = `${`${part}: ${what}`.padEnd(width)}${`${value} ${unit}`.padStart(14)}  ${range.padEnd(20)}${aim}`;
    process.stdout.write(`${figure.trimEnd()}\n`);
  }
}
