// Sizes and durations as people write them (docs/contract.md): powers of 1024, and ms, s, m, h.

const sizeSuffixes = ["", "K", "M", "G", "T", "P"] as const;
const durationFactors = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `64M` → 67108864, `1.5G`, `512K`, `100`. A whole number of bytes below 2^53, else null. */
export function parseSize(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)([KMGTP]?)(?:i?B)?$/i.exec(text);
  if (match === null) return null;
  const power = sizeSuffixes.indexOf((match[2] ?? "").toUpperCase() as (typeof sizeSuffixes)[number]);
  const bytes = Math.round(Number(match[1]) * 1024 ** power);
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** `64M`, `64M:kill`: a limit on output, else null. */
export function parseOutputLimit(text: string): { readonly bytes: number; readonly kill: boolean } | null {
  const kill = text.endsWith(":kill");
  const bytes = parseSize(kill ? text.slice(0, -":kill".length) : text);
  return bytes === null ? null : { bytes, kill };
}

/** 67108864 → `64M`; at most one digit after the point, the largest suffix that gives at least 1. */
export function formatSize(bytes: number): string {
  let value = bytes;
  let power = 0;
  while (Number(value.toFixed(1)) >= 1024 && power < sizeSuffixes.length - 1) {
    value /= 1024;
    power++;
  }
  return `${Number(value.toFixed(1))}${sizeSuffixes[power]}`;
}

/** `500ms`, `10s`, `5m`, `1.5h`, `30` (seconds) → milliseconds, whole and below 2^53, else null. */
export function parseDuration(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text);
  if (match === null) return null;
  const unit = (match[2] ?? "s") as keyof typeof durationFactors;
  const milliseconds = Math.round(Number(match[1]) * durationFactors[unit]);
  return Number.isSafeInteger(milliseconds) ? milliseconds : null;
}

/** 1500 → `1.5s`, 500 → `500ms`, 300000 → `5m`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${milliseconds}ms`;
  if (milliseconds >= 60_000 && milliseconds % 60_000 === 0) return `${milliseconds / 60_000}m`;
  return `${milliseconds / 1000}s`;
}

/** USER or USER:GROUP, each a name or a number. */
export interface UserName {
  readonly user: string;
  readonly group: string | undefined;
}

const account = "([^:\\0\\n]{1,256})";
const userName = new RegExp(`^${account}(?::${account})?$`);

/** null when it is neither USER nor USER:GROUP. */
export function parseUserName(text: string): UserName | null {
  const match = userName.exec(text);
  return match === null ? null : { user: match[1] as string, group: match[2] };
}
