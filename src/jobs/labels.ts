import { InvalidRequest } from "./errors.ts";

const most = 32;
const longestValueBytes = 255;

/** Throws InvalidRequest naming the label that is none. */
export function checkLabels(labels: Readonly<Record<string, string>>): void {
  const all = Object.entries(labels);
  if (all.length > most) throw new InvalidRequest("labels", `${all.length} are too many`, `give at most ${most}`);
  for (const [key, value] of all) {
    if (!/^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/.test(key)) {
      const mend = "begin it with a letter or digit, then letters, digits, dot, underscore, slash, hyphen, at most 63";
      throw new InvalidRequest("labels", `${JSON.stringify(key)} is not a key`, mend);
    }
    if (Buffer.byteLength(value) > longestValueBytes || /\p{Cc}/u.test(value)) {
      const mend = `use at most ${longestValueBytes} bytes of text on one line`;
      throw new InvalidRequest(`labels[${key}]`, `${JSON.stringify(value.slice(0, 40))} is not a value`, mend);
    }
  }
}
