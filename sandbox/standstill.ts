// Whether a process that is looked at now and then has been stopped all the time.

export class Standstill {
  #halt: string | null = null;
  #looks = 0;

  /** How many looks in a row have found it stopped where it was (haltOf in sys/process-identity.ts), this one included. */
  looks(halt: string | null): number {
    if (halt === null) this.#looks = 0;
    else this.#looks = halt === this.#halt ? this.#looks + 1 : 1;
    this.#halt = halt;
    return this.#looks;
  }
}
