// What else starts a program on this machine: plain posix_spawn, bubblewrap, runc, crun, docker. Whoever is missing is named.
import { docker } from "./docker.mjs";
import { ociRuntime } from "./oci.mjs";
import { install, measuredProgram, pathOf, plainSpawn, reasonOf, timed } from "./programs.mjs";

const bwrapArgs = ["--unshare-all", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", measuredProgram];

function bubblewrap(spawn) {
  install("bubblewrap", "bwrap");
  const bwrap = pathOf("bwrap");
  if (bwrap === null) return { missing: "bwrap: not installed (apt-get install bubblewrap)" };
  const reason = reasonOf(bwrap, bwrapArgs);
  if (reason !== null) return { missing: `bwrap: ${bwrap} does not run on this host: ${reason}` };
  return { peers: [{ name: "bwrap --unshare-all true", run: async () => timed(() => spawn(bwrap, bwrapArgs)) }] };
}

/**
 * `measured`: by name, each with `run`; `missing`: why the others are not there; `close` ends what they need. `withDocker`:
 * a daemon is started, which takes a while.
 */
export async function peers(folder, withDocker) {
  const spawn = await plainSpawn();
  const plain = { name: "true, posix_spawn to waitpid", run: async () => timed(() => spawn(measuredProgram, [])) };
  const others = [bubblewrap(spawn), ociRuntime("runc", spawn, folder), ociRuntime("crun", spawn, folder)];
  if (withDocker) others.push(await docker(spawn, folder));
  return {
    measured: [plain, ...others.flatMap((other) => other.peers ?? [])],
    missing: others.flatMap(({ missing }) => missing ?? []),
    close: async () => {
      for (const { close } of others) await close?.();
    },
  };
}
