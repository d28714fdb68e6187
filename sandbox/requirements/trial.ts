// A trial does one thing for real in a forked child, and what it did goes with the child.
import { close, pipe, read, write } from "../sys/descriptors.ts";
import { exitNow, fork, waitFor } from "../sys/process.ts";
import { type Check, lacking, met, wanting } from "./check.ts";

export interface Trial {
  readonly name: string;
  readonly required: boolean;
  /** Said when it worked, unless the body says more. */
  readonly what: string;
  readonly mend: string;
  /** Runs as the only thread of a child, as host root. Throws when it cannot be had; a text that it returns is told. */
  readonly body: () => unknown;
}

const longestAnswer = 4096;

export function run({ name, required, what, mend, body }: Trial): Check {
  const answer = inChild(body);
  if (answer.ok) return met(name, answer.text === "" ? what : answer.text);
  const detail = `${what}: no (${answer.text})`;
  return required ? lacking(name, detail, mend) : wanting(name, detail, mend);
}

interface Answer {
  readonly ok: boolean;
  readonly text: string;
}

function inChild(body: () => unknown): Answer {
  const ends = pipe();
  const pid = fork();
  if (pid === 0) {
    write(ends.write, Buffer.from(JSON.stringify(answerOf(body))));
    exitNow(0);
  }
  close(ends.write);
  try {
    const text = Buffer.alloc(longestAnswer);
    const n = read(ends.read, text) ?? 0;
    return n === 0 ? { ok: false, text: "the process that tried it died" } : JSON.parse(text.toString("utf8", 0, n));
  } finally {
    close(ends.read);
    waitFor(pid);
  }
}

function answerOf(body: () => unknown): Answer {
  try {
    const found = body();
    return { ok: true, text: typeof found === "string" ? found : "" };
  } catch (error) {
    return { ok: false, text: (error as Error).message.slice(0, 500) };
  }
}
