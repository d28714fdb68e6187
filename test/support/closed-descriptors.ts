// A process without Node's own descriptors that fills V8's new space many times, as a command's process may once: closed-descriptors.js
import { closeFrom } from "../../sandbox/sys/descriptors.ts";
import { exitNow } from "../../sandbox/sys/process.ts";

closeFrom(3);
const kept: unknown[] = [];
for (let i = 0; i < 200_000; i++) {
  kept.push({ i, text: `${i}`, list: [i, i, i] });
  if (kept.length > 1000) kept.length = 0;
}
exitNow(0);
