// A small Debian as debootstrap makes it, kept between runs: making it takes a minute or two and the archive's packages.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";

export const debianTree = "/var/cache/podium-test/bookworm-3";
const longestMs = 240_000;

/** null when the tree is there, else why it cannot be made. */
export function debianTreeProblem(): string | null {
  if (existsSync(debianTree)) return null;
  const unfinished = `${debianTree}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(dirname(debianTree), { recursive: true });
  const args = ["--variant=minbase", "--include=procps,python3-minimal", "bookworm", unfinished];
  // timeout(1) ends what debootstrap has started too.
  const bounded = ["--kill-after=10", String(longestMs / 1000), "debootstrap", ...args];
  const { error, status, stdout } = spawnSync("timeout", bounded, { encoding: "utf8" });
  if (error === undefined && status === 0) {
    renameSync(unfinished, debianTree);
    return null;
  }
  rmSync(unfinished, { recursive: true, force: true });
  const last = status === 124 ? `not within ${longestMs / 1000} s` : (stdout?.trim().split("\n").at(-1) ?? "");
  return `debootstrap made no tree: ${error?.message ?? last}`;
}
