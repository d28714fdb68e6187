// A DATA that was copied on its host: the copy's server touches nothing of the first one's jobs.
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { jobStatus } from "../../src/client/jobs.ts";
import { startJob } from "../../src/client/start.ts";
import { StartRequest } from "../../src/gen/podium.ts";
import { groupsOf, processesOf } from "../integration/job-traces.ts";
import { TestServer } from "../support/server.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("a copied DATA");

function textOf({ data }: TestServer, name: string): string {
  return readFileSync(join(data, name), "utf8");
}

function copyData(from: TestServer, to: TestServer): void {
  rmSync(to.data, { recursive: true });
  execFileSync("cp", ["-a", from.data, to.data]);
}

test(
  "it gets an id of its own, what runs is LOST there and goes on where it was started",
  requires("root", "libseccomp"),
  async () => {
    await using first = await TestServer.start();
    await using copy = await TestServer.start();
    using podium = first.connect("alice");
    const id = await startJob(podium, StartRequest.create({ cmd: "echo on; exec sleep 1000" }));
    const traces = { groups: groupsOf(first, id), processes: processesOf(first, id) };
    await copy.stop();
    copyData(first, copy);
    await copy.start();
    assert.is.not(textOf(copy, "id"), textOf(first, "id"));
    using other = copy.connect("alice");
    const { outcome } = await jobStatus(other, id);
    assert.equal([outcome?.cause, outcome?.message], ["LOST", "it was started in the DATA that this one is a copy of"]);
    assert.is((await copy.podium("alice", ["run", "--", "sh", "-c", "exit 3"])).code, 3);
    await first.kill();
    await copy.stop();
    await copy.start();
    await first.start();
    assert.is((await jobStatus(podium, id)).state, "RUNNING");
    assert.equal({ groups: groupsOf(first, id), processes: processesOf(first, id) }, traces);
  },
);

test(
  "one that cannot be told from the first is refused while the first is served, with the mend",
  requires("root", "libseccomp"),
  async () => {
    await using first = await TestServer.start();
    await using copy = await TestServer.start();
    await copy.stop();
    copyData(first, copy);
    rmSync(join(copy.data, "place")); // as an older podium left it
    const refused = await copy.start().catch((error: Error) => error.message);
    assert.match(
      refused ?? "",
      /another podium server uses the DATA that this is a copy of\n.*rm (\S+\/id \S+\/cgroup\.json) /s,
    );
    const [, files = ""] = /rm (\S+\/id \S+\/cgroup\.json) /.exec(refused ?? "") ?? [];
    assert.is(spawnSync("sh", ["-c", `rm ${files}`]).status, 0);
    await copy.start();
    assert.is.not(textOf(copy, "id"), textOf(first, "id"));
  },
);
