// scripts/podium starts the program of its own checkout, wherever it is called from and through whatever link.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { root } from "../support/runner/catalog.ts";
import { suite } from "../support/suite.ts";

const test = suite("scripts/podium");

/** A checkout that holds the script and, when given, a program that takes the place of the built one. */
function withCheckout<T>(program: string | null, use: (folder: string, script: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "check out-"));
  try {
    mkdirSync(join(folder, "scripts"));
    cpSync(join(root, "scripts/podium"), join(folder, "scripts/podium"));
    if (program !== null) {
      mkdirSync(join(folder, "dist"));
      writeFileSync(join(folder, "dist/package.json"), '{"type": "module"}');
      writeFileSync(join(folder, "dist/podium.js"), program);
    }
    return use(folder, join(folder, "scripts/podium"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("arguments and exit code pass through, from any folder and through a link", () => {
  withCheckout("console.log(JSON.stringify(process.argv.slice(2))); process.exit(42);", (folder, script) => {
    symlinkSync(script, join(folder, "link"));
    const { stdout, status } = spawnSync(join(folder, "link"), ["a b", "", "-x"], { cwd: "/", encoding: "utf8" });
    assert.equal(JSON.parse(stdout), ["a b", "", "-x"]);
    assert.is(status, 42);
  });
});

test("its pid is the program's", () => {
  withCheckout("console.log(process.pid);", (_, script) => {
    const { stdout, pid } = spawnSync(script, [], { encoding: "utf8" });
    assert.is(Number(stdout), pid);
  });
});

test("a signal reaches the program", async () => {
  const folder = mkdtempSync(join(tmpdir(), "checkout-"));
  try {
    mkdirSync(join(folder, "scripts"));
    mkdirSync(join(folder, "dist"));
    cpSync(join(root, "scripts/podium"), join(folder, "scripts/podium"));
    writeFileSync(
      join(folder, "dist/podium.js"),
      `process.on("SIGTERM", () => process.exit(7)); setInterval(() => {}, 1000); console.log("ready");`,
    );
    const child = spawn(join(folder, "scripts/podium"), { stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout, "data");
    child.kill("SIGTERM");
    assert.equal(await once(child, "exit"), [7, null]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("without a build and without node_modules it says what to do and ends 125", () => {
  withCheckout(null, (folder, script) => {
    const { status, stdout, stderr } = spawnSync(script, ["run"], { encoding: "utf8" });
    assert.is(status, 125);
    assert.is(stdout, "");
    assert.is(
      stderr,
      `podium: not built: there is no ${folder}/dist/podium.js\nIn ${folder}: npm ci && npm run build\n`,
    );
  });
});
