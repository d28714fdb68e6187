import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { SandboxSpec } from "../../sandbox/spec.ts";
import { applyPolicy, type FolderRule, type LimitSettings, type Policy, refuseMoved } from "../../src/jobs/policy.ts";
import { readConfig } from "../../src/server/config.ts";
import { suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const test = suite("policy");

const none: LimitSettings = {
  cpus: 0,
  memoryBytes: 0,
  ioBytesPerSecond: 0,
  pids: 0,
  timeoutMs: 0,
  outputBytes: 0,
  outputKill: false,
};

function policy(folders: readonly FolderRule[], rest: Partial<Policy> = {}): Policy {
  return {
    defaults: none,
    maximum: none,
    capabilities: [],
    ids: { first: 65536, ranges: 1 },
    folders,
    copies: { bytes: 0, files: 0 },
    own: [],
    network: readConfig(undefined).network,
    ...rest,
  };
}

const argv = ["true"];

test("nothing asked gets the default, else the bound; more than the bound is refused by name", () => {
  const limits = { defaults: { ...none, memoryBytes: 10 }, maximum: { ...none, memoryBytes: 20, cpus: 2 } };
  const apply = (request: { cpus?: number; memoryBytes?: number }) =>
    applyPolicy({ argv, ...request }, policy([], limits), "alice");
  assert.equal([apply({}).memoryBytes, apply({}).cpus, apply({}).pids], [10, 2, 0]);
  assert.is(apply({ memoryBytes: 20, cpus: 0.5 }).memoryBytes, 20);
  assert.throws(() => apply({ memoryBytes: 21 }), /^mem: 21 is above this server's bound; ask for at most 20$/);
  assert.throws(() => apply({ cpus: 2.1 }), /^cpu: 2.1 is above/);
});

test("a default above the bound is the bound", () => {
  const limits = { defaults: { ...none, outputBytes: 10 }, maximum: { ...none, outputBytes: 4 } };
  assert.is(applyPolicy({ argv }, policy([], limits), "alice").outputBytes, 4);
});

test("whether the limit on output ends the job is the request's word, or the default's with the default's size", () => {
  const limits = { defaults: { ...none, outputBytes: 10, outputKill: true } };
  const killOf = (request: { outputBytes?: number; outputKill?: boolean }) =>
    applyPolicy({ argv, ...request }, policy([], limits), "alice").outputKill;
  assert.equal(
    [killOf({}), killOf({ outputBytes: 5 }), killOf({ outputBytes: 5, outputKill: true })],
    [true, false, true],
  );
});

/** Asks for a grant; what comes back is its resolved source. */
function grantOf(source: string, rules: Policy, { user = "alice", writable = false } = {}): string | undefined {
  return applyPolicy({ argv, grants: [{ source, target: "/x", writable }] }, rules, user).grants?.[0]?.source;
}

test("a rule is for its users, its folder and what is below it, and its way", () => {
  using folder = temporaryFolder();
  const path = (name: string) => join(folder.path, name);
  for (const name of ["a", "a/b", "ab", "c"]) mkdirSync(path(name));
  const rules = policy([
    { path: path("a"), users: ["alice"], write: true },
    { path: path("c"), users: ["*"], write: false },
  ]);
  assert.is(grantOf(path("a"), rules, { writable: true }), path("a"));
  assert.is(grantOf(path("a/b"), rules), path("a/b"));
  assert.is(grantOf(`${path("a")}/./b/../`, rules), path("a"));
  assert.is(grantOf(path("c"), rules, { user: "bob" }), path("c"));
  assert.throws(() => grantOf(path("ab"), rules), /may not be named by alice/);
  assert.throws(() => grantOf(folder.path, rules), /may not be named by alice/);
  assert.throws(() => grantOf(path("a"), rules, { user: "bob" }), /may not be named by bob/);
  assert.throws(() => grantOf(path("a"), rules, { user: "*" }), /may not be named/);
  assert.throws(() => grantOf(path("c"), rules, { writable: true }), /may not be written by alice/);
  assert.throws(() => grantOf("a", rules), /^grants\[0\]\.source: "a" is not an absolute path/);
});

test("a link counts as what it leads to", () => {
  using folder = temporaryFolder();
  const path = (name: string) => join(folder.path, name);
  for (const name of ["in", "out"]) mkdirSync(path(name));
  symlinkSync(path("out"), path("in/away"));
  symlinkSync(path("in"), path("out/back"));
  const rules = policy([{ path: path("in"), users: ["*"], write: false }]);
  assert.throws(() => grantOf(path("in/away"), rules), /may not be named/);
  assert.is(grantOf(path("out/back"), rules), path("in"));
});

test("the whole host, and podium's own files out of it", () => {
  using folder = temporaryFolder();
  const data = join(folder.path, "data");
  mkdirSync(join(data, "jobs"), { recursive: true });
  const rules = policy([{ path: "/", users: ["*"], write: true }], { own: [data] });
  assert.is(grantOf("/usr", rules, { writable: true }), "/usr");
  for (const source of [data, join(data, "jobs"), folder.path, "/"]) {
    assert.throws(() => grantOf(source, rules), /holds or is podium's own data or key/, source);
  }
  mkdirSync(`${data}-other`);
  assert.is(grantOf(`${data}-other`, rules), `${data}-other`);
  const rootfs = { path: folder.path, mode: "ro" };
  assert.throws(() => applyPolicy({ argv, rootfs }, rules, "alice"), /^rootfs\.path: .* holds or is/);
});

test("what was moved between two looks at it is refused", () => {
  using folder = temporaryFolder();
  writeFileSync(join(folder.path, "file"), "");
  const grant = (source: string) => ({ source, target: "/x", writable: false });
  const spec = (source: string, rootfs: string | null) =>
    ({
      grants: [grant(source)],
      rootfs: rootfs === null ? null : { path: rootfs, mode: "ro" },
    }) as unknown as SandboxSpec;
  const allowed = { argv, grants: [grant("/a")], rootfs: { path: "/r", mode: "ro" } };
  refuseMoved(allowed, spec("/a", "/r"));
  assert.throws(
    () => refuseMoved(allowed, spec("/b", "/r")),
    /^grants\[0\]\.source: it was moved while it was checked$/,
  );
  assert.throws(() => refuseMoved(allowed, spec("/a", "/s")), /^rootfs\.path: it was moved/);
});
