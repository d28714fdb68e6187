import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import * as assert from "uvu/assert";
import { requires } from "../support/requirements.ts";
import { podiumScript } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { suite } from "../support/suite.ts";

const test = suite("podium run -i");

/** The most memory that the process has had at once, in MiB. */
function peakMebibytes(pid: number): number {
  return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}

const gibibyte = 2 ** 30;
/** SHA-256 of so many zero bytes. */
const digest = "49bc20df15e412a64472421e13fe86ff1c5165e18b2afccf160d4dc19fe68a14";

test(
  "P09 1 GiB through stdin arrives whole, with flat memory, and its end is passed on",
  requires("root", "libseccomp"),
  async () => {
    await using server = await TestServer.start();
    const run = (bytes: number) => {
      const line = `head -c ${bytes} /dev/zero | "$0" run --net none -i -- sha256sum`;
      const env = { ...process.env, PODIUM_PROFILE: server.profile("alice") };
      return spawnSync("sh", ["-c", line, podiumScript], { env, encoding: "utf8" });
    };
    assert.is(run(1).status, 0);
    const before = peakMebibytes(server.pid);
    const { status, stdout, stderr } = run(gibibyte);
    assert.equal([status, stdout, stderr], [0, `${digest}  -\n`, ""]);
    const grown = peakMebibytes(server.pid) - before;
    console.log(`the server's memory grew by ${grown.toFixed(0)} MiB`);
    assert.ok(grown < 100, `${grown} MiB`);
  },
);
