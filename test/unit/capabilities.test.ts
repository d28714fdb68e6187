import { readFileSync } from "node:fs";
import * as assert from "uvu/assert";
import { capabilitiesNamed, capabilityMask, workingCapabilities } from "../../sandbox/capabilities.ts";
import { readConfig } from "../../src/server/config.ts";
import { suite } from "../support/suite.ts";

const test = suite("capabilities");

test("names come in any case, with and without CAP_, once each and in the order of their numbers", () => {
  assert.equal(capabilitiesNamed(["kill", "CAP_CHOWN", "Cap_Kill", "CHOWN"], false), ["CHOWN", "KILL"]);
  assert.equal(capabilitiesNamed([], true), []);
  assert.equal(capabilitiesNamed(["NET_BIND_SERVICE"], true), []);
});

test("oci-default is the usual set; where the host can be written, less what could plant programs there", () => {
  const usual = capabilitiesNamed(["oci-default"], false);
  const onHost = capabilitiesNamed(["OCI-DEFAULT"], true);
  assert.ok(Array.isArray(usual) && Array.isArray(onHost));
  assert.equal(
    usual.filter((name) => !onHost.includes(name)),
    ["FSETID", "SETFCAP"],
  );
  assert.is(capabilityMask(usual).toString(16), "800401fb");
  for (const name of ["FSETID", "SETFCAP"]) assert.not.ok(Array.isArray(capabilitiesNamed([name], true)));
});

test("the whole list of the documentation is the list of the kernel, told apart as the product does", () => {
  const table = readFileSync("docs/capabilities.md", "utf8");
  const row = (title: string) => (new RegExp(`^\\| ${title} \\| (.*?) \\|`, "m").exec(table)?.[1] ?? "").split(", ");
  const [works, served, refused] = [row("works"), row("served otherwise"), row("refused")];
  assert.equal(works, workingCapabilities);
  for (const name of served) assert.equal(capabilitiesNamed([name], false), [], name);
  for (const name of refused) assert.not.ok(Array.isArray(capabilitiesNamed([name], false)), name);
  assert.is(works.length + served.length + refused.length, 41);
});

test("the configuration names capabilities that can work, and by default all of them for everybody", () => {
  assert.equal(readConfig(undefined).capabilities, [{ users: ["*"], names: workingCapabilities }]);
});
