import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { readHead, writeHead } from "../../src/server/audit/files.ts";
import { type AuditEntry, decodeLine } from "../../src/server/audit/line.ts";
import { AuditLog } from "../../src/server/audit/log.ts";
import { auditLines, verifyAudit } from "../../src/server/audit/verify.ts";
import { suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const test = suite("audit log");
const silent = { info: () => {}, error: () => {} };
const bounds = { fileBytes: 64 * 2 ** 20, files: 4 };

function entry(job: number): AuditEntry {
  const who = { user: "alice", serial: "4A", fingerprint: "AB:CD", peer: "127.0.0.1:5" };
  return { ...who, call: "Starter/Start", job, decision: "allowed", reason: "" };
}

async function written(folder: string, count: number, limits = bounds): Promise<void> {
  const log = AuditLog.open(folder, limits, silent);
  for (let job = 1; job <= count; job++) log.write(entry(job));
  await log.close();
}

async function jobsOf(folder: string): Promise<(number | null | undefined)[]> {
  const jobs = [];
  for await (const { text } of auditLines(folder)) jobs.push(decodeLine(text)?.job);
  return jobs;
}

/** Where the first fault is, as LINE of the only file. */
async function faultOf(folder: string): Promise<string> {
  const { fault } = await verifyAudit(folder);
  return fault === null ? "intact" : `${fault.where.replace("audit-000001.ndjson:", "")}: ${fault.reason}`;
}

test("lines are chained over restarts, and found intact", async () => {
  using folder = temporaryFolder();
  await written(folder.path, 3);
  await written(folder.path, 2);
  assert.equal(await jobsOf(folder.path), [1, 2, 3, 1, 2]);
  const { lines, first, end, fault, notes } = await verifyAudit(folder.path);
  assert.equal([lines, first, end.seq, fault, notes], [5, 1, 5, null, []]);
});

test("every kind of tampering with every line is found, by the line", async () => {
  using folder = temporaryFolder();
  await written(folder.path, 5);
  const file = join(folder.path, "audit-000001.ndjson");
  const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);
  const set = (changed: readonly string[]) => writeFileSync(file, changed.map((line) => `${line}\n`).join(""));
  for (const [i, line] of lines.entries()) {
    const others = (...here: string[]) => [...lines.slice(0, i), ...here, ...lines.slice(i + 1)];
    const last = i === lines.length - 1;
    const next = last ? "" : `${i + 2}: it does not carry the SHA-256 of the line before it`;

    set(others(line.replace('"alice"', '"mallory"')));
    assert.is(
      await faultOf(folder.path),
      last ? "5: it is not the line that was written: see head" : next,
      `edit ${i}`,
    );
    set(others());
    const gone = i === 0 ? "1: lines 1 to 1 before it are gone" : `${i + 1}: line ${i + 2} follows line ${i}`;
    assert.is(await faultOf(folder.path), last ? "4: lines 5 to 5 after it are gone" : gone, `remove ${i}`);
    set(others(line, line));
    assert.is(await faultOf(folder.path), `${i + 2}: line ${i + 1} follows line ${i + 1}`, `double ${i}`);
    set(others("{}"));
    assert.is(await faultOf(folder.path), `${i + 1}: it is no line of an audit log`, `replace ${i}`);
    if (!last) {
      set([...lines.slice(0, i), lines[i + 1] ?? "", line, ...lines.slice(i + 2)]);
      assert.match(await faultOf(folder.path), new RegExp(`^${i + 1}: `), `swap ${i}`);
    }
    set(lines.slice(0, i));
    assert.match(await faultOf(folder.path), /after it are gone$/, `cut at ${i}`);
    writeFileSync(file, `${lines.slice(0, i + 1).join("\n")}`.slice(0, -3));
    assert.match(await faultOf(folder.path), /after it are gone$/, `tear ${i}`);
  }
  set(lines);
  assert.is(await faultOf(folder.path), "intact");
  rmSync(join(folder.path, "head"));
  assert.is(await faultOf(folder.path), "5: the file head is missing");
});

