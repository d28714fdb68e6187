// The command line's own time: `podium status` of a finished job against `node -e 0`.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { figures, line, medianLine } from "./figures.mjs";

const times = 15;
const program = fileURLToPath(new URL("../podium", import.meta.url));

function wallMs(command, args, env) {
  const from = performance.now();
  const { status, stderr } = spawnSync(command, args, { env, encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`);
  return performance.now() - from;
}

export async function cli({ server }) {
  const id = await server.start(["/usr/bin/true"]);
  await server.wait(id);
  const env = { PATH: process.env.PATH, PODIUM_PROFILE: server.host.profile("bench") };
  const [bare, status] = [[], []];
  for (let i = 0; i < times; i++) {
    bare.push(wallMs(process.execPath, ["-e", "0"], env));
    status.push(wallMs(program, ["status", String(id)], env));
  }
  const [one, two] = [figures(status).median, figures(bare).median];
  return {
    rows: [],
    lines: [
      medianLine("cli", "node -e 0, median", bare, { unit: "ms" }),
      medianLine("cli", "podium status, median", status, { unit: "ms" }),
      line("cli", "podium status to node -e 0", one / two, { bar: 1.7 }),
    ],
  };
}
