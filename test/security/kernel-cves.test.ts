// The CVE tests of the Linux Test Project are no package of Debian's; these are probes of our own for exploits by name.
import { readFileSync } from "node:fs";
import * as assert from "uvu/assert";
import { requires, suite } from "../support/suite.ts";
import { Attacks, assertNoneWorked } from "./attacks.ts";

const test = suite("exploits by name");
const compiler = requires("root", "libseccomp", "gcc");

test(
  "K20 the first door of known kernel exploits is closed, and read-only files stay as they are",
  compiler,
  async () => {
    using attacks = new Attacks("kernel-cves");
    const before = readFileSync(attacks.path("kernel-cves"));
    const attempts = await attacks.run(["kernel-cves", "/attacks/kernel-cves"]);
    assertNoneWorked(attempts, 19);
    assert.ok(before.equals(readFileSync(attacks.path("kernel-cves"))));
  },
);

test("K20 without a profile, user namespaces and files are closed all the same", compiler, async () => {
  using attacks = new Attacks("kernel-cves");
  const attempts = await attacks.run(["kernel-cves", "/attacks/kernel-cves"], ["--seccomp", "unconfined"]);
  const ownWalls = [
    "2022-0847",
    "2016-5195",
    "2013-1858",
    "2014-5207",
    "2015-1328",
    "2022-0492",
    "2022-0185",
    "2017-7308",
    "2021-22555",
  ];
  for (const name of ownWalls) assert.is.not(attempts.get(`CVE-${name}`), "ok", name);
});
