// The exit record and the state file. Their space is set aside while the job starts, so that a full disk at the end cannot
// make podium lie; both appear by rename, so that a reader finds the old or the new, never a part.
import type { ExitRecord } from "../spec.ts";
import { close, sync, truncate, writeAt } from "../sys/descriptors.ts";
import { rename } from "../sys/files.ts";
import { openNew } from "./new-file.ts";
import { stateOf } from "./outcome.ts";

const reservedBytes = 4096;

interface Prepared {
  readonly fd: number;
  readonly temporary: string;
  readonly final: string;
}

export interface PreparedRecord {
  readonly exit: Prepared;
  readonly state: Prepared;
}

/** Reserves both files in the job folder (an absolute path). Throws ENOSPC now rather than at the end. */
export function prepareRecord(folder: string): PreparedRecord {
  return { exit: reserve(folder, "exit.json"), state: reserve(folder, "state") };
}

const spaces = Buffer.alloc(reservedBytes, " ");

function reserve(folder: string, name: string): Prepared {
  const temporary = `${folder}/${name}.next`;
  const fd = openNew(temporary);
  writeAt(fd, spaces, 0);
  return { fd, temporary, final: `${folder}/${name}` };
}

/**
 * Writes the outcome for good: the record is synced before it takes its name. `state` follows from it, so it is not synced:
 * after a power cut the server writes it anew.
 */
export function writeRecord(prepared: PreparedRecord, record: ExitRecord): void {
  finish(prepared.exit, `${JSON.stringify(shortened(record))}\n`, sync);
  finish(prepared.state, `${stateOf(record)}\n`);
}

const longestMessage = 2000;

function shortened(record: ExitRecord): ExitRecord {
  return { ...record, message: record.message.slice(0, longestMessage), by: record.by.slice(0, 100) };
}

function finish({ fd, temporary, final }: Prepared, text: string, keep?: (fd: number) => void): void {
  const bytes = Buffer.from(text);
  writeAt(fd, bytes, 0);
  truncate(fd, bytes.length);
  keep?.(fd);
  close(fd);
  rename(temporary, final);
}
