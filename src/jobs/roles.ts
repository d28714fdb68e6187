import { NotAllowed } from "./errors.ts";

/** Throws NotAllowed. */
export function refuseViewer({ role }: { readonly role: string }): void {
  if (role === "viewer") throw new NotAllowed("a podium:viewer certificate reads jobs and logs and changes nothing");
}
