// Ten thousand malformed inputs: each is refused in words or taken for what it says, none ends a process that it should not,
// none leaves anything behind. The last test counts them.
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { type Client, status } from "@grpc/grpc-js";
import fc from "fast-check";
import * as assert from "uvu/assert";
import { NetworkError } from "../../net/errors.ts";
import { jobPolicy, serverPolicy } from "../../net/policy.ts";
import { encodeFrame } from "../../sandbox/frames.ts";
import { ControlType } from "../../sandbox/init/protocol.ts";
import { specOf } from "../../sandbox/request.ts";
import { RequestError } from "../../sandbox/request-error.ts";
import { ProfileError } from "../../sandbox/seccomp/errors.ts";
import { parseProfile } from "../../sandbox/seccomp/profile.ts";
import { MessageType } from "../../sandbox/zygote/protocol.ts";
import { LiveServer } from "../integration/live-server.ts";
import { root as checkout } from "../support/runner/catalog.ts";
import { TestZygote } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { RawZygote } from "./raw-zygote.ts";

const test = suite("fuzzing");
const root = requires("root", "libseccomp");
const planned = {
  requests: 2500,
  paths: 1500,
  profiles: 2000,
  networks: 1500,
  messages: 500,
  frames: 1000,
  control: 1000,
};
const counted = new Map<string, number>();

function run<T>(what: keyof typeof planned, input: fc.Arbitrary<T>, body: (value: T) => void): void {
  fc.assert(
    fc.property(input, (value) => {
      counted.set(what, (counted.get(what) ?? 0) + 1);
      body(value);
    }),
    { numRuns: planned[what] },
  );
}

/** Whatever throws is an error of the given kind, with a sentence. */
function refusedBy(kind: new (...args: never[]) => Error, body: () => unknown): void {
  try {
    body();
  } catch (error) {
    if (!(error instanceof kind)) throw error;
    assert.ok(error.message.length > 5, error.message);
  }
}

const nasty = fc.constantFrom(
  "",
  "\0",
  "a\0b",
  "\n",
  "..",
  "/..",
  "/../../etc/passwd",
  "/".repeat(5000),
  `/${"x".repeat(65_536)}`,
  "/proc/self/root",
  "/dev/../proc/1",
  "/a/./b//c/",
  "\u202e/etc",
  "\ud800",
  "%s%n",
  "-1",
  "1e400",
  "NaN",
  "__proto__",
  "constructor",
  "$(id)",
  "`id`",
  "'; rm -rf /tmp/x; '",
);
const text = fc.oneof(nasty, fc.string({ maxLength: 40 }), fc.string({ unit: "binary", maxLength: 20 }));
const number = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, -0, -1, 2 ** 53, 2 ** 63, 5e-324),
);
const surroundings = { defaultHostname: "sandbox", network: { kind: "none" }, seccomp: [] } as const;

test("requests and the numbers of limits", () => {
  const request = fc.record(
    {
      argv: fc.array(text, { maxLength: 4 }),
      env: fc.array(text, { maxLength: 4 }),
      hostname: text,
      user: fc.record({ uid: number, gid: number }),
      capabilities: fc.array(fc.oneof(text, fc.constantFrom("CHOWN", "oci-default", "SYS_ADMIN")), { maxLength: 3 }),
      cpus: number,
      memoryBytes: number,
      ioBytesPerSecond: number,
      pids: number,
      timeoutMs: number,
    },
    { requiredKeys: ["argv"] },
  );
  run("requests", request, (asked) => refusedBy(RequestError, () => specOf(asked, surroundings)));
});

test("paths of the guest and of the host", () => {
  const path = fc.oneof(
    text,
    text.map((part) => `/${part}`),
    fc.array(text, { maxLength: 4 }).map((parts) => `/${parts.join("/")}`),
  );
  const request = fc.record({
    cwd: path,
    grants: fc.array(fc.record({ source: path, target: path, writable: fc.boolean() }), { maxLength: 2 }),
    tmpfs: fc.array(fc.record({ target: path, sizeBytes: number }), { maxLength: 2 }),
    rootfs: fc.record({ path, mode: text }),
  });
  run("paths", request, (asked) =>
    refusedBy(RequestError, () => {
      const { cwd, grants, tmpfs } = specOf({ argv: ["true"], ...asked }, surroundings);
      for (const place of [cwd, ...grants.map((grant) => grant.target), ...tmpfs.map((mount) => mount.target)]) {
        assert.ok(place.startsWith("/") && !place.includes("\0") && !place.split("/").includes(".."), place);
      }
    }),
  );
});

