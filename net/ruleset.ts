// From checked policies to nftables text (nft(8)). Pure; nothing that a user typed is in it but numbers and addresses that
// were parsed and printed again. Jobs are keys of sets and maps, so the number of rules never changes.

import type { AddressPlan, SlotAddresses } from "./address-pool.ts";
import { type Family, formatCidr } from "./addresses.ts";
import { bridgePrefix, portName, portPrefix, tableName } from "./names.ts";
import { type JobPolicy, ofFamily, type ServerPolicy, type Target } from "./policy.ts";

const families: readonly Family[] = [4, 6];
const typeOf = { 4: "ipv4_addr", 6: "ipv6_addr" } as const;

/** Elements of one set or map: `table` is the family and name as nft wants them. */
interface Elements {
  readonly table: string;
  readonly set: string;
  readonly items: readonly string[];
}

export interface RulesetInput {
  readonly tag: string;
  readonly plan: AddressPlan;
  readonly server: ServerPolicy;
  /** How many bridges there are. */
  readonly bridges: number;
  readonly jobs: ReadonlyMap<number, JobPolicy>;
}

/** Both tables, whole, in place of whatever tables of that name there are: one transaction. */
export function ruleset(input: RulesetInput): string {
  const { tag } = input;
  const elements = [
    ...Array.from({ length: input.bridges }, (_, bridge) => bridgeElements(input, bridge)).flat(),
    ...serverElements(input),
    ...[...input.jobs].flatMap(([slot, policy]) => jobElements(input, slot, policy)),
  ];
  return `${removal(tag)}${bridgeTable(tag)}${inetTable(input)}${change("add", elements)}`;
}

/** Removes both tables whether they are there or not. */
export function removal(tag: string): string {
  const tables = [`bridge ${tableName(tag)}`, `inet ${tableName(tag)}`];
  return tables.map((table) => `add table ${table}\ndelete table ${table}\n`).join("");
}

export function bridgeAddition(input: RulesetInput, bridge: number): string {
  return change("add", bridgeElements(input, bridge));
}

export function jobAddition(input: RulesetInput, slot: number, policy: JobPolicy): string {
  return change("add", jobElements(input, slot, policy));
}

export function jobRemoval(input: RulesetInput, slot: number, policy: JobPolicy): string {
  return change("delete", jobElements(input, slot, policy));
}

function change(verb: "add" | "delete", elements: readonly Elements[]): string {
  return elements
    .filter(({ items }) => items.length > 0)
    .map(({ table, set, items }) => `${verb} element ${table} ${set} { ${items.join(", ")} }\n`)
    .join("");
}

/**
 * Layer 2. A frame from a job passes only to the gateway, from the port, MAC and address of its slot. ARP and neighbour
 * discovery pass in neither direction: both sides have permanent entries, so there is nothing to spoof.
 */
function bridgeTable(tag: string): string {
  return `table bridge ${tableName(tag)} {
  set gateways {
    type ether_addr
  }
  set own4 {
    type ifname . ether_addr . ipv4_addr
  }
  set own6 {
    type ifname . ether_addr . ipv6_addr
  }
  chain prerouting {
    type filter hook prerouting priority -300; policy accept;
    iifname != "${portPrefix(tag)}*" accept
    ether daddr != @gateways drop
    ether type ip iifname . ether saddr . ip saddr @own4 accept
    ether type ip6 iifname . ether saddr . ip6 saddr @own6 accept
    drop
  }
}
`;
}

/** The slots of a bridge are fixed arithmetic, so their entries are written once, with the bridge. */
function bridgeElements({ tag, plan }: RulesetInput, bridge: number): Elements[] {
  const table = `bridge ${tableName(tag)}`;
  const { firstSlot, slots, mac, gateway, gateway6 } = plan.bridge(bridge);
  const all = Array.from({ length: slots }, (_, i) => plan.slot(firstSlot + i));
  const own = (slot: SlotAddresses, address: string) => `"${portName(tag, slot.slot)}" . ${slot.mac} . ${address}`;
  const inet = `inet ${tableName(tag)}`;
  return [
    { table, set: "gateways", items: [mac] },
    { table, set: "own4", items: all.map((slot) => own(slot, slot.address)) },
    { table, set: "own6", items: all.flatMap((slot) => (slot.address6 === null ? [] : [own(slot, slot.address6)])) },
    { table: inet, set: "gateways4", items: [gateway] },
    { table: inet, set: "gateways6", items: gateway6 === null ? [] : [gateway6] },
  ];
}

/**
 * Layer 3. What is refused is answered, so that programs fail at once: TCP by a reset, because the kernel sends one
 * unreachable message a second to one address and none beside a redirect (icmp(7), icmp_ratelimit).
 */
