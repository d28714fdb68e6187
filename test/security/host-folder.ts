import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A host folder for one test; mounts that the test made below it go first. */
export class HostFolder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "podium-grant-"));
  readonly #mounts: string[] = [];

  /** A folder in it, which nobody but root can reach: what a writable root must be. */
  unreachable(name: string): string {
    const path = join(this.path, name);
    mkdirSync(path, { mode: 0o755 });
    return path;
  }

  mountTmpfs(name: string): string {
    const target = join(this.path, name);
    mkdirSync(target);
    execFileSync("mount", ["-t", "tmpfs", "podium-test", target]);
    this.#mounts.push(target);
    return target;
  }

  [Symbol.dispose](): void {
    for (const target of this.#mounts.reverse()) execFileSync("umount", [target]);
    rmSync(this.path, { recursive: true, force: true });
  }
}
