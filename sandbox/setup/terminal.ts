// The command's terminal, opened with the job's rights in the job's own devpts, so that its owner is the job's user.

import { sendDescriptors } from "../sys/descriptor-passing.ts";
import { close, dup2, O_RDWR, open } from "../sys/descriptors.ts";
import {
  makeControllingTerminal,
  O_NOCTTY,
  openTerminalPeer,
  setTerminalSize,
  setTerminalUtf8,
  unlockTerminal,
} from "../sys/terminal.ts";
import { type Descent, statusDescriptor } from "./context.ts";

/** Said on the status socket together with both sides of the terminal. */
export const terminalMark = "t";

/** It becomes the session's controlling terminal and 0, 1 and 2; both sides go to init. Nothing without a terminal. */
export function takeTerminal({ spec }: Descent): void {
  if (spec.terminal === null) return;
  const master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY);
  unlockTerminal(master);
  setTerminalSize(master, spec.terminal.rows, spec.terminal.columns);
  const slave = openTerminalPeer(master);
  setTerminalUtf8(slave);
  makeControllingTerminal(slave);
  sendDescriptors(statusDescriptor, [master, slave], Buffer.from(terminalMark));
  for (const fd of [0, 1, 2]) dup2(slave, fd);
  close(slave);
  close(master);
}
