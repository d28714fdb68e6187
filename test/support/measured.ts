// Figures that others on the machine can spoil, and the product cannot: they are taken again, a few times at most. What is
// wrong by itself is so every time; what somebody else's work has done is not.

export interface Measuring {
  /** At most so many times; 6 unless said. */
  readonly times?: number;
}

/** Takes the figure until it is as it should be; the last one when it never is. */
export async function measured(
  take: () => number | Promise<number>,
  asItShould: (figure: number) => boolean,
  { times = 6 }: Measuring = {},
): Promise<number> {
  for (let taken = 1; ; taken++) {
    const figure = await take();
    if (taken >= times || asItShould(figure)) return figure;
  }
}
