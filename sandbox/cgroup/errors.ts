/** Why a group, a limit or a place for groups was refused: one sentence that names the field or file, and the mend. */
export class CgroupError extends Error {
  override readonly name = "CgroupError";
  /** errno name of the failed call, for example `EBUSY`; "" when the refusal is podium's own. */
  readonly code: string;

  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = codeOf(cause);
  }
}

/** errno name of a node:fs error, `unknown error` for anything else. */
export function reasonOf(error: unknown): string {
  const code = codeOf(error);
  if (code !== "") return code;
  return error instanceof Error ? error.message : "unknown error";
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === "string" ? code : "";
}
