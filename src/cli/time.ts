// Times as people read them.

const units = [
  ["d", 86_400],
  ["h", 3_600],
  ["m", 60],
] as const;

/** 3 → `3s`, 200 → `3m`, 7300 → `2h`: the largest unit alone, rounded down. */
export function shortDuration(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  for (const [unit, length] of units) {
    if (seconds >= length) return `${Math.floor(seconds / length)}${unit}`;
  }
  return `${seconds}s`;
}

export function ago(date: Date, now: Date): string {
  return `${shortDuration(now.getTime() - date.getTime())} ago`;
}

/** Local time: `2026-11-22 04:30:08`. */
export function localTime(date: Date): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":")}`;
}

const written = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)?)?$/i;

/** RFC 3339, or a part of it that begins with the date; without a zone it is local time. null: no time. */
export function parseTime(text: string): Date | null {
  if (!written.test(text)) return null;
  const date = new Date(text.length === "2026-11-26".length ? `${text}T00:00` : text.replace(" ", "T"));
  return Number.isNaN(date.getTime()) ? null : date;
}
