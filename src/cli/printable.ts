// Text of others (names, commands, messages) on the user's terminal.

/** Controls, C1 controls, line and direction marks: what could move the cursor, recolour, or reorder what one reads. */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** On one line, with a space for each run of line breaks, and escapes for what a terminal would act upon. */
export function printable(text: string): string {
  return text.replace(/[\r\n]+/g, " ").replace(unprintable, escaped);
}

function escaped(character: string): string {
  const code = (character.codePointAt(0) ?? 0).toString(16);
  return code.length <= 2 ? `\\x${code.padStart(2, "0")}` : `\\u{${code}}`;
}

/** A command as one could type it into a shell. */
export function shellWords(words: readonly string[]): string {
  return words.map(shellWord).join(" ");
}

function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
