// What the network library reads of the host it runs on.
import { existsSync, readFileSync } from "node:fs";
import * as assert from "uvu/assert";
import { readResolver, resolverFrom } from "../../net/dns.ts";
import { missingParts, requireNetwork } from "../../net/requirements.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("the host's part in job networks");

test("the resolver is made from the host's own files", () => {
  const text = (path: string) => (existsSync(path) ? readFileSync(path, "utf8") : null);
  const expected = resolverFrom(text("/etc/resolv.conf"), text("/run/systemd/resolve/resolv.conf"));
  assert.equal(readResolver(), expected);
});

test(
  "a host is refused exactly when a part is missing without which nothing works",
  requires("root", "nft"),
  async () => {
    const fatal = (await missingParts()).filter((part) => part.fatal);
    const refusal = await requireNetwork().then(
      () => null,
      (error: Error) => error.message,
    );
    assert.is(refusal === null, fatal.length === 0, String(refusal));
  },
);
