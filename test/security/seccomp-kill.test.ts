// Profiles that kill: the caller dies before the call is made, and podium says for which call.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { SeccompChoice } from "../../sandbox/seccomp/programs.ts";
import { root as checkout } from "../support/runner/catalog.ts";
import { runSandbox, TestZygote } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { Attacks } from "./attacks.ts";

const test = suite("profiles that kill");
const compiler = requires("root", "libseccomp", "gcc");
const root = requires("root", "libseccomp");

const killing = ["SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_KILL", "SCMP_ACT_TRAP"] as const;

function denying(names: readonly string[], action: string): SeccompChoice {
  const profile = { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names, action }] };
  return { kind: "text", text: JSON.stringify(profile) };
}

test("K15 the outcome names the call, whatever kind of kill it is and however the caller lies", compiler, async () => {
  using attacks = new Attacks("forbidden-calls");
  await using zygote = await TestZygote.open();
  const grants = [{ source: attacks.folder, target: "/attacks", writable: false }];
  for (const action of killing) {
    for (const way of ["plain", "thread", "handled", "ignored", "blocked"]) {
      const seccomp = denying(["mkdirat"], action);
      const { record, stdout } = await zygote.run(["/attacks/forbidden-calls", way], { grants, seccomp });
      const where = `${action} ${way}: ${record.message}`;
      assert.equal([record.cause, record.syscall, record.exitCode], ["SECCOMP", "mkdirat", null], where);
      assert.is(record.message, "called mkdirat, for which its seccomp profile kills");
      assert.match(record.signal ?? "", /^SIG(SYS|KILL)$/);
      assert.is(stdout, "", where);
    }
  }
});

test("K15 only the caller dies of a call in a child, and the command tells how it ended", compiler, async () => {
  using attacks = new Attacks("forbidden-calls");
  await using zygote = await TestZygote.open();
  const grants = [{ source: attacks.folder, target: "/attacks", writable: false }];
  const seccomp = denying(["mkdirat"], "SCMP_ACT_KILL_PROCESS");
  const { record, stdout } = await zygote.run(["/attacks/forbidden-calls", "children"], { grants, seccomp });
  assert.equal([record.cause, record.exitCode, stdout], ["EXITED", 3, "killed 200\n"]);
});

test("K15 an allow-list that kills names what is missing from it, i386 calls too", compiler, async () => {
  using attacks = new Attacks("forbidden-calls", "other-entries");
  await using zygote = await TestZygote.open();
  const grants = [{ source: attacks.folder, target: "/attacks", writable: false }];
  const list = readFileSync(join(checkout, "test/security/default-syscalls.txt"), "utf8").trimEnd().split("\n");
  const names = list.filter((name) => name !== "mkdirat");
  const profile = { defaultAction: "SCMP_ACT_KILL", syscalls: [{ names, action: "SCMP_ACT_ALLOW" }] };
  const seccomp: SeccompChoice = { kind: "text", text: JSON.stringify(profile) };
  const { record } = await zygote.run(["/attacks/forbidden-calls"], { grants, seccomp });
  assert.equal([record.cause, record.syscall], ["SECCOMP", "mkdirat"], record.message);
  const alive = await zygote.run(["sh", "-c", "echo runs"], { seccomp });
  assert.equal([alive.record.cause, alive.stdout], ["EXITED", "runs\n"], alive.record.message);
  if (process.arch !== "x64") return;
  const others = await zygote.run(["/attacks/other-entries"], { grants, seccomp });
  assert.is(others.stdout.match(/ signal:31$/gm)?.length, 8, others.stdout);
});

test("K15 the mark by which a command waits for its init opens nothing later", compiler, async () => {
  using attacks = new Attacks("forbidden-calls");
  await using zygote = await TestZygote.open();
  const grants = [{ source: attacks.folder, target: "/attacks", writable: false }];
  const seccomp = denying(["mkdirat"], "SCMP_ACT_KILL_PROCESS");
  const { record } = await zygote.run(["/attacks/forbidden-calls", "waiting"], { grants, seccomp });
  assert.equal([record.cause, record.syscall], ["SECCOMP", "getppid"]);
});

test("K15 a profile that kills for what it takes to start is a failed start that says so", root, async () => {
  await using zygote = await TestZygote.open();
  for (const action of killing) {
    const { record } = await zygote.run(["true"], { seccomp: denying(["execve"], action) });
    assert.equal([record.cause, record.step], ["START_FAILED", "seccomp"]);
    assert.is(record.message, "seccomp: the profile kills for execve, which it takes to start the command");
  }
  // The call by which the command waits for its init is none of the profile's.
  const { record } = await zygote.run(["true"], { seccomp: denying(["getppid"], "SCMP_ACT_KILL") });
  assert.is(record.cause, "EXITED", record.message);
});

test("K15 stop, timeout and a following job are as with any profile", root, async () => {
  await using zygote = await TestZygote.open();
  const seccomp = denying(["mkdirat"], "SCMP_ACT_KILL_PROCESS");
  const slow = await zygote.run(["sleep", "1000"], { seccomp, timeoutMs: 200 });
  assert.is(slow.record.cause, "TIMEOUT");
  const killed = await zygote.run("kill -SYS $$", { seccomp });
  assert.equal([killed.record.cause, killed.record.syscall], ["SECCOMP", undefined]);
  assert.match(killed.record.message, /^ended by SIGSYS: /);
  for (let i = 0; i < 20; i++) assert.is((await zygote.run(["true"], { seccomp })).record.exitCode, 0);
});

test("K15 podium sandbox ends with 159 and says the call; the default profile names the entry", root, async () => {
  const folder = mkdtempSync(join(tmpdir(), "podium-profile-"));
  try {
    const file = join(folder, "p.json");
    writeFileSync(
      file,
      JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["uname"], action: "SCMP_ACT_KILL" }] }),
    );
    const ran = await runSandbox(["--seccomp", file, "--", "uname"]);
    assert.equal([ran.code, ran.stderr], [159, "podium: SECCOMP: called uname, for which its seccomp profile kills\n"]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
