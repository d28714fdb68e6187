import { z } from "zod";

/** A number, or text with a unit; from `minimum` up. */
export function units(parse: (text: string) => number | null, example: string, minimum = 0) {
  const text = z.string().transform((value, context) => {
    const parsed = parse(value);
    if (parsed !== null && parsed >= minimum) return parsed;
    context.addIssue({
      code: "custom",
      message: parsed === null ? `write it like ${example}` : `make it at least ${minimum}`,
    });
    return z.NEVER;
  });
  return z.union([z.number().int().min(minimum), text]);
}
