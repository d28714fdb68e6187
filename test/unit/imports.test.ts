// The import rule: biome.json states it, this test shows that it bites.
import { spawnSync } from "node:child_process";
import { appendFileSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import * as assert from "uvu/assert";
import { root } from "../support/runner/catalog.ts";
import { suite } from "../support/suite.ts";

const test = suite("import rule");

const refused: readonly (readonly [path: string, source: string])[] = [
  ["sandbox/zygote/main.ts", "../../src/jobs/folder.ts"],
  ["sandbox/init/main.ts", "../../net/veth.ts"],
  ["sandbox/setup/mounts.ts", "koffi"],
  ["sandbox/sys/mounts.ts", "koffi"],
  ["sandbox/seccomp/profile.ts", "zod"],
  ["sandbox/spec.ts", "../test/support/suite.ts"],
  ["net/veth.ts", "../src/server/config.ts"],
  ["net/veth.ts", "../sandbox/spec.ts"],
  ["net/veth.ts", "koffi"],
  ["src/server/serve.ts", "../../sandbox/zygote/client.ts"],
  ["src/server/services/starter.ts", "../../../net/bridge.ts"],
  ["src/jobs/registry.ts", "../../sandbox/cgroup/v2.ts"],
  ["src/jobs/registry.ts", "../../net/bridge.ts"],
  ["src/jobs/executor.ts", "koffi"],
  ["src/cli/run.ts", "../../sandbox/zygote/client.ts"],
  ["src/cli/doctor.ts", "netlink"],
  ["src/client/connect.ts", "../../net/bridge.ts"],
];

const permitted: readonly (readonly [path: string, source: string])[] = [
  ["sandbox/sys/ffi.ts", "koffi"],
  ["sandbox/sys/ffi.ts", "./errors.ts"],
  ["sandbox/zygote/main.ts", "node:fs"],
  ["sandbox/zygote/main.ts", "./protocol.ts"],
  ["sandbox/zygote/main.ts", "../sys/process.ts"],
  ["net/netlink.ts", "netlink"],
  ["net/netns.ts", "../sandbox/sys/namespaces.ts"],
  ["net/netns.ts", "./address-pool.ts"],
  ["src/jobs/executor.ts", "../../sandbox/zygote/client.ts"],
  ["src/jobs/executor.ts", "../../net/bridge.ts"],
  ["src/jobs/job-networks.ts", "../../net/bridge.ts"],
  ["src/cli/sandbox.ts", "../../sandbox/zygote/client.ts"],
  ["src/cli/doctor.ts", "../../net/bridge.ts"],
  ["src/jobs/outcome.ts", "../../sandbox/spec.ts"],
  ["src/client/files.ts", "../../sandbox/tree/pack.ts"],
  ["src/server/serve.ts", "../jobs/registry.ts"],
];

/** The imports that the linter refuses, as `path source`, of a project that has exactly these. */
function refusedBy(imports: typeof refused): Set<string> {
  const project = mkdtempSync(join(tmpdir(), "import-rule-"));
  try {
    copyFileSync(join(root, "biome.json"), join(project, "biome.json"));
    for (const [path, source] of imports) {
      mkdirSync(dirname(join(project, path)), { recursive: true });
      appendFileSync(join(project, path), `import "${source}";\n`);
    }
    const biome = join(root, "node_modules/.bin/biome");
    const args = ["lint", "--only=style/noRestrictedImports", "--max-diagnostics=none", "--reporter=github"];
    const { stdout } = spawnSync(biome, args, { cwd: project, encoding: "utf8" });
    return new Set(
      [...stdout.matchAll(/file=([^,]+),line=(\d+)/g)].map(([, path = "", line]) => {
        const source = readFileSync(resolve(project, path), "utf8").split("\n")[Number(line) - 1];
        return `${relative(project, resolve(project, path))} ${/"(.+)"/.exec(source ?? "")?.[1]}`;
      }),
    );
  } finally {
    rmSync(project, { recursive: true });
  }
}

test("sandbox/ and net/ are entered only where the rule permits it", () => {
  const found = refusedBy([...refused, ...permitted]);
  assert.equal([...found].sort(), refused.map((pair) => pair.join(" ")).sort());
});
