import { readFileSync } from "node:fs";

/** Names the time since the host was started: another after each restart. random(4). */
export const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
