// JSON with whole numbers of any size: ids go up to 2^63 - 1, which JSON.stringify refuses as bigint and rounds as number.

export type Json = null | boolean | number | bigint | string | readonly Json[] | { readonly [key: string]: Json };

/** One document, indented by two spaces, without a newline at its end. */
export function encodeJson(value: Json, indent = ""): string {
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const inner = `${indent}  `;
  const isList = Array.isArray(value);
  const items = isList
    ? (value as readonly Json[]).map((item) => encodeJson(item, inner))
    : Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${encodeJson(item, inner)}`);
  const [open, close] = isList ? "[]" : "{}";
  if (items.length === 0) return `${open}${close}`;
  return `${open}\n${inner}${items.join(`,\n${inner}`)}\n${indent}${close}`;
}
