// Generated code is committed; it must be what the .proto files give.

import { spawnSync } from "node:child_process";
import { appendFileSync, cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import * as assert from "uvu/assert";
import { suite } from "../support/suite.ts";

const test = suite("generated code");

function genCheck(folder: string): { status: number | null; stderr: string } {
  return spawnSync(process.execPath, ["scripts/gen.mjs", "--check"], { cwd: folder, encoding: "utf8" });
}

/** Calls `body` with a copy of what generation needs. */
function withCopy(body: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "podium-test-"));
  try {
    for (const path of ["proto", "buf.yaml", "buf.gen.yaml", "scripts/gen.mjs", "src/gen", "test/rfd"]) {
      cpSync(path, join(folder, path), { recursive: true });
    }
    symlinkSync(resolve("node_modules"), join(folder, "node_modules"));
    body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test("the committed code is what the .proto files give, and they keep the rules of buf.yaml", () => {
  assert.equal(genCheck(".").stderr, "");
  assert.is(genCheck(".").status, 0);
});

test("drift is refused, each file named", () => {
  withCopy((folder) => {
    appendFileSync(join(folder, "test/rfd/gen/rfd0.ts"), "// edited\n");
    writeFileSync(join(folder, "src/gen/stale.ts"), "");
    rmSync(join(folder, "src/gen/health.ts"));
    const { status, stderr } = genCheck(folder);
    assert.is(status, 1);
    assert.is(
      stderr,
      "gen: generated code does not match its .proto files:\n" +
        "  src/gen/health.ts: missing\n" +
        "  src/gen/stale.ts: no .proto file gives it\n" +
        "  test/rfd/gen/rfd0.ts: differs\n" +
        "mend: npm run gen\n",
    );
  });
});

test("a field without a comment is refused, its place named", () => {
  withCopy((folder) => {
    appendFileSync(join(folder, "proto/podium.proto"), "\n// A message.\nmessage Bare {\n  int64 bare = 1;\n}\n");
    const { status, stderr } = genCheck(folder);
    assert.is(status, 1);
    assert.match(
      stderr,
      /^gen: buf lint failed:\nproto\/podium\.proto:\d+:3:Field "bare" should have a non-empty comment/,
    );
  });
});
