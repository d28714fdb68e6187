import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import * as assert from "uvu/assert";
import { certsCommand } from "../../src/cli/certs.ts";
import { CliError } from "../../src/cli/failure.ts";
import { temporaryFolder } from "../support/openssl.ts";
import { podiumScript } from "../support/sandbox.ts";
import { suite } from "../support/suite.ts";

const test = suite("podium certs");

/** Runs `podium certs ARGS`; returns what it printed. */
async function certs(...args: string[]): Promise<string> {
  const printed: string[] = [];
  const quiet = { writeErr: () => {}, writeOut: () => {} };
  const command = certsCommand();
  for (const each of [command, ...command.commands]) each.exitOverride().configureOutput(quiet);
  const write = process.stdout.write;
  process.stdout.write = ((text: string) => printed.push(text) > 0) as typeof process.stdout.write;
  try {
    await new Command("podium").addCommand(command).parseAsync(["certs", ...args], { from: "user" });
  } finally {
    process.stdout.write = write;
  }
  return printed.join("");
}

async function failure(...args: string[]): Promise<Error> {
  return certs(...args).then(
    (text) => new Error(`it printed ${text}`),
    (error: Error) => error,
  );
}

test("wrong arguments are told like those of every command", () => {
  for (const [args, message] of [
    [["issue"], "missing required argument 'name'"],
    [["list", "--frob"], "unknown option '--frob'"],
  ] as const) {
    const { status, stdout, stderr } = spawnSync(podiumScript, ["certs", ...args], { encoding: "utf8" });
    assert.equal([status, stdout, stderr], [125, "", `podium: certs: ${message}\n  see podium help certs\n`]);
  }
});

test("init, issue, list and revoke say what they wrote and what comes next", async () => {
  using folder = temporaryFolder("certs");
  const dir = ["--dir", folder.path];
  const init = await certs("init", ...dir, "--host", "podium.example", "--host", "192.0.2.7");
  const names = ["ca.key", "ca.crt", "server.key", "server.crt", "ca.crl"];
  const wrote = names.map((name) => `wrote ${join(folder.path, name)}\n`).join("");
  assert.is(init, `${wrote}next: podium certs issue NAME --dir ${folder.path}\n`);
  assert.match(await certs("issue", "alice", "--admin", "--server", "podium.example:99", ...dir), "wrote");
  const profile = JSON.parse(readFileSync(join(folder.path, "alice.podium"), "utf8"));
  assert.is(profile.server, "podium.example:99");
  assert.match(await certs("list", ...dir), /valid {4}admin {3}\d{4}-\d\d-\d\d {2}alice\n/);
  assert.match(await certs("revoke", "alice", ...dir), /^revoked [0-9A-F]{32}\nwrote /);
  const [, alice] = JSON.parse(await certs("list", "-o", "json", ...dir));
  assert.equal([alice.name, alice.role, alice.state], ["alice", "admin", "revoked"]);
});

test("a wrong request is refused with the mend, and nothing is written", async () => {
  using folder = temporaryFolder("certs");
  const dir = ["--dir", folder.path];
  const early = await failure("issue", "alice", ...dir);
  assert.instance(early, CliError);
  assert.is((early as CliError).exitCode, 125);
  assert.is((early as CliError).mend, `make one with: podium certs init --dir ${folder.path}`);
  for (const args of [
    ["--days", "0"],
    ["--days", "1.5"],
    ["--days", "x"],
    ["--host", "a:1"],
  ]) {
    assert.not((await failure("init", ...dir, ...args)).message.startsWith("it printed"), args.join(" "));
  }
  assert.equal(readdirSync(folder.path), []);
  await certs("init", ...dir);
  for (const args of [
    ["--admin", "--viewer"],
    ["--server", "nowhere"],
    ["--days", "99999"],
  ]) {
    assert.not((await failure("issue", "alice", ...dir, ...args)).message.startsWith("it printed"), args.join(" "));
  }
  assert.is(readdirSync(folder.path).length, 6);
});
