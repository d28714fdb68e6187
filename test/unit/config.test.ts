import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { policyOf, readConfig } from "../../src/server/config.ts";
import { suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const test = suite("configuration of serve");

function read(text: string) {
  using folder = temporaryFolder();
  const file = join(folder.path, "podium.json");
  writeFileSync(file, text);
  return readConfig(file);
}

test("without a file nothing but output is limited and no folder may be named", () => {
  const { defaults, maximum, folders, logLevel } = readConfig(undefined);
  const none = { cpus: 0, memoryBytes: 0, ioBytesPerSecond: 0, pids: 0, timeoutMs: 0 };
  const further = { cpuWeight: 100, ioOperationsPerSecond: 0 };
  const output = (bytes: number) => ({ ...none, outputBytes: bytes, outputKill: false });
  assert.equal(
    { defaults, maximum, folders, logLevel },
    { defaults: output(2 ** 30), maximum: { ...output(10 * 2 ** 30), ...further }, folders: [], logLevel: "info" },
  );
});

test("sizes and durations are numbers or text with a unit", () => {
  const { defaults, maximum } = read('{"defaults": {"memory": "1.5G", "timeout": "500ms"}, "maximum": {"io": 1000}}');
  assert.equal([defaults.memoryBytes, defaults.timeoutMs, maximum.ioBytesPerSecond], [1.5 * 2 ** 30, 500, 1000]);
});

test("the limit on output may say that it ends the job; its upper bound may not", () => {
  const output = (text: string) => {
    const { defaults, maximum } = read(text);
    return [defaults.outputBytes, defaults.outputKill, maximum.outputBytes];
  };
  assert.equal(output('{"defaults": {"output": "64M:kill"}, "maximum": {"output": "1G"}}'), [2 ** 26, true, 2 ** 30]);
  assert.equal(output('{"defaults": {"output": 0}, "maximum": {"output": 0}}'), [0, false, 0]);
  assert.throws(() => read('{"defaults": {"output": "64M:stop"}}'), /defaults\.output: /);
  assert.throws(() => read('{"maximum": {"output": "64M:kill"}}'), /maximum\.output: /);
});

test("each wrong key or value is refused by its name", () => {
  const wrong: readonly [string, RegExp][] = [
    ['{"lisen": "x"}', /podium\.json: .*"lisen"/],
    ['{"defaults": {"mem": 1}}', /podium\.json: defaults: .*"mem"/],
    ['{"defaults": {"memory": "lots"}}', /podium\.json: defaults\.memory: /],
    ['{"defaults": {"pids": 1.5}}', /podium\.json: defaults\.pids: /],
    ['{"maximum": {"cpus": -1}}', /podium\.json: maximum\.cpus: /],
    ['{"folders": [{"path": "srv", "users": ["*"]}]}', /podium\.json: folders\.0\.path: begin it with \//],
    ['{"folders": [{"path": "/srv", "users": []}]}', /podium\.json: folders\.0\.users: /],
    ['{"folders": [{"path": "/srv"}]}', /podium\.json: folders\.0\.users: /],
    ['{"ids": {"first": 1000}}', /podium\.json: ids: first must be a multiple of 65536/],
    ['{"ids": {"first": 0}}', /podium\.json: ids: first must be a multiple of 65536, and not 0/],
    ['{"ids": {"ranges": 20000}}', /podium\.json: ids: the last id must be below 2147483648/],
    ['{"ids": {"ranges": 0}}', /podium\.json: ids\.ranges: /],
    ['{"ids": {"first": 1000}}', /podium\.json: ids: first must be a multiple of 65536/],
    ['{"ids": {"first": 0}}', /podium\.json: ids: first must be a multiple of 65536, and not 0/],
    ['{"ids": {"ranges": 20000}}', /podium\.json: ids: the last id must be below 2147483648/],
    ['{"ids": {"ranges": 0}}', /podium\.json: ids\.ranges: /],
    ['{"logLevel": "loud"}', /podium\.json: logLevel: /],
    ["[]", /podium\.json: /],
    ["{", /podium\.json: cannot be read as JSON: /],
  ];
  for (const [text, message] of wrong) assert.throws(() => read(text), message, text);
  assert.throws(() => readConfig("/nonexistent/podium.json"), /cannot be read as JSON: ENOENT/);
});

test("folders are resolved once, with or without a slash at the end", () => {
  using folder = temporaryFolder();
  const path = (name: string) => join(folder.path, name);
  mkdirSync(path("real"));
  symlinkSync(path("real"), path("link"));
  const rule = (name: string) => ({ path: `${path(name)}/`, users: ["*"] });
  const text = JSON.stringify({ folders: [rule("real"), rule("link"), rule("later")] });
  const { folders, own } = policyOf(read(text), [path("link")]);
  assert.equal(
    folders.map((each) => each.path),
    [path("real"), path("real"), path("later")],
  );
  assert.equal(
    folders.map((each) => each.write),
    [false, false, false],
  );
  assert.equal(own, [path("real")]);
});
