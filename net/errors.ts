/** What kind of answer a network failure deserves; the caller turns it into a wire failure. `lost`: worth another try. */
export type NetworkErrorCode = "invalid" | "conflict" | "exhausted" | "unavailable" | "lost" | "failed";

/** A network that cannot be had, with the reason and, where there is one, the mend. */
export class NetworkError extends Error {
  override readonly name = "NetworkError";
  readonly code: NetworkErrorCode;
  readonly mend: string;
  /** The option or setting it is about (`allow`, `deny`, `publish`, `rate`, `subnet` …), else "". */
  readonly field: string;

  constructor(code: NetworkErrorCode, message: string, mend = "", field = "") {
    super(message);
    this.code = code;
    this.mend = mend;
    this.field = field;
  }
}

/** An option or setting that says something impossible. */
export function invalid(field: string, reason: string, mend: string): NetworkError {
  return new NetworkError("invalid", reason, mend, field);
}
