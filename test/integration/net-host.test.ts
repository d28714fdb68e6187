// What the network library reads of the host it runs on.
import { existsSync, readFileSync } from "node:fs";
import * as assert from "uvu/assert";
import { readResolver, resolverFrom } from "../../net/dns.ts";
import { NetworkError } from "../../net/errors.ts";
import { explained, missingParts } from "../../net/requirements.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("the host's part in job networks");

test("the resolver is made from the host's own files", () => {
  const text = (path: string) => (existsSync(path) ? readFileSync(path, "utf8") : null);
  const expected = resolverFrom(text("/etc/resolv.conf"), text("/run/systemd/resolve/resolv.conf"));
  assert.equal(readResolver(), expected);
});

test(
  "a failure is explained by what is missing exactly when something is without which nothing works",
  requires("root", "nft"),
  async () => {
    const fatal = (await missingParts()).filter((part) => part.fatal);
    const failure = new Error("the kernel refused");
    const told = await explained(failure);
    assert.is(told === failure, fatal.length === 0, String(told));
    const own = new NetworkError("conflict", "it says why itself");
    assert.is(await explained(own), own);
  },
);
