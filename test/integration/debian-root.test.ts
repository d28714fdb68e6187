// A tree from debootstrap as a root: bash, python3, dpkg and apt-get in it, several jobs at once, and unchanged after all.
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { debianTree } from "../support/debian-tree.ts";
import { enterWorld, outside, outsidePeer } from "../support/net-world.ts";
import { podiumScript, runSandbox } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { Tmux } from "../support/tmux.ts";
import { until } from "./live-server.ts";

const test = suite("a Debian root", { testSeconds: 330 });
const debian = requires("root", "libseccomp", "debootstrap", "debian-tree");
const shell = requires("root", "libseccomp", "nft", "ip", "netadmin", "tmux", "debootstrap", "debian-tree");

/** Of every name, kind, mode, owner, size, time and link. */
function hash(path: string): string {
  const script = `cd "$0" && find . -printf '%p %y %m %U:%G %s %T@ %l\\n' | LC_ALL=C sort | sha256sum`;
  return execFileSync("sh", ["-c", script, path], { encoding: "utf8" });
}

/** A repository with one package, whose set-up makes a user. */
function makeRepository(path: string): void {
  const source = join(path, "source");
  mkdirSync(join(source, "DEBIAN"), { recursive: true });
  mkdirSync(join(source, "usr/bin"), { recursive: true });
  const fields = [
    "Package: hello-podium",
    "Version: 1.0",
    "Architecture: all",
    "Maintainer: nobody <nobody@example.org>",
  ];
  writeFileSync(join(source, "DEBIAN/control"), [...fields, "Description: test", ""].join("\n"));
  const files = [
    ["DEBIAN/postinst", "useradd --system podium-made\nchown podium-made /usr/bin/hello-podium"],
    ["usr/bin/hello-podium", "echo hello from the package"],
  ] as const;
  for (const [name, script] of files) {
    writeFileSync(join(source, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(source, name), 0o755);
  }
  const archive = join(path, "hello-podium_1.0_all.deb");
  execFileSync("dpkg-deb", ["--root-owner-group", "--build", source, archive]);
  const [size = "", sum = ""] = execFileSync(
    "sh",
    ["-c", 'stat -c %s "$0"; sha256sum < "$0" | cut -d" " -f1', archive],
    {
      encoding: "utf8",
    },
  ).split("\n");
  const index = [
    ...fields,
    "Filename: ./hello-podium_1.0_all.deb",
    `Size: ${size}`,
    `SHA256: ${sum}`,
    "Description: test",
    "",
  ];
  writeFileSync(join(path, "Packages"), index.join("\n"));
  chmodSync(path, 0o755);
}

test(
  "bash and python3 run in it without a capability, with its own users, and the tree stays as it is",
  debian,
  async () => {
    const before = hash(debianTree);
    const script = `hostname; id -un; echo $HOME; . /etc/os-release; echo $ID; python3 -c 'print(6 * 7)'; [[ $BASH_VERSION == 5* ]] && echo bash
    echo changed > /etc/debian_version; rm -rf /usr/share/doc; touch /new`;
    const jobs = ["one", "two"].map((name) =>
      runSandbox(["--rootfs", debianTree, "--hostname", name, "--", "bash", "-c", `ls /new 2>/dev/null; ${script}`]),
    );
    for (const [i, ran] of (await Promise.all(jobs)).entries()) {
      assert.equal([ran.stdout, ran.stderr], [`${["one", "two"][i]}\nroot\n/root\ndebian\n42\nbash\n`, ""]);
    }
    const daemon = await runSandbox([
      "--rootfs",
      debianTree,
      "--user",
      "1:1",
      "--",
      "bash",
      "-c",
      "id; echo $HOME; touch /new",
    ]);
    assert.is(daemon.stdout, "uid=1(daemon) gid=1(daemon) groups=1(daemon)\n/usr/sbin\n");
    assert.match(daemon.stderr, /Permission denied/);
    assert.is(hash(debianTree), before);
  },
);

test("apt-get and dpkg install a package with OCI's default capabilities, in the job only", debian, async () => {
  using repository = temporaryFolder();
  makeRepository(repository.path);
  const before = hash(debianTree);
  const install = (way: string, ...capabilities: string[]) => {
    const options = ["--rootfs", debianTree, "--dir", `${repository.path}::/repo`, ...capabilities];
    const script = `{ ${way}; } > /tmp/log 2>&1 || tail -5 /tmp/log; hello-podium; stat -c %U /usr/bin/hello-podium`;
    return runSandbox([...options, "--", "bash", "-c", script]);
  };
  const apt =
    "echo 'deb [trusted=yes] file:/repo ./' > /etc/apt/sources.list && apt-get update && apt-get install -y hello-podium";
  for (const way of [apt, "dpkg -i /repo/*.deb"]) {
    const ran = await install(way, "--cap-add", "oci-default");
    assert.is(ran.stdout, "hello from the package\npodium-made\n", ran.stderr);
    assert.is.not((await install(way)).stdout, ran.stdout, "without capabilities it is not done");
  }
  assert.is(hash(debianTree), before);
});

test(
  "its shell in a terminal: prompt, name, ps, network, exit code, and all mounts of the host as before",
  shell,
  async () => {
    enterWorld();
    await using _out = await outsidePeer();
    const mounts = () => readFileSync("/proc/self/mountinfo", "utf8");
    const [before, tree] = [mounts(), hash(debianTree)];
    using tmux = new Tmux({ podium: podiumScript });
    tmux.line(`$podium sandbox -it --rootfs ${debianTree} --hostname box -- bash`);
    await tmux.shows(/root@box:\/#$/);
    tmux.line("clear; hostname; ps -e -o comm=; tty");
    await tmux.shows(/(^|\n)box\nbash\nps\n\/dev\/pts\/0\nroot@box:\/#$/);
    tmux.line(`clear; head -n1 < /dev/tcp/${outside.address}/80; hostname -I`);
    await tmux.shows(new RegExp(`(^|\\n)(::ffff:)?${outside.host}\\n10\\.[^\\n]*\\nroot@box:/#$`));
    tmux.line("exit 7");
    await tmux.shows(/exit\n\$$/);
    tmux.line("echo code $?");
    await tmux.shows(/code 7\n\$$/);
    await until("all mounts are as before", () => mounts() === before);
    assert.is(hash(debianTree), tree);
  },
);
