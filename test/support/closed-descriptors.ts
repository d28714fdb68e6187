// A process without Node's own descriptors that fills V8's new space many times, as a command's process may once: closed-descriptors.js
import { closeFrom } from "../../sandbox/sys/descriptors.ts";
import { exitNow } from "../../sandbox/sys/process.ts";
import { postFirstTask } from "../../sandbox/sys/v8-tasks.ts";

postFirstTask();
closeFrom(3);
const kept: unknown[] = [];
for (let i = 0; i < 1_000_000; i++) {
  kept.push({ i, text: `${i}`, list: [i, i, i] });
  if (i % 150_000 === 0) kept.length = 0; // much of it grows old, so that V8 marks too
}
exitNow(0);