test("a line torn by a crash is cut off, told, and the chain goes on", async () => {
  using folder = temporaryFolder();
  await written(folder.path, 2);
  appendFileSync(join(folder.path, "audit-000001.ndjson"), '{"seq":3,"prev":"ab');
  await written(folder.path, 1);
  const { fault, notes, lines } = await verifyAudit(folder.path);
  assert.equal([fault, lines], [null, 4]);
  assert.equal(notes, ["audit-000001.ndjson:3: the server ended while it wrote a line, which is cut off"]);
  const told = readFileSync(join(folder.path, "audit-000001.ndjson"), "utf8").split("\n")[2] ?? "";
  assert.is(decodeLine(told)?.torn, '{"seq":3,"prev":"ab');
});

test("lines that were cut off before a start stay missed after it", async () => {
  using folder = temporaryFolder();
  await written(folder.path, 4);
  const file = join(folder.path, "audit-000001.ndjson");
  writeFileSync(file, `${readFileSync(file, "utf8").split("\n").slice(0, 2).join("\n")}\n`);
  await written(folder.path, 1);
  assert.match(await faultOf(folder.path), /^3: lines before it are missing: lines 3-4 had been written and are gone$/);
  using other = temporaryFolder();
  await written(other.path, 2);
  rmSync(join(other.path, "head"));
  await written(other.path, 1);
  assert.match(await faultOf(other.path), /^3: lines before it are missing: the file head was not there$/);
});

test("files are bounded in size and number, chained across, and a removed one is missed", async () => {
  using folder = temporaryFolder();
  await written(folder.path, 40, { fileBytes: 1000, files: 3 });
  const files = readdirSync(folder.path).filter((name) => name.endsWith(".ndjson"));
  assert.is(files.length, 3);
  for (const name of files) assert.ok(readFileSync(join(folder.path, name)).length <= 1000);
  const { fault, first, end } = await verifyAudit(folder.path);
  assert.equal([fault, end.seq], [null, 40]);
  assert.ok(first > 30);
  await written(folder.path, 1, { fileBytes: 1000, files: 3 });
  assert.is((await verifyAudit(folder.path)).fault, null);
  const middle = readdirSync(folder.path).filter((name) => name.endsWith(".ndjson"))[1] ?? "";
  const text = readFileSync(join(folder.path, middle));
  rmSync(join(folder.path, middle));
  assert.match(await faultOf(folder.path), /follows line/);
  writeFileSync(join(folder.path, middle), text);
  rmSync(join(folder.path, readdirSync(folder.path).sort()[0] ?? ""));
  assert.match(await faultOf(folder.path), /before it are gone/);
});

test("a crash in the middle of a rotation is survived", async () => {
  using folder = temporaryFolder();
  await written(folder.path, 3);
  closeSync(openSync(join(folder.path, "audit-000002.ndjson"), "w"));
  await written(folder.path, 1);
  assert.equal([await faultOf(folder.path), await jobsOf(folder.path)], ["intact", [1, 2, 3, 1]]);
});

test("a head that is behind, as a crash leaves it, is no fault", async () => {
  using folder = temporaryFolder();
  const log = AuditLog.open(folder.path, bounds, silent);
  for (let job = 1; job <= 3; job++) log.write(entry(job));
  const early = readHead(folder.path);
  assert.is(early?.seq, 0);
  assert.is(await faultOf(folder.path), "intact");
  await log.close();
  if (early !== null) writeHead(folder.path, early);
  await written(folder.path, 1);
  assert.is(await faultOf(folder.path), "intact");
});

test("a log that cannot be opened is told with reason and mend", () => {
  using folder = temporaryFolder();
  writeFileSync(join(folder.path, "audit"), "");
  assert.throws(() => AuditLog.open(join(folder.path, "audit"), bounds, silent), /cannot be opened: EEXIST/);
  mkdirSync(join(folder.path, "x", "audit-000001.ndjson"), { recursive: true });
  assert.throws(() => AuditLog.open(join(folder.path, "x"), bounds, silent), /cannot be opened: E/);
});
