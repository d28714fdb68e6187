// A small root of the test's own: busybox, one user beside root, and files that a job covers.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Below a folder that only root can search, so that it may be had `rw`. */
export class BusyboxRoot implements Disposable {
  readonly #place = mkdtempSync(join(tmpdir(), "podium-root-"));
  readonly path = join(this.#place, "root");

  constructor() {
    for (const name of ["bin", "etc", "tmp", "proc", "dev", "root", "home"]) {
      mkdirSync(join(this.path, name), { recursive: true });
    }
    execFileSync("cp", ["/bin/busybox", join(this.path, "bin/busybox")]);
    execFileSync("/bin/busybox", ["--install", "-s", join(this.path, "bin")]);
    execFileSync("sh", ["-c", 'for l in "$0"/bin/*; do [ -L "$l" ] && ln -sf busybox "$l"; done', this.path]);
    writeFileSync(join(this.path, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nworker:x:1000:1000::/home:/bin/sh\n");
    writeFileSync(join(this.path, "etc/hosts"), "192.0.2.1 of-the-rootfs\n");
    writeFileSync(join(this.path, "etc/hostname"), "of-the-rootfs\n");
  }

  /** Of every name, mode, owner and content. */
  hash(): string {
    const script = 'cd "$0" && { find . -printf "%p %y %m %U:%G %s %T@ %l\\n"; find . -type f -exec sha256sum {} +; }';
    const list = execFileSync("sh", ["-c", `${script} | LC_ALL=C sort | sha256sum`, this.path], { encoding: "utf8" });
    return list;
  }

  [Symbol.dispose](): void {
    rmSync(this.#place, { recursive: true });
  }
}
