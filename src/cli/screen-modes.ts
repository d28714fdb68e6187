// Which modes of the screen a job has switched on and not off again: a job that is killed, or left, cannot undo them itself.

/** Private modes of xterm (ctlseqs): value in rest, and what puts it right. Beside these, programs leave nothing that disturbs a shell. */
const modes: Readonly<Record<string, { readonly rest: "h" | "l" }>> = {
  1: { rest: "l" }, // cursor keys of applications
  25: { rest: "h" }, // the cursor is shown
  47: { rest: "l" }, // the other screen, in three spellings
  1047: { rest: "l" },
  1049: { rest: "l" },
  1000: { rest: "l" }, // clicks, moves and wheel of the mouse are typed
  1002: { rest: "l" },
  1003: { rest: "l" },
  1004: { rest: "l" }, // so is the coming and going of the focus
  1006: { rest: "l" },
  1015: { rest: "l" },
  2004: { rest: "l" }, // brackets around what is pasted
};

const esc = "\x1b";
/** Longer than any sequence that sets modes: so much of the end of a piece may begin one. */
const longestSequence = 64;

export class ScreenModes {
  readonly #disturbed = new Set<string>();
  #keypad = false;
  #colours = false;
  #tail = "";

  note(bytes: Buffer): void {
    const text = this.#tail + bytes.toString("latin1");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: terminals are told by control characters.
    for (const [, numbers = "", letter, keypad] of text.matchAll(/\x1b(?:\[\?([\d;]+)([hl])|([=>])|\[[\d;]*m)/g)) {
      if (letter === undefined && keypad === undefined) this.#colours = true;
      if (keypad !== undefined) this.#keypad = keypad === "=";
      for (const number of letter === undefined ? [] : numbers.split(";")) this.#set(number, letter);
    }
    const last = text.lastIndexOf(esc);
    // A whole sequence in the tail is only noted twice, to the same effect.
    this.#tail = last >= 0 && text.length - last < longestSequence ? text.slice(last) : "";
  }

  #set(number: string, letter: string | undefined): void {
    const mode = modes[number];
    if (mode === undefined) return;
    if (letter === mode.rest) this.#disturbed.delete(number);
    else this.#disturbed.add(number);
  }

  /** The sequences that put everything back; "" when nothing is left to. */
  undo(): string {
    const sequences = [...this.#disturbed].map((number) => `${esc}[?${number}${modes[number]?.rest}`);
    if (this.#keypad) sequences.push(`${esc}>`);
    if (this.#colours) sequences.push(`${esc}[m`);
    this.#disturbed.clear();
    this.#keypad = false;
    this.#colours = false;
    return sequences.join("");
  }
}