test("seccomp profiles", () => {
  const own = readFileSync(join(checkout, "sandbox/seccomp/default.json"), "utf8");
  const key = fc.oneof(
    text,
    fc.constantFrom("defaultAction", "syscalls", "names", "args", "action", "includes", "architectures"),
  );
  const json = fc.json({ maxDepth: 4 });
  const built = fc.dictionary(
    key,
    fc.oneof(fc.jsonValue(), fc.constantFrom("SCMP_ACT_ALLOW", "SCMP_ACT_NOTIFY", ["read"])),
  );
  const cut = fc
    .tuple(fc.nat(own.length), fc.nat(60), text)
    .map(([at, length, by]) => own.slice(0, at) + by + own.slice(at + length));
  const profile = fc.oneof(
    json,
    built.map((value) => JSON.stringify(value)),
    cut,
    text,
  );
  run("profiles", profile, (source) => refusedBy(ProfileError, () => parseProfile(source, "fuzz.json")));
});

test("CIDRs, ports and published ports", () => {
  const server = serverPolicy({ deny: ["private"], permit: [] });
  const part = fc.oneof(
    text,
    fc.ipV4(),
    fc.ipV6(),
    fc.nat(300).map(String),
    fc.constantFrom("/0", "/33", ":", "[", "]", "/udp", "0x7f.1", "1.2.3", "::ffff:1.2.3.4"),
  );
  const entry = fc.array(part, { maxLength: 4 }).map((parts) => parts.join(""));
  const lists = fc.record({
    allow: fc.array(entry, { maxLength: 2 }),
    deny: fc.array(entry, { maxLength: 2 }),
    publish: fc.array(entry, { maxLength: 2 }),
  });
  run("networks", lists, (asked) => refusedBy(NetworkError, () => jobPolicy(asked, server)));
});

/** One unary call with bytes that no encoder made. */
function rawCall(client: Client, method: string, bytes: Buffer): Promise<number> {
  return new Promise((resolve) => {
    const raw = (value: Buffer) => value;
    client.makeUnaryRequest(method, raw, raw, bytes, (error) => resolve(error?.code ?? status.OK));
  });
}

test("messages of the API, as bytes, against a live server", root, async () => {
  await using server = await LiveServer.start();
  const alice = server.api("alice");
  const canary = await alice.startId({ argv: ["sleep", "1000"] });
  const methods = ["Starter/Start", "Stopper/Stop", "Status/Status", "Jobs/Wait", "Jobs/Remove", "Info/Info"];
  const message = fc.record({ method: fc.constantFrom(...methods), bytes: fc.uint8Array({ maxLength: 200 }) });
  const samples = fc.sample(message, planned.messages);
  for (let at = 0; at < samples.length; at += 25) {
    const batch = samples
      .slice(at, at + 25)
      .map(({ method, bytes }) => rawCall(alice.starter, `/podium.${method}`, Buffer.from(bytes)));
    for (const code of await Promise.all(batch)) {
      counted.set("messages", (counted.get("messages") ?? 0) + 1);
      assert.not.ok([status.UNAVAILABLE, status.UNKNOWN].includes(code), `code ${code}`);
    }
  }
  assert.is((await alice.info(canary)).state, "RUNNING");
  assert.equal(
    (await alice.list()).map((job) => job.id),
    [canary],
  );
  await alice.stop({ id: canary, graceMs: 0n });
});

