import * as assert from "uvu/assert";
import { type RequirementName, requires } from "../support/requirements.ts";
import { suite } from "../support/suite.ts";

const test = suite("requirements");

test("what the set-up installs is there and does not skip", () => {
  const installed = ["root", "libseccomp", "bwrap", "nft", "ip", "gcc", "strace", "openssl", "python3"] as const;
  assert.is(requires(...installed).check(), null);
});

test("what only another host has skips with the requirement's name and the reason", () => {
  for (const name of [
    "swap",
    "swift",
    "kvm",
    "cgroup1",
    "cgroup2",
    "v2-buffered-io",
    "netadmin",
    "own-machine",
  ] as const) {
    const reason = requires(name).check();
    assert.ok(reason === null || reason.startsWith(`requires ${name}: `), `${name}: ${reason}`);
  }
});

test("one of the two cgroup versions has the controllers", () => {
  assert.ok([requires("cgroup1").check(), requires("cgroup2").check()].includes(null));
});

test("a missing program fails the test instead of skipping it", () => {
  const path = process.env.PATH;
  process.env.PATH = "/nowhere";
  try {
    assert.throws(
      () => requires("tmux").check(),
      /requires tmux: tmux does not run: .*ENOENT; node scripts\/setup.mjs/,
    );
  } finally {
    process.env.PATH = path;
  }
});

test("an unknown name is refused at once", () => {
  assert.throws(() => requires("moon" as RequirementName), /unknown requirement "moon"/);
  assert.throws(() => requires("toString" as RequirementName), /unknown requirement "toString"/);
});
