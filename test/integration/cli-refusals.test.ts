// Bad input: one clear error each, nothing started, nothing left.
import * as assert from "uvu/assert";
import { TestServer } from "../support/server.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("what client commands refuse");
const root = requires("root", "libseccomp");
const highest = String(2n ** 63n - 1n);

const refusals: readonly (readonly [args: readonly string[], why: RegExp])[] = [
  [[], /no command is given/],
  [["strat"], /unknown command 'strat'\n {2}did you mean start\?/],
  [["run"], /run: missing required argument/],
  [["run", ""], /argv: the command is empty/],
  [["run", "--no-such-option", "true"], /unknown option '--no-such-option'/],
  [["run", "-t", "true"], /-t: stdin is not a terminal\n {2}leave -t out/],
  [["run", "--tmpfs", "/proc/x", "true"], /tmpfs\[0\]: \/proc\/x is podium's own there/],
  [["run", "-d", "--rm", "true"], /'-d, --detach' cannot be used with option '--rm'/],
  [["run", "-d", "-i", "true"], /run: -d and -i: nobody would feed its stdin/],
  [["start"], /no command is given/],
  [["start", "--shell", "  "], /cmd: the command is empty/],
  [["start", "--shell", "echo", "true"], /both --shell and a command/],
  [["run", "--cpus", "-1", "true"], /"-1" is not a number of cores/],
  [["run", "--cpus", "NaN", "true"], /"NaN" is not a number of cores/],
  [["run", "--memory", "lots", "true"], /"lots" is not a size/],
  [["run", "--io", "0", "true"], /"0" is not a size/],
  [["run", "--pids", "1.5", "true"], /"1.5" is not a whole number/],
  [["run", "--timeout", "soon", "true"], /"soon" is not a duration/],
  [["run", "--net", "host", "true"], /--net <MODE>.*host.*none, bridge/],
  [["run", "--net-rate", "fast", "true"], /--net-rate <SIZE>.*"fast" is not a rate/],
  [["run", "--name", "", "true"], /--name: the name is empty/],
  [["run", "--name", "a\nb", "true"], /name: "a\\nb" is not a name/],
  [["run", "--name", "12", "true"], /name: .*digits/],
  [["run", "--hostname", "-", "true"], /hostname: "-" is no host name/],
  [["run", "--env", "A", "true"], /env: "A" is not NAME=VALUE/],
  [["run", "--cwd", "here", "true"], /cwd: "here" is not an absolute path/],
  [["run", "--user", "a:b:c", "true"], /"a:b:c" is not USER or USER:GROUP/],
  [["run", "--user", ":7", "true"], /":7" is not USER or USER:GROUP/],
  [["run", "--user", "worker", "true"], /user\.name: there is no user "worker" in the root's \/etc\/passwd/],
  [["run", "--user", "root:no", "true"], /user\.name: there is no group "no" in the root's \/etc\/group/],
  [["run", "--user", "70000", "true"], /user.uid: 70000/],
  [["run", "--rootfs", "here", "true"], /--rootfs here: is not an absolute path/],
  [["run", "--dir", "here", "true"], /--dir here: is not an absolute path/],
  [["run", "--dir", "/root", "true"], /\/root/],
  [["run", "--dir", "/data:/input:ro", "true"], /"\/data:\/input:ro" has one colon; write it like \/data::\/input\./],
  [["run", "--seccomp", "/no/such", "true"], /--seccomp \/no\/such: cannot be read: ENOENT/],
  [["run", "--seccomp", "/etc/passwd", "true"], /seccomp/],
  [["run", "--seccomp", "unconfined", "true"], /seccomp: unconfined is for podium:admin/],
  [["status", "0"], /0 is no job id/],
  [["status", ""], /the job's id is empty/],
  [["status", "99"], /there is no job 99/],
  [["status", highest], new RegExp(`there is no job ${highest}`)],
  [["status", String(2n ** 63n)], /9223372036854775808 is no job id/],
  [["status", "no-such-name"], /you have no job named "no-such-name"/],
  [["status", "1", "2"], /too many arguments/],
  [["status", "1", "-o", "yaml"], /Allowed choices are json/],
  [["stop", "1", "--signal", "NOPE"], /signal: "NOPE" is not a signal/],
  [["stop", "1", "--signal", "65"], /signal: "65" is not a signal/],
  [["stop", "1", "--grace", "never"], /"never" is not a duration/],
  [["stop", "1", "--grace", "2d"], /grace_ms/],
  [["logs", "1", "--stream", "stdin"], /Allowed choices are stdout, stderr/],
  [["logs", "1", "--offset", "-1"], /"-1" is not a whole number/],
  [["logs", "1", "--offset", highest], /stdout_offset/],
  [["logs", "1", "-n", "many"], /"many" is not a whole number/],
  [["logs", "1", "-n", "1", "--offset", "1"], /cannot be used with option/],
];

test("each bad input is one clear error with exit code 125, and starts nothing", root, async () => {
  await using server = await TestServer.start();
  assert.is((await server.podium("alice", ["start", "--", "sleep", "100"])).stdout, "1\n");
  for (const [args, why] of refusals) {
    const { code, stdout, stderr } = await server.podium("alice", args);
    const shown = `podium ${args.join(" ")}: ${stderr}`;
    assert.equal([code, stdout], [125, ""], shown);
    assert.match(stderr, /^podium: [^\n]+\n( {2}[^\n]+\n)?$/, shown);
    assert.match(stderr, why, shown);
  }
  const { stdout } = await server.podium("admin", ["ps", "-a", "-o", "json"]);
  assert.equal(
    JSON.parse(stdout).map((job: { id: number; state: string }) => [job.id, job.state]),
    [[1, "RUNNING"]],
  );
});

test("a request above 4 MB and a viewer's wish to change something are refused by name", root, async () => {
  await using server = await TestServer.start();
  const words = Array.from({ length: 40 }, () => "x".repeat(120_000)).flatMap((word) => ["-e", `A=${word}`]);
  const big = await server.podium("alice", ["run", ...words.slice(0, 30), "true"]);
  assert.is(big.code, 125);
  assert.match(big.stderr, /^podium: [^\n]*(1048576|1 ?MiB|bytes)[^\n]*\n/);
  const viewer = await server.podium("viewer", ["run", "true"]);
  assert.match(viewer.stderr, /^podium: a podium:viewer certificate reads jobs and logs and changes nothing\n$/);
});