test("frames to a live zygote: it goes on, and so do its jobs", root, async () => {
  await using zygote = new RawZygote();
  await zygote.sees(MessageType.ready);
  zygote.start("canary", ["sleep", "1000"]);
  await zygote.sees(MessageType.started, "canary");
  const body = fc.oneof(
    fc.json(),
    text,
    fc.constantFrom('{"job":"x"}', '{"job":1,"folder":"/","spec":{}}', "{}", "null", "[]", "{"),
  );
  // Starts that are well formed name a folder that is not there, so that each fails in an init of its own.
  const start = fc
    .record({ job: text, folder: fc.constant("/nonexistent/podium-test"), spec: fc.dictionary(text, fc.jsonValue()) })
    .map((value) => JSON.stringify(value));
  const frame = fc.record({
    type: fc.oneof({ weight: 9, arbitrary: fc.nat(255) }, { weight: 1, arbitrary: fc.constantFrom(1, 2) }),
    payload: body,
  });
  const sent = [
    ...fc.sample(frame, planned.frames - 20),
    ...fc.sample(start, 20).map((payload) => ({ type: MessageType.start, payload })),
  ];
  for (const { type, payload } of sent) {
    counted.set("frames", (counted.get("frames") ?? 0) + 1);
    zygote.socket.write(encodeFrame(type, Buffer.from(payload)));
  }
  zygote.start("after", ["true"]);
  await zygote.sees(MessageType.ended, "after");
  assert.is(JSON.parse(readFileSync(join(zygote.folder, "after/exit.json"), "utf8")).exitCode, 0);
  assert.not.ok(
    zygote.seen.some(({ type, payload }) => type === MessageType.ended && payload.toString().includes("canary")),
  );
  assert.equal(readdirSync(zygote.folder).sort(), ["after", "canary", "stage"]);
});

test(
  "frames to the control socket of a job: the sender is dropped, the job goes on, its outcome is its own",
  root,
  async () => {
    await using zygote = await TestZygote.open();
    const job = await zygote.start({ argv: ["sh", "-c", "read line; exit 7"], stdin: true });
    const payload = fc.oneof(
      text,
      fc.json(),
      fc.constantFrom(
        '{"signal":"x"}',
        '{"signal":65}',
        '{"signal":-1}',
        '{"signal":null,"graceMs":0,"by":"x"}',
        '{"signal":0,"graceMs":1e99,"by":"x"}',
        '{"signal":0.5}',
        '{"milliseconds":"1"}',
        '{"milliseconds":-1}',
        '{"milliseconds":1e400}',
        '{"signal":0,"graceMs":0}',
        '{"signal":0,"graceMs":"0","by":"x"}',
        "9",
      ),
    );
    // `input` and `inputEnd` would be the job's stdin: everything that is no message of theirs.
    const kinds = fc.oneof(
      fc.constantFrom(ControlType.signal, ControlType.stop, ControlType.timeout),
      fc.integer({ min: 16, max: 255 }),
    );
    const frames = fc.sample(fc.record({ kinds, payload }), planned.control);
    for (let at = 0; at < frames.length; at += 50) {
      const sockets = frames.slice(at, at + 50).map(async (frame) => {
        counted.set("control", (counted.get("control") ?? 0) + 1);
        const socket = connect(join(job.folder, "control"));
        socket.on("error", () => {});
        const closed = once(socket, "close");
        socket.end(encodeFrame(frame.kinds, Buffer.from(frame.payload)));
        socket.resume();
        await closed;
      });
      await Promise.all(sockets);
    }
    const torn = connect(join(job.folder, "control"));
    torn.on("error", () => {});
    torn.write(Buffer.from([0xff, 0xff, 0xff, 0xff, 1]));
    const control = await job.control();
    control.input(Buffer.from("line\n"));
    const { record } = await job.finished;
    assert.equal([record.cause, record.exitCode], ["EXITED", 7]);
  },
);

test(`${Object.values(planned).reduce((all, one) => all + one)} inputs in all`, root, () => {
  const sum = [...counted.values()].reduce((all, one) => all + one, 0);
  process.stdout.write(`fuzzed inputs: ${sum} (${[...counted].map(([what, n]) => `${what} ${n}`).join(", ")})\n`);
  assert.equal(Object.fromEntries(counted), planned);
  assert.ok(sum >= 10_000, `${sum}`);
});
