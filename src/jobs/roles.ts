import { NotAllowed } from "./errors.ts";
import type { Job } from "./job.ts";

/** Throws NotAllowed. */
export function refuseViewer({ role }: { readonly role: string }): void {
  if (role === "viewer") throw new NotAllowed("a podium:viewer certificate reads jobs and logs and changes nothing");
}

/** For what makes one the job itself: admins see and stop the jobs of others, they do not speak in their place. */
export function refuseOther({ user }: { readonly user: string }, { id, meta }: Job): void {
  if (meta.user !== user) throw new NotAllowed(`job ${id} is ${meta.user}'s: only its owner may enter it`);
}
