// What the command line prints, without a server.
import * as assert from "uvu/assert";
import { jobJson } from "../../src/cli/job-json.ts";
import { jobLines, jobTable } from "../../src/cli/job-text.ts";
import { encodeJson } from "../../src/cli/json.ts";
import { TimedLines } from "../../src/cli/log-times.ts";
import { columns } from "../../src/cli/output.ts";
import { printable, shellWords } from "../../src/cli/printable.ts";
import { ago, localTime, parseTime, shortDuration } from "../../src/cli/time.ts";
import { JobInfo } from "../../src/gen/podium.ts";
import { suite } from "../support/suite.ts";

const test = suite("text of the command line");
const highest = 2n ** 63n - 1n;

test("JSON keeps every digit of an id, and is JSON otherwise", () => {
  assert.is(encodeJson({ id: highest }), `{\n  "id": ${highest}\n}`);
  const value = { a: [1, "ü\n", null, true, [], {}], "b c": { d: [{ e: -1.5 }] } };
  assert.equal(JSON.parse(encodeJson(value)), value);
  assert.is(encodeJson(value), JSON.stringify(value, null, 2));
});

test("a job of which little is known has the keys of the contract all the same", () => {
  const text = encodeJson(jobJson(JobInfo.create({ id: highest, state: "RUNNING" })));
  assert.match(text, `"id": ${highest},`);
  const { id: _, ...rest } = JSON.parse(text);
  assert.equal(rest, {
    name: "",
    user: "",
    state: "RUNNING",
    outcome: null,
    createdAt: null,
    startedAt: null,
    finishedAt: null,
    command: [],
    capabilities: [],
    limits: {
      cpus: 0,
      memoryBytes: 0,
      ioBytesPerSecond: 0,
      pids: 0,
      timeoutSeconds: 0,
      outputBytes: 0,
      outputKill: false,
      ...{ cpuWeight: 0, memoryHighBytes: 0, ioOperationsPerSecond: 0, cpusetCpus: "", cgroup: [] },
    },
    usage: {
      ...{ cpuSeconds: 0, memoryBytes: 0, memoryPeakBytes: 0, pids: 0, pidsPeak: 0 },
      ...{ ioReadBytes: 0, ioWriteBytes: 0, ioReadOperations: 0, ioWriteOperations: 0, pressure: null },
    },
    labels: {},
    network: { mode: "none", addresses: [], publish: [] },
    work: "",
  });
});

test("an outcome has exactly five keys, and no signal is null", () => {
  const outcome = { cause: "START_FAILED", step: "find", errno: "ENOENT", message: "find: no" } as const;
  const job = JSON.parse(encodeJson(jobJson(JobInfo.create({ id: 1, outcome }))));
  const told = { cause: "START_FAILED", exitCode: null, signal: null, by: "", message: "find: no" };
  assert.equal(job.outcome, told);
});

test("what a terminal would act upon is escaped, line breaks become spaces", () => {
  assert.is(printable("a\r\nb\x1b[31m\x7f\x9b\u202e\u2028ü日"), "a b\\x1b[31m\\x7f\\x9b\\u{202e}\\u{2028}ü日");
});

test("a command is shown as one could type it", () => {
  assert.is(shellWords(["sh", "-c", "echo 'a b'", "", "x=1"]), "sh -c 'echo '\\''a b'\\''' '' x=1");
});

test("times are relative in the largest unit, or local", () => {
  const texts = [0, 999, 59_999, 60_000, 3_599_999, 7_200_000, 86_400_000 * 3, -5].map(shortDuration);
  assert.equal(texts, ["0s", "0s", "59s", "1m", "59m", "2h", "3d", "0s"]);
  assert.is(ago(new Date(0), new Date(61_000)), "1m ago");
  assert.is(localTime(new Date(2026, 0, 2, 3, 4, 5)), "2026-01-02 03:04:05");
});

test("columns are as wide as their widest cell, without spaces at the end", () => {
  assert.equal(
    columns([
      ["a", "bbb", "c"],
      ["dd", "e", ""],
    ]),
    ["a   bbb  c", "dd  e"],
  );
});

test("the table is cut at the width of the terminal, status leaves out what there is not", () => {
  const now = new Date(10_000);
  const job = JobInfo.create({
    id: 7,
    user: "alice",
    state: "RUNNING",
    createdAt: new Date(0),
    command: ["sleep", "1000"],
  });
  const table = ["ID  NAME  USER   STATE    CREATED  COMMAND", "7         alice  RUNNING  10s ago  sleep 1000"];
  assert.equal(jobTable([job], now), table);
  assert.equal(jobTable([job], now, 40)[1], "7         alice  RUNNING  10s ago  slee…");
  const fields = jobLines(job, now).map((line) => line.split(" ")[0]);
  assert.equal(fields, ["id", "user", "state", "command", "created"]);
});

test("S11 a time is RFC 3339 or local, from the day to the fraction of a second", () => {
  assert.is(parseTime("2026-11-26T13:00:00.5Z")?.toISOString(), "2026-11-26T13:00:00.500Z");
  assert.is(parseTime("2026-11-26T13:00:00+02:00")?.toISOString(), "2026-11-26T11:00:00.000Z");
  assert.is(parseTime("2026-11-26")?.getTime(), new Date(2026, 10, 26).getTime());
  assert.is(parseTime("2026-11-26 13:05")?.getTime(), new Date(2026, 10, 26, 13, 5).getTime());
  for (const text of ["", "now", "2026", "2026-13-40", "26.11.2026", "2026-11-26T25:00:00Z"])
    assert.is(parseTime(text), null, text);
});

test("S11 -t marks each line once, also one that comes in pieces or after a gap", () => {
  const lines = new TimedLines();
  const time = new Date("2026-11-26T13:00:00.000Z");
  const of = (text: string, gap = 0n) => {
    const piece = { stream: "stdout" as const, offset: 0n, bytes: Buffer.from(text), gap, time };
    return String(lines.of(piece)).replaceAll("2026-11-26T13:00:00.000Z", "T");
  };
  assert.equal(
    [of("a\nb"), of("c\n"), of("\n"), of("d"), of("e\n", 5n), of("")],
    ["T a\nT b", "c\n", "T \n", "T d", "\nT e\n", ""],
  );
});
