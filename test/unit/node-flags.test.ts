// The flags with which zygote, exec and copy run.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { nodeFlags } from "../../sandbox/zygote/client.ts";
import { suite } from "../support/suite.ts";

const test = suite("flags of Node");
const script = fileURLToPath(new URL("../support/closed-descriptors.js", import.meta.url));

test("a process whose descriptors are closed may collect garbage", () => {
  const { status, signal, stderr } = spawnSync(process.execPath, [...nodeFlags, script], { encoding: "utf8" });
  assert.equal([status, signal], [0, null], stderr);
});