function inetTable({ tag, plan }: RulesetInput): string {
  const bridges = `"${bridgePrefix(tag, plan.subnets.bridge)}*"`;
  const sources = [`ip saddr ${plan.subnets.subnet}`, ...(plan.prefix6 ? [`ip6 saddr ${plan.subnets.prefix6}`] : [])];
  return `table inet ${tableName(tag)} {
${families.map(sets).join("")}  chain forward {
    type filter hook forward priority filter; policy accept;
    iifname ${bridges} goto from_job
    oifname ${bridges} goto to_job
  }
  chain input {
    type filter hook input priority filter; policy accept;
    iifname ${bridges} goto to_host
  }
  chain from_job {
    oifname ${bridges} goto refuse
    ct state established,related accept
    ct state invalid drop
    jump check
    accept
  }
  chain to_job {
    ct state established,related accept
    ct status dnat accept
    drop
  }
  chain to_host {
    ct state established,related accept
    ip daddr @gateways4 icmp type echo-request accept
    ip6 daddr @gateways6 icmpv6 type echo-request accept
    meta pkttype { broadcast, multicast } drop
    jump opened
    goto refuse
  }
  chain opened {
${families.map((family) => openedRules(family, "goto opened_check")).join("")}  }
  chain opened_check {
${families.map(denyRule).join("")}${families.map(limitRule).join("")}    accept
  }
  chain check {
${families.map(denyRule).join("")}${families.map((family) => openedRules(family, "goto limits")).join("")}${families.map(refuseRule).join("")}    goto limits
  }
  chain limits {
${families.map(limitRule).join("")}  }
${families.map(listChain).join("")}  chain refuse {
    meta l4proto tcp reject with tcp reset
    reject with icmpx admin-prohibited
  }
  chain dnat_outside {
    type nat hook prerouting priority dstnat; policy accept;
    iifname != ${bridges} fib daddr type local jump publish
  }
  chain dnat_host {
    type nat hook output priority -100; policy accept;
    ip daddr 127.0.0.0/8 return
    ip6 daddr ::1 return
    fib daddr type local jump publish
  }
  chain publish {
    meta nfproto ipv4 dnat ip to meta l4proto . th dport map @publish4
    meta nfproto ipv6 dnat ip6 to meta l4proto . th dport map @publish6
  }
  chain outwards {
    type nat hook postrouting priority srcnat; policy accept;
${sources.map((source) => `    ${source} oifname != ${bridges} masquerade\n`).join("")}  }
}
`;
}

function sets(family: Family): string {
  const address = typeOf[family];
  const shapes: readonly (readonly [string, string, boolean])[] = [
    ["gateways", address, false],
    ["refused", address, true],
    ["permitted", address, true],
    ["permitted_ports", `${address} . inet_service`, true],
    ["limited", address, false],
    ["denied", `${address} . ${address}`, true],
    ["allowed", `${address} . ${address}`, true],
    ["allowed_ports", `${address} . ${address} . inet_service`, true],
  ];
  const lines = shapes.map(
    ([name, type, interval]) =>
      `  set ${setName(name, family)} {\n    type ${type}\n${interval ? "    flags interval\n" : ""}  }\n`,
  );
  const map = `  map publish${family} {\n    type inet_proto . inet_service : ${address} . inet_service\n  }\n`;
  return `${lines.join("")}${map}`;
}

/** `allowed_ports` becomes `allowed4_ports`. */
function setName(name: string, family: Family): string {
  return name.replace(/_|$/, (cut) => `${family}${cut}`);
}

function ip(family: Family): string {
  return family === 4 ? "ip" : "ip6";
}

function openedRules(family: Family, verdict: string): string {
  const proto = ip(family);
  return `    ${proto} daddr @${setName("permitted", family)} ${verdict}
    meta l4proto { tcp, udp } ${proto} daddr . th dport @${setName("permitted_ports", family)} ${verdict}
`;
}

function denyRule(family: Family): string {
  const proto = ip(family);
  return `    ${proto} saddr . ${proto} daddr @${setName("denied", family)} goto refuse\n`;
}

function refuseRule(family: Family): string {
  return `    ${ip(family)} daddr @${setName("refused", family)} goto refuse\n`;
}

function limitRule(family: Family): string {
  return `    ${ip(family)} saddr @${setName("limited", family)} goto list${family}\n`;
}

function listChain(family: Family): string {
  const proto = ip(family);
  return `  chain list${family} {
    ${proto} saddr . ${proto} daddr @${setName("allowed", family)} accept
    meta l4proto { tcp, udp } ${proto} saddr . ${proto} daddr . th dport @${setName("allowed_ports", family)} accept
    goto refuse
  }
`;
}

function serverElements({ tag, server }: RulesetInput): Elements[] {
  return families.flatMap((family) => [
    elements(tag, "refused", family, ofFamily(server.refused, family).map(formatCidr)),
    ...targetElements(tag, "permitted", family, "", server.permitted),
  ]);
}

/** A job with an allow list is limited in both families: what its list does not name, it does not reach. */
function jobElements(input: RulesetInput, slot: number, policy: JobPolicy): Elements[] {
  const { tag, plan } = input;
  const { address, address6 } = plan.slot(slot);
  return families.flatMap((family) => {
    const job = family === 4 ? address : address6;
    if (job === null) return [];
    const denied = ofFamily(policy.deny, family).map((cidr) => `${job} . ${formatCidr(cidr)}`);
    return [
      elements(tag, "limited", family, policy.allow.length > 0 ? [job] : []),
      elements(tag, "denied", family, denied),
      ...targetElements(tag, "allowed", family, `${job} . `, policy.allow),
      publishElements(tag, family, job, policy),
    ];
  });
}

function publishElements(tag: string, family: Family, job: string, { publish }: JobPolicy): Elements {
  const items = publish.map((port) => `${port.protocol} . ${port.host} : ${job} . ${port.job}`);
  return { table: `inet ${tableName(tag)}`, set: `publish${family}`, items };
}

/** Entries without a port go to the set `name`, those with one to `name_ports`. */
function targetElements(
  tag: string,
  name: string,
  family: Family,
  key: string,
  targets: readonly Target[],
): Elements[] {
  const own = targets.filter(({ cidr }) => cidr.family === family);
  const text = ({ cidr, port }: Target) => `${key}${formatCidr(cidr)}${port === null ? "" : ` . ${port}`}`;
  return [
    elements(tag, name, family, own.filter(({ port }) => port === null).map(text)),
    elements(tag, `${name}_ports`, family, own.filter(({ port }) => port !== null).map(text)),
  ];
}

function elements(tag: string, name: string, family: Family, items: readonly string[]): Elements {
  return { table: `inet ${tableName(tag)}`, set: setName(name, family), items };
}
