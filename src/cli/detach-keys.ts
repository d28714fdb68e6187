// Ctrl-P Ctrl-Q, the keys that leave a terminal to itself: nothing of them reaches the job.

const ctrlP = 0x10;
const ctrlQ = 0x11;

export interface Keys {
  /** For the job. */
  readonly bytes: Buffer;
  readonly detach: boolean;
}

export class DetachKeys {
  #held = false;

  /** A Ctrl-P is held back until the next key tells what it is. What follows the two keys is dropped. */
  take(typed: Buffer): Keys {
    const out: number[] = [];
    for (const byte of typed) {
      if (this.#held && byte === ctrlQ) return { bytes: Buffer.from(out), detach: true };
      if (this.#held) out.push(ctrlP);
      this.#held = byte === ctrlP;
      if (!this.#held) out.push(byte);
    }
    return { bytes: Buffer.from(out), detach: false };
  }

  /** What is held back, for the job after all: the next key did not come. */
  release(): Buffer {
    const bytes = Buffer.from(this.#held ? [ctrlP] : []);
    this.#held = false;
    return bytes;
  }
}
