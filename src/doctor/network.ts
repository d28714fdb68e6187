// What networks of jobs need, and who else drops what jobs send.
import { NetworkError } from "../../net/errors.ts";
import { findForeignDrops } from "../../net/foreign-firewall.ts";
import { networkTag } from "../../net/names.ts";
import { type MissingPart, missingParts } from "../../net/requirements.ts";
import { type Check, lacking, met, wanting } from "../../sandbox/requirements/check.ts";

const parts: Readonly<Record<MissingPart["part"], string>> = {
  namespace: "a namespace and a netlink socket in it",
  bridge: "a bridge, by netlink",
  veth: "a veth pair, by netlink",
  rate: "a rate on a link (--net-rate)",
  nft: "filters of nftables, by the program nft",
  "nft-bridge": "filters of bridges",
  "nft-nat": "address translation",
  conntrack: "connections that can be forgotten",
  ipv6: "IPv6",
};
const names = Object.keys(parts) as MissingPart["part"][];

export async function networkChecks(): Promise<Check[]> {
  const missing = await missingParts();
  return names.filter((part) => wasTried(part, missing)).map((part) => checkOf(part, missing));
}

/** Without a namespace nothing was tried, and without nft none of its rules. */
function wasTried(part: MissingPart["part"], missing: readonly MissingPart[]): boolean {
  const lacks = (name: MissingPart["part"]) => missing.some((found) => found.part === name);
  if (lacks(part) || part === "ipv6") return true;
  return !lacks("namespace") && !(part.startsWith("nft-") && lacks("nft"));
}

function checkOf(part: MissingPart["part"], missing: readonly MissingPart[]): Check {
  const name = `net ${part}`;
  const found = missing.find((candidate) => candidate.part === part);
  if (found === undefined) return met(name, parts[part]);
  if (!found.fatal) return wanting(name, found.reason, found.mend);
  return lacking(name, found.reason, `${found.mend}; without it jobs start with --net none only`);
}

/** Nothing to say when nft cannot be asked: its own line has said so. */
export async function firewallChecks(dataId: string): Promise<Check[]> {
  try {
    const drops = await findForeignDrops(networkTag(dataId));
    if (drops.length === 0) return [met("firewall", "no other program's rules drop what jobs forward")];
    return drops.map(({ reason, mend }) =>
      lacking("firewall", reason, `${mend}; until then jobs start with --net none only`),
    );
  } catch (error) {
    if (error instanceof NetworkError) return [];
    throw error;
  }
}
