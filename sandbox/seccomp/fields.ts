// Readers of JSON fields that refuse by place. Docker's tools write null for what is absent, so null counts as absent.
import { refuse } from "./errors.ts";

export type Fields = Readonly<Record<string, unknown>>;

/** The place of a field below another place. */
export function below(place: string, key: string): string {
  return place.endsWith(": ") ? `${place}${key}` : `${place}.${key}`;
}

function kind(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "a list" : `a ${typeof value}`;
}

/** An object without other keys than `known`. */
export function readObject(value: unknown, place: string, known: readonly string[]): Fields {
  const at = place.endsWith(": ") ? place.slice(0, -2) : place;
  if (typeof value !== "object" || value === null || Array.isArray(value))
    refuse(at, `is ${kind(value)}; write an object`);
  for (const key of Object.keys(value)) {
    if (!known.includes(key))
      refuse(below(place, key), `is not a known key; remove it or use one of ${known.join(", ")}`);
  }
  return value as Fields;
}

export function isAbsent(fields: Fields, key: string): boolean {
  return !Object.hasOwn(fields, key) || fields[key] === null;
}

/** The elements of a list with their places; absent is empty. */
export function readList(fields: Fields, key: string, place: string): readonly { value: unknown; place: string }[] {
  if (isAbsent(fields, key)) return [];
  const list = fields[key];
  const at = below(place, key);
  if (!Array.isArray(list)) refuse(at, `is ${kind(list)}; write a list`);
  return list.map((value: unknown, i) => ({ value, place: `${at}[${i}]` }));
}

export function readString(value: unknown, place: string): string {
  if (typeof value !== "string") refuse(place, `is ${kind(value)}; write a string`);
  if (value === "") refuse(place, "is empty; write a name or remove it");
  return value;
}

/** A whole number from 0 to `most`. */
export function readWhole(value: unknown, place: string, most: number): number {
  if (typeof value !== "number") refuse(place, `is ${kind(value)}; write a whole number`);
  if (!Number.isSafeInteger(value) || value < 0 || value > most) {
    refuse(place, `is ${value}; write a whole number from 0 to ${most}`);
  }
  return value;
}
