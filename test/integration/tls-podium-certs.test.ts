// A file of its own: Node prints DEP0123 once in a process, and other tests connect to addresses in their own way.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { initAuthority, issueUser, openAuthority } from "../../src/certs/authority.ts";
import type { Role } from "../../src/certs/user.ts";
import { temporaryFolder } from "../support/openssl.ts";
import { suite } from "../support/suite.ts";
import { podiumClient, startPeersServer } from "../support/tls-peers.ts";

const test = suite("certificates of podium certs");

test("certificates of podium certs work by name, IPv4 and IPv6 address, without a warning", async () => {
  using folder = temporaryFolder("tls");
  initAuthority({ folder: folder.path, hosts: [], days: 365, replace: false });
  const file = (name: string): string => join(folder.path, name);
  const files = { ca: file("ca.crt"), cert: file("server.crt"), key: file("server.key"), crl: file("ca.crl") };
  using server = await startPeersServer(files, "[::]");
  const warnings: Error[] = [];
  const note = (warning: Error): number => warnings.push(warning);
  process.on("warning", note);
  try {
    for (const role of ["user", "admin", "viewer"] as const satisfies readonly Role[]) {
      issueUser(openAuthority(folder.path), {
        name: role,
        role,
        server: `[::1]:${server.port}`,
        days: 1,
        replace: false,
      });
      for (const address of [`localhost:${server.port}`, `127.0.0.1:${server.port}`, undefined]) {
        using client = podiumClient({ profile: file(`${role}.podium`), server: address });
        const answer = await client.who();
        assert.equal([answer.user, answer.role], [role, role]);
        assert.match(readFileSync(file("issued.ndjson"), "utf8"), String(answer.fingerprint));
      }
    }
    await new Promise(setImmediate);
    assert.equal(warnings, []);
  } finally {
    process.off("warning", note);
  }
});
