import { constants } from "node:os";
import { PollSet } from "../sys/poll.ts";
import { exitNow, exitOf, fork, kill, reap, signalOf } from "../sys/process.ts";

const healthyExit = 42;
const patienceMs = 5000;
const lookMs = 2;
const garbageRounds = 200;
const garbageObjects = 5000;

/**
 * Forks a child that makes garbage until V8 must collect it, then exits. Without the flags that main.ts demands, or on a
 * libc or V8 that behaves differently, it crashes or hangs. Returns the reason not to serve, or null.
 */
export function forkSelfTest(): string | null {
  const child = fork();
  if (child === 0) exitNow(makeGarbage());
  const none = new PollSet();
  for (let waited = 0; waited < patienceMs; waited += lookMs) {
    const found = reap(child);
    if (found !== null && found !== "none") return judge(found.status);
    none.wait(lookMs);
  }
  kill(child, constants.signals.SIGKILL);
  return "a forked copy of Node hangs";
}

function judge(status: number): string | null {
  if (exitOf(status) === healthyExit) return null;
  const signal = signalOf(status);
  return signal === null
    ? `a forked copy of Node exits with ${exitOf(status)}`
    : `a forked copy of Node dies of signal ${signal}`;
}

function makeGarbage(): number {
  let kept: object[] = [];
  for (let round = 0; round < garbageRounds; round++) {
    kept = Array.from({ length: garbageObjects }, (_, i) => ({ i, text: `garbage ${i}` }));
  }
  return kept.length === garbageObjects ? healthyExit : 1;
}
