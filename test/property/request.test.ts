import fc from "fast-check";
import * as assert from "uvu/assert";
import { type JobRequest, specOf } from "../../sandbox/request.ts";
import { RequestError } from "../../sandbox/request-error.ts";
import { suite } from "../support/suite.ts";

const test = suite("requests");
const surroundings = { defaultHostname: "sandbox", network: { kind: "none" }, seccomp: [] } as const;

const number = fc.oneof(fc.double(), fc.integer(), fc.maxSafeInteger(), fc.constant(Number.NaN), fc.constant(2 ** 63));
const path = fc.oneof(
  fc.string(),
  fc.string().map((text) => `/${text}`),
  fc.constantFrom("/", "/tmp", "/proc/x", "/dev", "/a/../..", "//a//b/./c/", "/nonexistent", "/etc/passwd"),
);

const request: fc.Arbitrary<JobRequest> = fc.record(
  {
    argv: fc.array(fc.oneof(fc.string(), fc.constantFrom("", "a\0b", "ü")), { maxLength: 4 }),
    env: fc.array(fc.oneof(fc.string(), fc.constantFrom("A=1", "A=2", "__proto__=x", "constructor=y", "=z"))),
    cwd: path,
    hostname: fc.oneof(fc.string(), fc.constantFrom("a", "a-b.c", "-a", "a".repeat(63), "a".repeat(64), "a\n")),
    user: fc.record({ uid: number, gid: number }),
    rootfs: fc.record({ path, mode: fc.constantFrom("overlay", "ro", "rw", "", "RO") }),
    grants: fc.array(fc.record({ source: path, target: path, writable: fc.boolean() }), { maxLength: 3 }),
    tmpfs: fc.array(fc.record({ target: path, sizeBytes: number }), { maxLength: 3 }),
    cpus: number,
    memoryBytes: number,
    ioBytesPerSecond: number,
    pids: number,
    timeoutMs: number,
    stdin: fc.boolean(),
  },
  { requiredKeys: ["argv"] },
);

function tryRequest(asked: JobRequest): ReturnType<typeof specOf> | RequestError {
  try {
    return specOf(asked, surroundings);
  } catch (error) {
    assert.instance(error, RequestError);
    return error as RequestError;
  }
}

test("any request is refused by a sentence that names the field, or becomes a spec that keeps its promises", () => {
  fc.assert(
    fc.property(request, (asked) => {
      const spec = tryRequest(asked);
      if (spec instanceof RequestError) {
        assert.ok(spec.message.startsWith(`${spec.field}: `) && spec.message.length > spec.field.length + 2);
        return;
      }
      assert.not.equal(spec.argv[0] ?? "", "");
      for (const text of [...spec.argv, ...Object.entries(spec.env).flat(), spec.cwd])
        assert.not.ok(text.includes("\0"));
      assert.ok(spec.cwd.startsWith("/") && !/(^|\/)\.\.?(\/|$)/.test(spec.cwd));
      for (const id of [spec.user.uid, spec.user.gid]) assert.ok(Number.isInteger(id) && id >= 0 && id <= 65_535);
      for (const value of Object.values(spec.limits)) assert.ok(Number.isFinite(value) && value >= 0);
      assert.ok(spec.limits.pids >= 1);
      const targets = [...spec.grants, ...spec.tmpfs].map(({ target }) => target);
      for (const target of targets) assert.not.match(target, /^\/(proc|dev)(\/|$)|^\/$|\/\.\.?(\/|$)/);
    }),
    { numRuns: 3000 },
  );
});

test("a spec survives JSON, which is how it reaches the zygote", () => {
  fc.assert(
    fc.property(request, (asked) => {
      const spec = tryRequest(asked);
      if (!(spec instanceof RequestError))
        assert.is(JSON.stringify(JSON.parse(JSON.stringify(spec))), JSON.stringify(spec));
    }),
  );
});

test("a variable of any name arrives, the last one of a name wins", () => {
  const name = fc.oneof(
    fc.stringMatching(/^[^=\0]+$/),
    fc.constantFrom("__proto__", "constructor", "toString", "HOME"),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(name, fc.stringMatching(/^[^\0]*$/))), (variables) => {
      const { env } = specOf({ argv: ["x"], env: variables.map(([key, value]) => `${key}=${value}`) }, surroundings);
      const wanted = new Map([["PATH", env.PATH], ["LANG", "C.UTF-8"], ...variables]);
      assert.equal(new Map(Object.entries(env)), wanted);
    }),
  );
});
