/** What is wrong with a certificate, key, revocation list or profile: one sentence that names the file, and the mend. */
export class CredentialError extends Error {
  override readonly name = "CredentialError";
  /** What the user can do about it; empty where nothing is known. */
  readonly mend: string;

  constructor(message: string, mend = "", cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.mend = mend;
  }
}
