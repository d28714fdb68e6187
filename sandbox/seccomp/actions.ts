// What a filter can answer, in one table. Order is the kernel's precedence (seccomp(2)): the strictest first.
// Whoever turns kill actions into user notification changes the codes here and nowhere else.

export const actionTable = [
  { name: "SCMP_ACT_KILL_PROCESS", code: 0x80000000, takesErrno: false },
  { name: "SCMP_ACT_KILL_THREAD", code: 0x00000000, takesErrno: false },
  { name: "SCMP_ACT_KILL", code: 0x00000000, takesErrno: false },
  { name: "SCMP_ACT_TRAP", code: 0x00030000, takesErrno: false },
  { name: "SCMP_ACT_ERRNO", code: 0x00050000, takesErrno: true },
  { name: "SCMP_ACT_TRACE", code: 0x7ff00000, takesErrno: true },
  { name: "SCMP_ACT_LOG", code: 0x7ffc0000, takesErrno: false },
  { name: "SCMP_ACT_ALLOW", code: 0x7fff0000, takesErrno: false },
] as const;

export type ActionName = (typeof actionTable)[number]["name"];

/** `errno` is what ERRNO returns and TRACE tells the tracer; 0 with the other actions. */
export interface Action {
  readonly name: ActionName;
  readonly errno: number;
}

const byName = new Map(actionTable.map((row, rank) => [row.name, { ...row, rank }]));

function row(name: ActionName): { readonly code: number; readonly rank: number; readonly takesErrno: boolean } {
  const found = byName.get(name);
  if (found === undefined) throw new Error(`seccomp action ${name} is not in the table`);
  return found;
}

export function isActionName(name: string): name is ActionName {
  return byName.has(name as ActionName);
}

export function takesErrno(name: ActionName): boolean {
  return row(name).takesErrno;
}

/** The 32-bit value that the BPF program returns (SECCOMP_RET_*). */
export function actionCode(action: Action): number {
  return (row(action.name).code | action.errno) >>> 0;
}

/** 0 is the strictest. Where several rules match one call, the smallest rank wins, as between stacked filters. */
export function actionRank(action: Action): number {
  return row(action.name).rank;
}
