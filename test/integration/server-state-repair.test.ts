import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { waitForJob } from "../../src/client/jobs.ts";
import { startJob } from "../../src/client/start.ts";
import { StartRequest } from "../../src/gen/podium.ts";
import { TestServer } from "../support/server.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("state files after a power cut");

test(
  "a server writes the state of a finished job anew when its file is of before, empty or gone to blanks",
  requires("root", "libseccomp"),
  async () => {
    await using server = await TestServer.start();
    const states: string[] = [];
    for (const lost of ["RUNNING\n", "", " ".repeat(4096)]) {
      using podium = server.connect("alice");
      const id = await startJob(podium, StartRequest.create({ argv: ["sh", "-c", `exit ${states.length}`] }));
      await waitForJob(podium, id);
      const file = join(server.data, "jobs", String(id), "state");
      states.push(readFileSync(file, "utf8"));
      await server.stop();
      writeFileSync(file, lost);
      await server.start();
      assert.is(readFileSync(file, "utf8"), states.at(-1));
    }
    assert.equal(states, ["COMPLETED\n", "FAILED\n", "FAILED\n"]);
  },
);
