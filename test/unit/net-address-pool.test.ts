import * as assert from "uvu/assert";
import { AddressPlan, defaultPrefix6, SlotPool } from "../../net/address-pool.ts";
import { type Cidr, contains, parseCidr } from "../../net/addresses.ts";
import { NetworkError } from "../../net/errors.ts";
import { bridgeName, namespaceName, networkTag, portName, slotOf } from "../../net/names.ts";
import { chooseSubnets } from "../../net/subnet.ts";
import { suite } from "../support/suite.ts";

const test = suite("network addresses");
const tag = "1a2b3c4d";

function refusal(attempt: () => unknown): NetworkError {
  try {
    attempt();
  } catch (error) {
    if (error instanceof NetworkError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

function cidr(text: string): Cidr {
  return parseCidr(text) as Cidr;
}

test("every slot of a /20 has addresses, MAC and names of its own, within its bridge's subnet", () => {
  const plan = new AddressPlan({ subnet: "10.9.0.0/20", prefix6: defaultPrefix6(tag) });
  assert.is(plan.capacity, 4000);
  const slots = Array.from({ length: plan.capacity }, (_, slot) => plan.slot(slot));
  for (const key of ["address", "address6", "mac"] as const) {
    assert.is(new Set(slots.map((slot) => slot[key])).size, plan.capacity, key);
  }
  for (const { slot, address, gateway, bridge } of slots) {
    assert.ok(contains({ ...cidr(`${gateway}/22`), length: 22 }, cidr(address)), address);
    assert.is.not(address, gateway);
    assert.ok(bridgeName(tag, bridge).length <= 15 && portName(tag, slot).length <= 15);
    assert.is(slotOf(portName(tag, slot), tag), slot);
    assert.is(slotOf(namespaceName(tag, slot), tag), slot);
  }
});

test("neither network nor broadcast address of a bridge is given to a job", () => {
  for (const [subnet, capacity, first, last] of [
    ["10.9.0.0/30", 1, "10.9.0.2", "10.9.0.2"],
    ["10.9.0.0/29", 5, "10.9.0.2", "10.9.0.6"],
    ["10.9.0.0/24", 253, "10.9.0.2", "10.9.0.254"],
  ] as const) {
    const plan = new AddressPlan({ subnet, prefix6: null });
    assert.is(plan.capacity, capacity);
    assert.is(plan.slot(0).address, first);
    assert.is(plan.slot(capacity - 1).address, last);
    assert.is(plan.slot(0).address6, null);
  }
});

test("names of other tags and of strangers are nobody's slot", () => {
  for (const name of [
    "pv1a2b3c4e7",
    "pv1a2b3c4d",
    "pv1a2b3c4d07",
    "pv1a2b3c4dx",
    "podium-1a2b3c4d-",
    "eth0",
    "outside",
  ]) {
    assert.is(slotOf(name, tag), null, name);
  }
});

test("an id that is no tag gets one, always the same", () => {
  assert.is(networkTag(tag), tag);
  assert.match(networkTag("0011223344ff"), /^[0-9a-f]{8}$/);
  assert.is(networkTag("0011223344ff"), networkTag("0011223344ff"));
  assert.is.not(networkTag("0011223344ff"), networkTag("0011223344fe"));
});

test("a slot is given again as late as possible, and a second bridge is begun when the first is full", () => {
  const plan = new AddressPlan({ subnet: "10.9.0.0/20", prefix6: null });
  const pool = new SlotPool(plan, []);
  const first = pool.claim();
  pool.release(first);
  const next = Array.from({ length: 999 }, () => pool.claim());
  assert.not.ok(next.includes(first), "the freed slot is the last to come back");
  assert.is(pool.claim(), first);
  assert.ok(next.every((slot) => plan.bridgeOf(slot) === 0));
  assert.is(plan.bridgeOf(pool.claim()), 1);
});

test("a full pool says so, and takes back what is released", () => {
  const pool = new SlotPool(new AddressPlan({ subnet: "10.9.0.0/29", prefix6: null }), [3]);
  const slots = Array.from({ length: 4 }, () => pool.claim());
  assert.equal([...slots].sort(), [0, 1, 2, 4]);
  const error = refusal(() => pool.claim());
  assert.is(error.code, "exhausted");
  assert.is(error.message, "all 5 job networks of this server are in use (subnet 10.9.0.0/29)");
  pool.release(2);
  assert.is(pool.claim(), 2);
});

test("a bound below the capacity holds", () => {
  const pool = new SlotPool(new AddressPlan({ subnet: "10.9.0.0/20", prefix6: null }), [], 2);
  pool.claim();
  pool.claim();
  assert.is(refusal(() => pool.claim()).code, "exhausted");
});

test("a free subnet avoids every route and address of the host, broader and narrower ones", () => {
  const occupied = ["10.0.0.0/8", "172.16.0.0/13", "172.24.0.0/14", "172.28.0.0/15", "172.31.0.7/32"];
  const { subnet } = chooseSubnets(
    { subnet: null, prefix6: null, most: 0 },
    tag,
    occupied.map((text) => ({ cidr: cidr(text), what: "a route" })),
  );
  assert.ok(contains(cidr("172.30.0.0/15"), cidr(subnet)), subnet);
  assert.not.ok(contains(cidr(subnet), cidr("172.31.0.7")), subnet);
});

test("a chosen block is as large as the number of jobs asks", () => {
  for (const [most, length] of [
    [0, 20],
    [1, 29],
    [5, 28],
    [250, 23],
    [1000, 21],
    [4000, 20],
  ] as const) {
    const subnets = chooseSubnets({ subnet: null, prefix6: null, most }, tag, []);
    assert.is(subnets.subnet.split("/")[1], String(length), `${most} jobs`);
    assert.ok(new AddressPlan(subnets).capacity >= most);
  }
});

test("a subnet of the configuration that collides is refused with what is in the way and the mend", () => {
  const occupied = [{ cidr: cidr("10.0.0.0/8"), what: "a route through wg0" }];
  const error = refusal(() => chooseSubnets({ subnet: "10.1.0.0/20", prefix6: "none", most: 0 }, tag, occupied));
  assert.is(error.code, "unavailable");
  assert.is(
    error.message,
    "the network of the jobs, 10.1.0.0/20, collides with 10.0.0.0/8, a route through wg0 of this host",
  );
  assert.is(error.mend, "name a free block with network.subnet in the configuration");
});

test("a host whose routes cover everything is refused with the mend", () => {
  const all = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "198.18.0.0/15"];
  const occupied = all.map((text) => ({ cidr: cidr(text), what: "a route" }));
  assert.is(refusal(() => chooseSubnets({ subnet: null, prefix6: null, most: 0 }, tag, occupied)).code, "unavailable");
});

test("blocks that cannot carry jobs are refused", () => {
  for (const [subnet, prefix6] of [
    ["10.0.0.0/31", null],
    ["10.0.0.0", null],
    ["fd00::/48", null],
    ["10.0.0.0/20", "2001:db8::/48"],
    ["10.0.0.0/20", "fd00::/65"],
    ["x", null],
  ] as const) {
    assert.is(refusal(() => new AddressPlan({ subnet, prefix6 })).code, "invalid", `${subnet} ${prefix6}`);
  }
});
