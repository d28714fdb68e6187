import * as assert from "uvu/assert";
import { runScript, TestZygote } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("podium sandbox: lifecycle");

test("L01 exit codes 0, 1 and 42 arrive as they are", requires("root", "libseccomp"), async () => {
  await using zygote = await TestZygote.open();
  for (const code of [0, 1, 42, 255]) {
    const { record } = await zygote.run(`exit ${code}`);
    assert.is(record.exitCode, code);
    assert.is(record.cause, "EXITED");
  }
  assert.is((await runScript("exit 42")).code, 42);
});
