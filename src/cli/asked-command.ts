// Which command a command line asks for, told before anything is loaded.
import type { ConnectionFlags } from "../client/profile.ts";

export const connectionFlagNames = [
  "profile",
  "server",
  "ca",
  "cert",
  "key",
] as const satisfies readonly (keyof ConnectionFlags)[];

/** The command's name, also behind `help`; undefined: none is there. */
export function askedCommand(argv: readonly string[]): string | undefined {
  const i = leadingFlags(argv);
  return argv[i] === "help" ? argv[i + 1] : argv[i];
}

/** The connection flags that stand before the command's name, as typed; the rest begins with the command. */
function leadingFlags(argv: readonly string[]): number {
  let i = 0;
  while (connectionFlagNames.some((name) => argv[i] === `--${name}` || argv[i]?.startsWith(`--${name}=`))) {
    i += argv[i]?.includes("=") ? 1 : 2;
  }
  return i;
}
