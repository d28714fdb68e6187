import * as assert from "uvu/assert";
import { type Cidr, formatCidr, parseCidr } from "../../net/addresses.ts";
import { NetworkError } from "../../net/errors.ts";
import { jobPolicy, mayReach, type PolicyRequest, serverPolicy } from "../../net/policy.ts";
import { suite } from "../support/suite.ts";

const test = suite("network policy");
const server = serverPolicy({ deny: [], permit: [] });

function policy(request: Partial<PolicyRequest>, of = server) {
  return jobPolicy({ allow: [], deny: [], publish: [], ...request }, of);
}

function reaches(request: Partial<PolicyRequest>, to: string, port: number | null = 80, of = server): boolean {
  return mayReach(policy(request, of), of, parseCidr(to) as Cidr, port);
}

function refusal(request: Partial<PolicyRequest>): string {
  try {
    policy(request);
  } catch (error) {
    if (error instanceof NetworkError) return `${error.field}: ${error.message}; ${error.mend}`;
    throw error;
  }
  throw new Error(`accepted: ${JSON.stringify(request)}`);
}

test("allow and deny lists mean what they say, and deny wins", () => {
  const table: readonly (readonly [Partial<PolicyRequest>, string, number | null, boolean])[] = [
    [{}, "192.0.2.1", 80, true],
    [{ allow: ["192.0.2.1"] }, "192.0.2.1", 80, true],
    [{ allow: ["192.0.2.1"] }, "192.0.2.2", 80, false],
    [{ allow: ["192.0.2.0/24"] }, "192.0.2.200", null, true],
    [{ allow: ["192.0.2.0/24:443"] }, "192.0.2.200", 443, true],
    [{ allow: ["192.0.2.0/24:443"] }, "192.0.2.200", 80, false],
    [{ allow: ["192.0.2.0/24:443"] }, "192.0.2.200", null, false],
    [{ allow: ["192.0.2.0/24"] }, "2001:db8::1", 80, false],
    [{ allow: ["0.0.0.0/0"] }, "192.0.2.1", 80, true],
    [{ deny: ["192.0.2.1"] }, "192.0.2.1", 80, false],
    [{ deny: ["192.0.2.1"] }, "192.0.2.2", 80, true],
    [{ deny: ["0.0.0.0/0"] }, "192.0.2.2", 80, false],
    [{ allow: ["192.0.2.0/24"], deny: ["192.0.2.7"] }, "192.0.2.7", 80, false],
    [{ allow: ["192.0.2.0/24"], deny: ["192.0.2.7"] }, "192.0.2.8", 80, true],
    [{ allow: ["192.0.2.7"], deny: ["192.0.2.0/24"] }, "192.0.2.7", 80, false],
    [{ allow: ["[2001:db8::/32]:443"] }, "2001:db8::5", 443, true],
  ];
  for (const [request, to, port, expected] of table) {
    assert.is(reaches(request, to, port), expected, `${JSON.stringify(request)} ${to} ${port}`);
  }
});

test("metadata and link-local addresses are refused without being named", () => {
  for (const to of [
    "169.254.169.254",
    "169.254.0.1",
    "100.100.100.200",
    "100.96.0.96",
    "100.80.80.80",
    "fd00:ec2::254",
    "fe80::1",
  ]) {
    assert.not.ok(reaches({}, to), to);
    assert.not.ok(reaches({ allow: ["0.0.0.0/0", "::/0"] }, to), to);
  }
  assert.ok(reaches({}, "100.100.100.201"));
});

test("one word of the configuration refuses all private ranges, and permit opens a service in them", () => {
  const strict = serverPolicy({ deny: ["private"], permit: ["10.0.0.53:53"] });
  for (const to of ["10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.7.7", "100.64.0.1", "fd12::1"]) {
    assert.ok(reaches({}, to), to);
    assert.not.ok(reaches({}, to, 80, strict), to);
  }
  assert.ok(reaches({}, "172.32.0.1", 80, strict));
  assert.ok(reaches({}, "10.0.0.53", 53, strict));
  assert.not.ok(reaches({}, "10.0.0.53", 80, strict));
  assert.not.ok(reaches({ deny: ["10.0.0.53"] }, "10.0.0.53", 53, strict));
  assert.not.ok(reaches({ allow: ["192.0.2.1"] }, "10.0.0.53", 53, strict));
});

test("a job that asks to be allowed what the server refuses is told so", () => {
  assert.is(
    refusal({ allow: ["192.0.2.1", "169.254.169.254:80"] }),
    "allow[1]: 169.254.169.254:80 is in 169.254.0.0/16, which this server refuses to every job; " +
      "only the server's configuration opens it (network.permit)",
  );
  const open = serverPolicy({ deny: [], permit: ["169.254.169.254"] });
  assert.ok(reaches({ allow: ["169.254.169.254"] }, "169.254.169.254", 80, open));
});

test("duplicates and blocks within blocks are one entry", () => {
  const { allow, deny } = policy({
    allow: ["10.0.0.0/8", "10.1.0.0/16", "10.0.0.0/8", "10.0.0.0/8:80", "10.2.0.0/16:80"],
    deny: ["192.0.2.1", "192.0.2.0/24", "192.0.2.77/24"],
  });
  assert.equal(
    allow.map(({ cidr, port }) => `${formatCidr(cidr)} ${port}`),
    ["10.0.0.0/8 null", "10.0.0.0/8 80"],
  );
  assert.equal(deny.map(formatCidr), ["192.0.2.0/24"]);
});

test("published ports are read, and a host port has one job port", () => {
  assert.equal(policy({ publish: ["8080:80", "53:53/udp", "53:53", "8080:80/tcp"] }).publish, [
    { protocol: "tcp", host: 8080, job: 80 },
    { protocol: "udp", host: 53, job: 53 },
    { protocol: "tcp", host: 53, job: 53 },
  ]);
  assert.is(
    refusal({ publish: ["8080:80", "8080:81"] }),
    "publish[1]: host port 8080/tcp is published twice; give each its own host port",
  );
});

test("what cannot be read is refused by name", () => {
  for (const [request, start] of [
    [{ allow: ["nonsense"] }, 'allow[0]: "nonsense" is not CIDR or CIDR:PORT'],
    [{ allow: ["192.0.2.1:0"] }, 'allow[0]: "0" is not a port'],
    [{ allow: ["192.0.2.1:65536"] }, 'allow[0]: "65536" is not a port'],
    [{ allow: ["192.0.2.0/33"] }, "allow[0]:"],
    [{ allow: ["[192.0.2.1]:80"] }, "allow[0]:"],
    [{ allow: ["example.org"] }, "allow[0]:"],
    [{ allow: ["192.0.2.1; flush ruleset"] }, "allow[0]:"],
    [{ deny: ["192.0.2.1:80"] }, "deny[0]:"],
    [{ deny: [""] }, "deny[0]:"],
    [{ publish: ["80"] }, "publish[0]:"],
    [{ publish: ["80:80/sctp"] }, "publish[0]:"],
    [{ publish: ["0:80"] }, "publish[0]:"],
    [{ deny: Array<string>(257).fill("192.0.2.1") }, "deny: has 257 entries, at most 256"],
  ] as const) {
    assert.ok(refusal(request as Partial<PolicyRequest>).startsWith(start), refusal(request as Partial<PolicyRequest>));
  }
});
