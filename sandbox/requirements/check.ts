/**
 * One thing that podium needs of a host, as it was found. Plain data: whoever knows of a further need adds a function that
 * returns some of these to the list in src/doctor/checks.ts.
 */
export interface Check {
  /** A word or two, for example `namespace user`. */
  readonly name: string;
  readonly ok: boolean;
  /** False: jobs start without it, and only a request for what needs it is refused. */
  readonly required: boolean;
  /** What was found, or why not; one line. */
  readonly detail: string;
  /** What the administrator can do about it; "" when all is well. */
  readonly mend: string;
}

/** A need that is met. */
export function met(name: string, detail: string): Check {
  return { name, ok: true, required: true, detail, mend: "" };
}

/** A need without which no job starts. */
export function lacking(name: string, detail: string, mend: string): Check {
  return { name, ok: false, required: true, detail, mend };
}

/** Something without which jobs start all the same. */
export function wanting(name: string, detail: string, mend: string): Check {
  return { name, ok: false, required: false, detail, mend };
}
