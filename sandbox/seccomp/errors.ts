/** A profile that podium does not take. The message names the file, the place in its JSON, the reason and the mend. */
export class ProfileError extends Error {
  override readonly name = "ProfileError";
}

/** `place` is the file's name, a colon and the JSON path, for example `app.json: syscalls[3].args[0].op`. */
export function refuse(place: string, reason: string): never {
  throw new ProfileError(`${place}: ${reason}`);
}
