// The built command line with V8's code cache, and without one that fits.
import { spawnSync } from "node:child_process";
import { cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import * as assert from "uvu/assert";
import { root } from "../support/runner/catalog.ts";
import { suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const test = suite("code cache");

const dist = join(root, "dist");

/** Why Node does not use the cache of a program; "null" when it does. */
function uncached(program: string, ...flags: string[]): string {
  const module = join(root, "build/src/cli/program.js");
  const code = `import { loadProgram } from ${JSON.stringify(module)}; console.log(loadProgram(process.argv[1]).uncached)`;
  const args = [...flags, "--input-type=module", "-e", code, program];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", env: {} });
  assert.is(stderr, "");
  return stdout.trim();
}

function podium(folder: string, args: readonly string[], ...flags: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...flags, join(folder, "podium.js"), ...args], {
    encoding: "utf8",
    env: { HOME: folder },
  });
  return { status, stdout, stderr };
}

/** Loads all that `status` is made of, and prints. */
const help = ["help", "status"];
const good = podium(dist, help);

/** A copy of dist/ whose cache of the client `spoil` has changed; what it must do all the same. */
function withSpoilt(spoil: (cache: string) => void, reason: string, ...flags: string[]): void {
  using folder = temporaryFolder();
  for (const name of ["podium.js", "package.json", "client.cjs", "client.cjs.cache"]) {
    cpSync(join(dist, name), join(folder.path, name));
  }
  const program = join(folder.path, "client.cjs");
  spoil(`${program}.cache`);
  assert.is(uncached(program, ...flags), reason);
  assert.equal(podium(folder.path, help, ...flags), good);
}

test("the Node that built it uses the caches of both command lines", () => {
  assert.is(uncached(join(dist, "client.cjs")), "null");
  assert.is(uncached(join(dist, "host.cjs")), "null");
  assert.match(good.stdout, /^Usage: podium status /);
  assert.equal([good.status, good.stderr], [0, ""]);
});

test("without a cache podium does the same", () => withSpoilt((cache) => rmSync(cache), "missing"));

test("a cache that is cut short is left aside", () => withSpoilt((cache) => truncateSync(cache, 300_000), "unfit"));

test("an empty cache is left aside", () => withSpoilt((cache) => writeFileSync(cache, ""), "unfit"));

test("a damaged cache is left aside, wherever the damage is", () => {
  for (const place of [100, 400_000]) {
    withSpoilt((cache) => {
      const bytes = readFileSync(cache);
      for (let i = 0; i < 8; i++) bytes[place + i] = (bytes[place + i] ?? 0) ^ 0xff;
      writeFileSync(cache, bytes);
    }, "unfit");
  }
});

test("a cache of another build of Node, or of another text, is left aside", () => {
  for (const part of ["text", "node"]) {
    withSpoilt((cache) => {
      const rest = readFileSync(cache).subarray(8);
      const place = part === "text" ? 0 : rest.indexOf(process.version) + 1;
      rest[place] = (rest[place] ?? 0) ^ 1;
      const checksum = crc32(rest).toString(16).padStart(8, "0");
      writeFileSync(cache, Buffer.concat([Buffer.from(checksum), rest]));
    }, "unfit");
  }
});

test("under other flags of V8, which refuses the cache then, podium does the same", () => {
  withSpoilt(() => {}, "rejected", "--no-opt");
});

test("every command is in one of the two programs", () => {
  const commands = [...podium(dist, ["--help"]).stdout.matchAll(/^ {2}([a-z]+) /gm)].map(([, name = ""]) => name);
  assert.ok(commands.length >= 20, commands.join(" "));
  for (const command of commands.filter((name) => name !== "help")) {
    const { stdout, status } = podium(dist, ["help", command]);
    assert.is(status, 0, command);
    assert.match(stdout, new RegExp(`^Usage: podium ${command} `));
  }
});
