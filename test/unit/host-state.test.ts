// Plants one leak of each kind, sees it named, and removes it again.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { hostState, leaks, settledLeaks } from "../support/host-state.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("host state");

const name = `podium-leak-${process.pid}`;

function run(program: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} ended ${status}: ${stderr}`);
  return stdout;
}

/** Demands that what `plant` makes is named exactly so, and gone again after what it returns has run. */
function demandNamed(expected: string, plant: () => () => void): void {
  const own = (entry: string) => entry === expected;
  const before = hostState();
  const remove = plant();
  try {
    assert.equal(leaks(before, hostState()).filter(own), [expected]);
  } finally {
    remove();
  }
  assert.equal(leaks(before, hostState()).filter(own), []);
}

/** A folder of this process's own group, in the first hierarchy where one may be made. */
function ownGroup(): string {
  const lines = readFileSync("/proc/self/cgroup", "utf8").trim().split("\n");
  const pids = lines.find((line) => line.split(":")[1] === "pids");
  const unified = lines.find((line) => line.startsWith("0::"));
  const path = (pids ?? unified ?? "").split(":")[2] ?? "/";
  return join("/sys/fs/cgroup", pids === undefined ? "" : "pids", path);
}

test("a cgroup is named", requires("root"), () => {
  const group = join(ownGroup(), name);
  demandNamed(`cgroup ${group}`, () => {
    mkdirSync(group);
    return () => rmdirSync(group);
  });
});

test("a cgroup below another is named", requires("root"), () => {
  const group = join(ownGroup(), name);
  demandNamed(`cgroup ${group}/jobs`, () => {
    mkdirSync(group);
    mkdirSync(`${group}/jobs`);
    return () => {
      rmdirSync(`${group}/jobs`);
      rmdirSync(group);
    };
  });
});

test("a mount is named", requires("root"), () => {
  const folder = mkdtempSync(join(tmpdir(), "podium-mount-"));
  try {
    demandNamed(`mount ${folder}`, () => {
      run("mount", "-t", "tmpfs", name, folder);
      return () => run("umount", folder);
    });
  } finally {
    rmdirSync(folder);
  }
});

test("a link is named", requires("root", "netadmin", "ip"), () => {
  const link = `pl${process.pid}`;
  demandNamed(`link ${link}`, () => {
    run("ip", "link", "add", link, "type", "bridge");
    return () => run("ip", "link", "delete", link);
  });
});

test("a named network namespace is named", requires("root", "netadmin", "ip"), () => {
  demandNamed(`network namespace ${name}`, () => {
    run("ip", "netns", "add", name);
    return () => run("ip", "netns", "delete", name);
  });
});

test("an nftables table is named", requires("root", "netadmin", "nft"), () => {
  demandNamed(`nftables table inet ${name}`, () => {
    run("nft", "add", "table", "inet", name);
    return () => run("nft", "delete", "table", "inet", name);
  });
});

test("a file of /run/podium is named", requires("root"), () => {
  const made = mkdirSync("/run/podium", { recursive: true }) !== undefined;
  try {
    demandNamed(`file /run/podium/${name}`, () => {
      writeFileSync(`/run/podium/${name}`, "");
      return () => rmSync(`/run/podium/${name}`);
    });
  } finally {
    if (made) rmdirSync("/run/podium");
  }
});

test("a file of /tmp is named", () => {
  demandNamed(`file /tmp/${name}`, () => {
    writeFileSync(`/tmp/${name}`, "");
    return () => rmSync(`/tmp/${name}`);
  });
});

test("System V shared memory is named", requires("root"), () => {
  const id = /(\d+)/.exec(run("ipcmk", "-M", "4096"))?.[1] ?? "";
  const removed = () => run("ipcrm", "-m", id);
  try {
    assert.ok(hostState().has(`System V shm ${id}`));
  } finally {
    removed();
  }
  assert.not.ok(hostState().has(`System V shm ${id}`));
});

for (const commandLine of [
  "podium: zygote",
  "podium init 7",
  "node /opt/dist/zygote.cjs",
  "node /opt/dist/podium.js",
]) {
  test(`a process "${commandLine}" is named, and settled when it ends`, async () => {
    const before = hostState();
    const child = spawn("sleep", ["300"], { argv0: commandLine, stdio: "ignore" });
    await once(child, "spawn");
    const named = `process ${child.pid} ${commandLine} 300`;
    const own = (entry: string) => entry === named;
    assert.equal((await settledLeaks(before, 0)).filter(own), [named]);
    child.kill("SIGKILL");
    await once(child, "exit");
    assert.equal(leaks(before, hostState()).filter(own), []);
  });
}

test("a process of another program is not named", async () => {
  const child = spawn("sleep", ["300"], { argv0: "stadium: zygotes", stdio: "ignore" });
  await once(child, "spawn");
  try {
    assert.not.ok([...hostState()].some((entry) => entry.startsWith(`process ${child.pid} `)));
  } finally {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
});

test("what ends within the time to settle is no leak", async () => {
  const before = hostState();
  writeFileSync(`/tmp/${name}-short`, "");
  setTimeout(() => rmSync(`/tmp/${name}-short`), 300);
  const found = await settledLeaks(before, 10_000);
  assert.not.ok(found.includes(`file /tmp/${name}-short`));
});
