// What a server demands of the kernel before a job, with kernels that were found to be like this or that.
import * as assert from "uvu/assert";
import { lacking, met, wanting } from "../../sandbox/requirements/check.ts";
import type { Kernel } from "../../sandbox/requirements/client.ts";
import { Unenforceable } from "../../src/jobs/errors.ts";
import { KernelNeeds } from "../../src/jobs/executor-kernel.ts";
import { suite } from "../support/suite.ts";

const test = suite("what jobs need of the kernel");
const plain = { rootfs: null, grants: [] };
const withRoot = (mode: "overlay" | "ro" | "rw") => ({
  rootfs: { path: "/nowhere", mode, sizeBytes: 0, inodes: 0 },
  grants: [],
});
const sound: Kernel = { checks: [met("namespace user", ""), met("overlay", "")], userNamespace: null };
const withoutOverlay: Kernel = {
  checks: [met("namespace user", ""), wanting("overlay", "roots: no (ENODEV)", "modprobe overlay")],
  userNamespace: null,
};
const withoutUsers: Kernel = {
  checks: [lacking("namespace user", "can be made: no (ENOSPC)", "sysctl -w it"), met("overlay", "")],
  userNamespace: null,
};

/** Examined `count()` times; what is found then is what `found` says. */
function needsOn(found: Kernel) {
  const host = { found, count: 0, nowMs: 0 };
  const needs = new KernelNeeds(
    async () => {
      host.count += 1;
      return host.found;
    },
    () => host.nowMs,
  );
  const refusal = (what: Parameters<KernelNeeds["demand"]>[0]) =>
    needs.demand(what).then(
      () => null,
      (error: Error) => {
        assert.instance(error, Unenforceable);
        return error.message;
      },
    );
  return { host, needs, refusal };
}

test("a plain job asks nothing, the first with a folder examines once for all", async () => {
  const { host, refusal } = needsOn(sound);
  assert.equal([await refusal(plain), host.count], [null, 0]);
  assert.equal(
    [...(await Promise.all([refusal(withRoot("ro")), refusal(withRoot("rw"))])), host.count],
    [null, null, 1],
  );
  host.nowMs = 1e9;
  assert.equal([await refusal(withRoot("overlay")), host.count], [null, 1]);
});

test("without overlays both kinds of root that need one are refused with reason and mend, rw is not", async () => {
  const { refusal } = needsOn(withoutOverlay);
  for (const mode of ["overlay", "ro"] as const) {
    assert.is(await refusal(withRoot(mode)), "overlay: roots: no (ENODEV); modprobe overlay");
  }
  assert.equal([await refusal(withRoot("rw")), await refusal(plain)], [null, null]);
});

test("what is mended is found so, at most once a second", async () => {
  const { host, refusal } = needsOn(withoutOverlay);
  assert.ok(await refusal(withRoot("ro")));
  host.found = sound;
  assert.ok(await refusal(withRoot("ro")));
  assert.is(host.count, 1);
  host.nowMs = 1500;
  assert.equal([await refusal(withRoot("ro")), host.count], [null, 2]);
});

test("a doubt makes plain jobs ask too, until nothing that they need is missing", async () => {
  const { host, needs, refusal } = needsOn(withoutUsers);
  needs.doubt();
  assert.is(await refusal(plain), "namespace user: can be made: no (ENOSPC); sysctl -w it");
  host.nowMs = 2000;
  assert.ok(await refusal(plain));
  host.found = sound;
  host.nowMs = 4000;
  assert.equal([await refusal(plain), host.count], [null, 3]);
  host.found = withoutUsers;
  assert.equal([await refusal(plain), host.count], [null, 3]);
});
