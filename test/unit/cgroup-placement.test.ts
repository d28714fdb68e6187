// Where groups go on hosts of every kind, each described by its /proc texts and a folder tree of plain files. Such a
// tree shows what is read, written and decided; that a kernel takes the writes is shown on real ones (vm suite).
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { findPlacement, type Host } from "../../sandbox/cgroup/find-placement.ts";
import { temporaryFolder } from "../support/openssl.ts";
import { suite } from "../support/suite.ts";

const test = suite("cgroup placement");

function host(procCgroup: string, mounts: readonly string[], initName = "init"): Host {
  const mountinfo = mounts.map((mount, index) => `${index + 30} 20 0:${index + 30} ${mount}\n`).join("");
  return { procCgroup, mountinfo, initName, pid: 4242 };
}

const onlyOnV2 =
  "cgroup v1 has no limit that slows a job down before its memory ends: boot with cgroup_no_v1=all to have all controllers on v2";

function v1Mount(controllers: string, root = "/", options = "rw"): string {
  return `${root} /sys/fs/cgroup/${controllers} ${options},nosuid shared:9 - cgroup cgroup rw,${controllers}`;
}

/** A tree of groups of plain files; each group is a path with its members and controllers. */
function v2Tree(groups: Readonly<Record<string, { members?: string; controllers?: string; isHostRoot?: boolean }>>) {
  const folder = temporaryFolder("cgroup-tree");
  for (const [path, { members = "", controllers = "cpuset cpu io memory pids", isHostRoot = false }] of Object.entries(
    groups,
  )) {
    const group = join(folder.path, path);
    mkdirSync(join(group, "server"), { recursive: true });
    writeFileSync(join(group, "cgroup.procs"), members);
    writeFileSync(join(group, "server/cgroup.procs"), "");
    writeFileSync(join(group, "cgroup.controllers"), `${controllers}\n`);
    writeFileSync(join(group, "cgroup.subtree_control"), "");
    if (!isHostRoot) writeFileSync(join(group, "cgroup.type"), "domain\n");
  }
  return {
    path: folder.path,
    read: (file: string) => readFileSync(join(folder.path, file), "utf8"),
    mount: (root = "/") => `${root} ${folder.path} rw - cgroup2 cgroup2 rw,nsdelegate`,
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}

test("v1: each controller has its own mount and path, cpu and cpuacct may share theirs", () => {
  const procCgroup = "6:cpuset:/e\n5:memory:/a/b\n4:cpu,cpuacct:/c\n3:pids:/\n2:blkio:/d\n1:name=systemd:/x\n";
  const plan = findPlacement(
    "1f",
    host(
      procCgroup,
      ["memory", "cpu,cpuacct", "pids", "blkio", "cpuset"].map((name) => v1Mount(name)),
    ),
  );
  assert.equal(plan, {
    version: 1,
    roots: {
      cpu: "/sys/fs/cgroup/cpu,cpuacct/c/podium-1f",
      cpuacct: "/sys/fs/cgroup/cpu,cpuacct/c/podium-1f",
      pids: "/sys/fs/cgroup/pids/podium-1f",
      blkio: "/sys/fs/cgroup/blkio/d/podium-1f",
      memory: "/sys/fs/cgroup/memory/a/b/podium-1f",
    },
    cpuset: "/sys/fs/cgroup/cpuset/e/podium-1f",
    unenforceable: { memoryHighBytes: onlyOnV2 },
  });
});

test("v1 in a container: the mount's root is the container's group", () => {
  const plan = findPlacement("1f", host("2:pids:/docker/ab/inner\n", [v1Mount("pids", "/docker/ab")]));
  assert.ok(plan.version === 1);
  assert.equal(plan.roots, { pids: "/sys/fs/cgroup/pids/inner/podium-1f" });
});

test("v1: a missing, a read-only and an invisible controller each have their reason", () => {
  const mounts = [v1Mount("pids"), v1Mount("cpu", "/", "ro"), v1Mount("blkio", "/elsewhere")];
  const { unenforceable } = findPlacement("1f", host("1:pids:/\n2:cpu:/\n3:blkio:/own\n", mounts));
  const readOnly =
    "the cpu controller at /sys/fs/cgroup/cpu is mounted read-only: mount it writable (containers: run privileged)";
  const invisible =
    "the own group of the blkio controller is not visible below /sys/fs/cgroup/blkio: mount the hierarchy in the own cgroup namespace";
  assert.equal(unenforceable, {
    cpus: readOnly,
    cpuWeight: readOnly,
    memoryBytes: "this host has no memory controller (cgroup v1 or v2): boot with cgroup_enable=memory",
    memoryHighBytes: onlyOnV2,
    ioBytesPerSecond: invisible,
    ioOperationsPerSecond: invisible,
    cpuset:
      "this host has no cpuset controller (cgroup v1 or v2): use a kernel with CONFIG_CPUSETS and mount the cpuset controller",
  });
});

test("hybrid: a controller that is on v2 while others are on v1 is refused by name", () => {
  using tree = v2Tree({ "": { isHostRoot: true, controllers: "io hugetlb" } });
  const { unenforceable } = findPlacement("1f", host("1:pids:/\n0::/\n", [v1Mount("pids"), tree.mount()]));
  assert.is(
    unenforceable.ioBytesPerSecond,
    `the io controller is on cgroup v2 (${tree.path}) while others are on v1: boot with cgroup_no_v1=all to have all on v2`,
  );
});

test("v2: alone in its group, the server moves into a leaf of it", () => {
  using tree = v2Tree({ "": { isHostRoot: true }, svc: { members: "4242\n" } });
  const plan = findPlacement("1f", host("0::/svc\n", [tree.mount()]));
  assert.equal(plan, {
    version: 2,
    root: `${tree.path}/svc/podium-1f`,
    controllers: ["cpu", "memory", "pids", "io", "cpuset"],
    unenforceable: {},
  });
  assert.is(tree.read("svc/server/cgroup.procs"), "4242");
  assert.is(tree.read("svc/cgroup.subtree_control"), "+cpu +memory +pids +io +cpuset");
});

test("v2: in a leaf called server of an empty group it stays where it is", () => {
  using tree = v2Tree({ "": { isHostRoot: true }, "system.slice/podium.service": {} });
  const plan = findPlacement("1f", host("0::/system.slice/podium.service/server\n", [tree.mount()]));
  assert.ok(plan.version === 2);
  assert.is(plan.root, `${tree.path}/system.slice/podium.service/podium-1f`);
  assert.is(tree.read("system.slice/podium.service/server/cgroup.procs"), "");
});

test("v2: beside foreign processes it takes a top-level group and leaves its own alone", () => {
  using tree = v2Tree({ "": { isHostRoot: true, members: "1\n2\n" }, login: { members: "77\n4242\n" } });
  const plan = findPlacement("1f", host("0::/login\n", [tree.mount()]));
  assert.ok(plan.version === 2);
  assert.is(plan.root, `${tree.path}/podium-1f`);
  assert.is(tree.read("login/cgroup.subtree_control"), "");
});

test("v2 in a container: the only process may use the container's group, one of several may not", () => {
  for (const [procCgroup, root] of [
    ["0::/", "/"],
    ["0::/docker/ab", "/docker/ab"],
  ] as const) {
    using alone = v2Tree({ "": { members: "4242\n" } });
    const plan = findPlacement("1f", host(`${procCgroup}\n`, [alone.mount(root)]));
    assert.is(plan.version === 2 && plan.root, `${alone.path}/podium-1f`);
    using shared = v2Tree({ "": { members: "1\n4242\n" } });
    assert.throws(
      () => findPlacement("1f", host(`${procCgroup}\n`, [shared.mount(root)])),
      (error: Error) =>
        error.message ===
        `no place for control groups: the own group ${shared.path} holds other processes (1); the top-level group ${shared.path} holds processes: ` +
          "run podium as a systemd service with Delegate=yes and DelegateSubgroup=server, or as the only process of its container",
    );
  }
});

test("v2: groups outside of the own cgroup namespace are not taken", () => {
  using tree = v2Tree({ "": { isHostRoot: true } });
  assert.throws(
    () => findPlacement("1f", host("0::/\n", [tree.mount("/../..")])),
    /shows groups outside of the own cgroup namespace/,
  );
});

test("v2: a controller that is not delegated is named, with the mend", () => {
  using tree = v2Tree({ "": { isHostRoot: true }, svc: { members: "4242\n", controllers: "memory pids" } });
  const plan = findPlacement("1f", host("0::/svc\n", [tree.mount()]));
  assert.ok(plan.version === 2);
  assert.equal(plan.controllers, ["memory", "pids"]);
  const reason = (controller: string) =>
    `${tree.path}/svc has no ${controller} controller (cgroup v2): delegate it (systemd: Delegate=yes)`;
  assert.equal(plan.unenforceable, {
    ...{ cpus: reason("cpu"), cpuWeight: reason("cpu"), cpuset: reason("cpuset") },
    ...{ ioBytesPerSecond: reason("io"), ioOperationsPerSecond: reason("io") },
  });
});

test("v2: a read-only mount is refused with the mend", () => {
  const mount = "/ /sys/fs/cgroup ro - cgroup2 cgroup rw";
  assert.throws(
    () => findPlacement("1f", host("0::/\n", [mount])),
    /^cgroup v2 at \/sys\/fs\/cgroup is mounted read-only: mount it writable/,
  );
});

test("a host without control groups is refused with the mend, a wrong tag by its name", () => {
  assert.throws(
    () => findPlacement("1f", host("", [])),
    /^no control groups: .*: run mount -t cgroup2 cgroup2 \/sys\/fs\/cgroup$/,
  );
  for (const tag of ["", "../x", "G", "1 2"]) {
    assert.throws(
      () => findPlacement(tag, host("", [])),
      (error: Error) => error.message === `tag "${tag}" is not a hexadecimal id`,
    );
  }
});
