// Reading of the server's frames. One that is no message is told of and passed over: the zygote stays for the others.
import { writeSync } from "node:fs";
import type { Frame } from "../frames.ts";
import { MessageType } from "./protocol.ts";

let configured = false;

/** What JSON holds; the types of protocol.ts are a promise of the server's. null: no message. */
// biome-ignore lint/suspicious/noExplicitAny: as JSON.parse has it.
export function readBody({ type, payload }: Frame): any {
  try {
    const body: unknown = JSON.parse(payload.toString());
    const problem = problemOf(type, body);
    if (problem === null) {
      configured = true;
      return body;
    }
    complain(problem);
  } catch {
    complain("it is not JSON");
  }
  return null;
}

function problemOf(type: number, body: unknown): string | null {
  if (type !== MessageType.configure && type !== MessageType.start) return `its type is ${type}`;
  if (typeof body !== "object" || body === null) return "it is no object";
  if (type === MessageType.configure) return configured ? "the zygote has its configuration" : null;
  if (!configured) return "the zygote has no configuration yet";
  const { job, folder, spec } = body as Record<string, unknown>;
  if (typeof job !== "string" || typeof folder !== "string") return "it names no job and folder";
  return typeof spec === "object" && spec !== null ? null : "it has no spec";
}

function complain(problem: string): void {
  try {
    writeSync(2, `podium: zygote: a frame that is no message was passed over: ${problem}\n`);
  } catch {
    // nobody reads
  }
}
