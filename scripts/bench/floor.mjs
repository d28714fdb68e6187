// The floor: what the kernel alone charges for a program in new mount, pid, uts, ipc and network namespaces with a private
// root of 12 mounts, with no runtime around it: system calls in a row, then posix_spawn and waitpid.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const rounds = fileURLToPath(new URL("floor-rounds.mjs", import.meta.url));

/** `run` is null where the host does not let it be measured. */
export async function floor(folder) {
  const root = join(folder, "floor");
  mkdirSync(root);
  const flags = ["--single-threaded", "--v8-pool-size=0"];
  const child = spawn(process.execPath, [...flags, rounds, root], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.on("error", () => {}); // its end is what tells
  const ended = once(child, "exit");
  const lines = createInterface({ input: child.stdout });
  const run = async () => {
    const answer = once(lines, "line");
    child.stdin.write(".");
    const [text] = await Promise.race([answer, ended.then(() => [Number.NaN])]);
    if (Number.isNaN(Number(text))) throw new Error("its program ended");
    return { total: Number(text) };
  };
  const close = async () => {
    child.stdin.end();
    await ended;
  };
  const works = await run().catch(() => null);
  return { name: "floor: namespaces, 12 mounts, true", run: works === null ? null : run, close };
}
