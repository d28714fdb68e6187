// Reading of control frames: what is not exactly a message throws before anything of it is done, and its sender is dropped.
import type { ResizeMessage, SignalMessage, StopMessage, TimeoutMessage } from "./protocol.ts";

const longestSide = 65_535;
const highestSignal = 64;
const longestGraceMs = 2 ** 31;
const longestTimeoutMs = 10 * 365 * 86_400_000;

function fieldsOf(payload: Buffer): Readonly<Record<string, unknown>> {
  const value: unknown = JSON.parse(payload.toString());
  if (typeof value !== "object" || value === null) throw new Error("a control message is an object");
  return value as Record<string, unknown>;
}

function whole(value: unknown, most: number): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= most) return value;
  throw new Error(`${String(value)} is not a whole number from 0 to ${most}`);
}

export function readSignal(payload: Buffer): SignalMessage {
  return { signal: whole(fieldsOf(payload).signal, highestSignal) };
}

export function readStop(payload: Buffer): StopMessage {
  const { signal, graceMs, by } = fieldsOf(payload);
  if (typeof by !== "string") throw new Error("a stop says by whom");
  return { signal: whole(signal, highestSignal), graceMs: whole(graceMs, longestGraceMs), by };
}

export function readResize(payload: Buffer): ResizeMessage {
  const { rows, columns } = fieldsOf(payload);
  return { rows: whole(rows, longestSide), columns: whole(columns, longestSide) };
}

export function readTimeout(payload: Buffer): TimeoutMessage {
  return { milliseconds: whole(fieldsOf(payload).milliseconds, longestTimeoutMs) };
}
