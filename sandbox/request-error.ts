/** A field of a request that cannot be had as asked. `field` is the request's own name for it. */
export class RequestError extends Error {
  override readonly name = "RequestError";
  readonly field: string;
  readonly mend: string;

  constructor(field: string, reason: string, mend = "") {
    super(`${field}: ${reason}`);
    this.field = field;
    this.mend = mend;
  }
}
