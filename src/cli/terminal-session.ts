// podium's own terminal as the job's, until the job ends or the user leaves it to itself.
import { setTimeout as sleep } from "node:timers/promises";
import type { Podium } from "../client/connect.ts";
import { waitForJob } from "../client/jobs.ts";
import { Keyboard } from "../client/keyboard.ts";
import { followLogs } from "../client/logs.ts";
import type { JobInfo } from "../gen/podium.ts";
import { DetachKeys } from "./detach-keys.ts";
import { type LocalTerminal, localSize } from "./local-terminal.ts";
import { write } from "./output.ts";
import { ownInput } from "./own-input.ts";

const ctrlC = 3;
/** Ctrl-P goes to the job when no other key follows for so long. */
const heldKeyMs = 1000;
const redrawMs = 100;

class Detached extends Error {
  override readonly name = "Detached";
}

export interface SessionOptions {
  /** Somebody types: else the keys only detach. */
  readonly typing: boolean;
  /** Lines of what it has shown before; undefined: all of it. */
  readonly tailLines?: bigint;
  /** Programs draw their screen anew on a change of size: make them. */
  readonly redraw?: boolean;
}

/** Resolves with the job when it has ended, or with null when the user has detached. The terminal is as before then. */
export async function interact(
  podium: Podium,
  id: bigint,
  terminal: LocalTerminal | null,
  options: SessionOptions,
  leave: AbortSignal,
): Promise<JobInfo | null> {
  using here = terminal;
  const over = new AbortController();
  const signal = AbortSignal.any([leave, over.signal]);
  const fail = (error: unknown) => over.abort(error);
  const keyboard = new Keyboard(podium, id);
  keyboard.serve(signal).catch(fail);
  here?.enter((size) => keyboard.resize(size));
  if (here !== null && options.redraw === true) redraw(keyboard, signal).catch(fail);
  readKeys(keyboard, here !== null, options.typing).catch(fail);
  try {
    const selection = { stream: "stdout", tailLines: options.tailLines } as const;
    for await (const { bytes } of followLogs(podium, id, selection, signal)) {
      here?.note(bytes);
      await write("stdout", bytes);
    }
    return await waitForJob(podium, id, signal);
  } catch (error) {
    if (error instanceof Detached) return null;
    throw error;
  } finally {
    over.abort();
    here?.[Symbol.dispose]();
    process.stdin.destroy();
  }
}

/** Two changes, with the time to notice each: some programs draw only when the size is another than before. */
async function redraw(keyboard: Keyboard, signal: AbortSignal): Promise<void> {
  await keyboard.opened;
  const { rows, columns } = localSize();
  keyboard.resize({ rows: rows + 1, columns });
  await sleep(redrawMs, undefined, { signal });
  keyboard.resize(localSize());
}

/** Throws Detached. What is no terminal ends without a word for the job: a terminal has no end. */
async function readKeys(keyboard: Keyboard, detachable: boolean, typing: boolean): Promise<void> {
  const detachKeys = new DetachKeys();
  let releasing: NodeJS.Timeout | undefined;
  // Destroyed, it could not be put back into the mode that it had.
  for await (const typed of ownInput().iterator({ destroyOnReturn: false })) {
    clearTimeout(releasing);
    const { bytes, detach } = detachable ? detachKeys.take(typed) : { bytes: typed as Buffer, detach: false };
    if (typing && bytes.length > 0) await keyboard.type(bytes);
    if (!typing && detachable && bytes.includes(ctrlC)) process.kill(process.pid, "SIGINT"); // which raw mode does not send
    if (detach) throw new Detached();
    if (typing) releasing = setTimeout(() => void keyboard.type(detachKeys.release()), heldKeyMs).unref();
  }
  if (detachable) process.kill(process.pid, "SIGHUP"); // the terminal is gone, and podium with it
}
