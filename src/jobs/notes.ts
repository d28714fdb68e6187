// What a copy left out, told to whoever asked for it; a hostile tree could give millions of reasons.

const most = 100;
const longest = 400;

/** The name is at the beginning, the reason at the end. */
function shortened(text: string): string {
  return text.length <= longest ? text : `${text.slice(0, longest / 2)}…${text.slice(-longest / 2)}`;
}

export class Notes {
  readonly #tell: (text: string) => void;
  #count = 0;

  constructor(tell: (text: string) => void) {
    this.#tell = tell;
  }

  readonly add = (text: string): void => {
    this.#count++;
    if (this.#count <= most) this.#tell(shortened(text));
    else if (this.#count === most + 1) this.#tell("more was left out than is told here");
  };
}
