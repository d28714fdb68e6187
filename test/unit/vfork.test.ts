import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { suite } from "../support/suite.ts";

const test = suite("vfork");
const script = fileURLToPath(new URL("../support/vfork-rounds.js", import.meta.url));

test("children in one memory run JavaScript, exec, fail and throw, and the parent goes on, 300 times", () => {
  const flags = ["--single-threaded", "--v8-pool-size=0", "--max-semi-space-size=1", script, "300"];
  const { status, stdout, stderr } = spawnSync(process.execPath, flags, { encoding: "utf8" });
  assert.is(status, 0, stderr);
  const all = 300;
  const expected = { ranAs: all, said: all, refused: all, thrown: all, shared: all, own: all, ended: all };
  assert.equal(JSON.parse(stdout), expected);
});
