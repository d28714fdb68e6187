import { spawnSync } from "node:child_process";
import { until } from "./until.ts";

/** Takes a mount of the test's away, once those have left it whose end it does not wait for: helpers of a dead server. */
export async function unmounted(path: string): Promise<void> {
  let why = "";
  const gone = () => {
    const { status, stderr } = spawnSync("umount", [path], { encoding: "utf8" });
    why = stderr;
    return status === 0 || /not mounted/.test(stderr);
  };
  await until(`${path} is unmounted`, gone).catch((cause) => {
    throw new Error(`${path} stays mounted: ${why}`, { cause });
  });
}
