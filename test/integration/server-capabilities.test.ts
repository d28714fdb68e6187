import { status } from "@grpc/grpc-js";
import * as assert from "uvu/assert";
import { requires, suite } from "../support/suite.ts";
import { failureOf } from "../support/tls-peers.ts";
import { LiveServer } from "./live-server.ts";

const test = suite("capabilities over the network");
const root = requires("root", "libseccomp");
const argv = ["grep", "CapEff", "/proc/self/status"];

test("users have the capabilities that the configuration allows them, and no others", root, async () => {
  const rules = [
    { users: ["alice"], names: ["CHOWN", "KILL"] },
    { users: ["*"], names: ["KILL"] },
  ];
  await using server = await LiveServer.start({ config: { capabilities: rules } });
  const [alice, bob] = [server.api("alice"), server.api("bob")];
  const id = await alice.startId({ argv, capAdd: ["CAP_KILL", "chown"] });
  assert.is(String((await alice.output({ id })).stdout), "CapEff:\t0000000000000021\n");
  assert.equal((await alice.info(id)).capabilities, ["CHOWN", "KILL"]);
  const refused = await failureOf(bob.start({ argv, capAdd: ["KILL", "CHOWN"] }));
  assert.is(refused.code, status.PERMISSION_DENIED);
  assert.match(refused.details, /cap_add: CHOWN may not be had by bob; .*"capabilities"/);
  const set = await failureOf(alice.start({ argv, capAdd: ["oci-default"] }));
  assert.match(set.details, /cap_add: DAC_OVERRIDE may not be had by alice/);
  const never = await failureOf(alice.start({ argv, capAdd: ["SYS_ADMIN"] }));
  assert.is(never.code, status.INVALID_ARGUMENT);
  assert.match(never.details, /^cap_add: "SYS_ADMIN" cannot be given to a job/);
});

test("without a configuration everybody may ask for all that work", root, async () => {
  await using server = await LiveServer.start();
  const alice = server.api("alice");
  const id = await alice.startId({ argv, capAdd: ["oci-default", "SYS_PTRACE"] });
  assert.is(String((await alice.output({ id })).stdout), "CapEff:\t00000000800c01fb\n");
});
