// When certificates end, in words.
import type { CertificateEntry } from "./revocation.ts";

const dayMs = 86_400_000;
/** Administrators are told so long before. */
export const administratorDays = 30;
/** Users are told so long before. */
const userDays = 14;

/** Whole days from now, rounded down; negative when it is past. */
function daysUntil(end: Date, now: Date): number {
  return Math.floor((end.getTime() - now.getTime()) / dayMs);
}

function inDays(days: number): string {
  if (days < 1) return "in less than a day";
  return days === 1 ? "in 1 day" : `in ${days} days`;
}

/** For the user of a certificate that ends within 14 days; null for others. */
export function ownExpiryWarning(validTo: string, now: Date): string | null {
  const end = new Date(validTo);
  const days = daysUntil(end, now);
  if (days >= userDays || days < 0) return null;
  return `your certificate ends ${inDays(days)}, on ${end.toISOString().slice(0, 10)}; ask the administrator to renew it`;
}

/** For the administrator: of each name the latest certificate, where it ends within 30 days or has ended. */
export function expiryWarnings(entries: readonly CertificateEntry[], now: Date): string[] {
  const latest = new Map<string, CertificateEntry>();
  for (const entry of entries) {
    const known = latest.get(entry.name);
    if (entry.state !== "revoked" && (known === undefined || known.notAfter <= entry.notAfter))
      latest.set(entry.name, entry);
  }
  return [...latest.values()].flatMap(({ name, notAfter }) => {
    const days = daysUntil(new Date(notAfter), now);
    if (days >= administratorDays) return [];
    const when = days < 0 ? `has ended on ${notAfter.slice(0, 10)}` : `ends ${inDays(days)}`;
    return [`${name}: the certificate ${when}; to renew it: podium certs renew ${name}`];
  });
}
