// Another program's nftables rules that drop what jobs forward. A drop in any table is final, so podium's own accept cannot
// help: it can only be found and named, with the mend.
import { existsSync, readFileSync } from "node:fs";
import { bridgePrefix, tableName, usualBridge } from "./names.ts";
import { listRules, runProgram } from "./nft.ts";

export interface ForeignDrop {
  /** For example `ip filter FORWARD`. */
  readonly chain: string;
  /** One sentence. */
  readonly reason: string;
  /** Shell commands for the administrator. */
  readonly mend: string;
}

interface Chain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly hook?: string;
  readonly type?: string;
  readonly policy?: string;
}

interface Rule {
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  readonly expr?: readonly unknown[];
}

const families: readonly string[] = ["ip", "ip6", "inet"];

/** Foreign chains that drop forwarded packets of jobs, with `ruleset` as `nft -j list ruleset` gives it. Pure. */
export function foreignDrops(ruleset: readonly unknown[], tag: string, bridge = usualBridge): ForeignDrop[] {
  const chains = pick<Chain>(ruleset, "chain");
  const rules = pick<Rule>(ruleset, "rule");
  return chains
    .filter((chain) => chain.hook === "forward" && families.includes(chain.family) && chain.table !== tableName(tag))
    .filter((chain) => drops(chain, rulesOf(chain, rules)) && !letsJobsPass(chain, rules, tag, bridge))
    .map((chain) => describe(chain, chains, bridge));
}

function pick<T>(ruleset: readonly unknown[], kind: string): T[] {
  return ruleset.flatMap((entry) => {
    const found = (entry as Record<string, T | undefined>)[kind];
    return found === undefined ? [] : [found];
  });
}

function rulesOf(chain: Chain, rules: readonly Rule[]): Rule[] {
  const { family, table, name } = chain;
  return rules.filter((rule) => rule.family === family && rule.table === table && rule.chain === name);
}

/** By policy, or by a rule without a condition. */
function drops({ policy }: Chain, rules: readonly Rule[]): boolean {
  const endings = rules.filter(({ expr = [] }) => expr.every((part) => isVerdict(part) || isCounter(part)));
  const ending = endings.find(({ expr = [] }) => expr.some((part) => isVerdict(part)));
  if (ending === undefined) return policy === "drop";
  return ending.expr?.some((part) => "drop" in Object(part) || "reject" in Object(part)) ?? false;
}

function isVerdict(part: unknown): boolean {
  return ["drop", "reject", "accept"].some((word) => word in Object(part));
}

function isCounter(part: unknown): boolean {
  return "counter" in Object(part) || "comment" in Object(part);
}

/** A rule of the same table that accepts by the name of our bridges: the mend has been applied. */
function letsJobsPass({ family, table }: Chain, rules: readonly Rule[], tag: string, bridge: string): boolean {
  const own = rules.filter((rule) => rule.family === family && rule.table === table);
  const accepting = (key: string) =>
    own.some(({ expr = [] }) => {
      const text = JSON.stringify(expr);
      const names = [`"${bridge}-*"`, `"${bridgePrefix(tag, bridge)}`];
      const named = text.includes(`"${key}"`) && names.some((name) => text.includes(name));
      return named && expr.some((part) => "accept" in Object(part));
    });
  return accepting("iifname") && accepting("oifname");
}

function describe({ family, table, name, policy }: Chain, chains: readonly Chain[], bridge: string): ForeignDrop {
  const docker = chains.some(
    (chain) => chain.family === family && chain.table === table && chain.name === "DOCKER-USER",
  );
  const place = docker ? "DOCKER-USER" : name;
  const insert = (key: string) => `nft insert rule ${family} ${table} ${place} ${key} "${bridge}-*" accept`;
  const owner = docker ? " (Docker's)" : "";
  return {
    chain: `${family} ${table} ${name}`,
    reason: `chain ${name} of table ${family} ${table}${owner} drops forwarded packets${policy === "drop" ? " by its policy" : ""}, those of jobs too`,
    mend: `${insert("iifname")}; ${insert("oifname")}`,
  };
}

/** Asks this host. Rules of iptables-legacy, which nft does not show, are looked at too. */
export async function findForeignDrops(tag: string, bridge = usualBridge): Promise<ForeignDrop[]> {
  return [...foreignDrops(await listRules("ruleset"), tag, bridge), ...(await legacyDrops(bridge))];
}

async function legacyDrops(bridge: string): Promise<ForeignDrop[]> {
  const found: ForeignDrop[] = [];
  for (const [file, program] of [
    ["/proc/net/ip_tables_names", "iptables-legacy"],
    ["/proc/net/ip6_tables_names", "ip6tables-legacy"],
  ] as const) {
    if (!existsSync(file) || !readFileSync(file, "utf8").includes("filter")) continue;
    const text = await legacyForward(program);
    if (text !== null) found.push(...legacyDrop(program, text, bridge));
  }
  return found;
}

async function legacyForward(program: string): Promise<string | null> {
  try {
    const { code, stdout } = await runProgram(program, ["-S", "FORWARD"], "", "apt-get install iptables");
    return code === 0 ? stdout : null;
  } catch {
    return null; // its rules are there and the program is not: nobody can say
  }
}

/** `text` as `iptables -S FORWARD` prints it. Pure. */
export function legacyDrop(program: string, text: string, bridge = usualBridge): ForeignDrop[] {
  const lines = text.split("\n");
  const passes = ["-i", "-o"].every((way) =>
    lines.some((line) => new RegExp(`${way} ${bridge}-\\S* .*-j ACCEPT`).test(line)),
  );
  const closes = lines.some((line) => line === "-P FORWARD DROP" || /^-A FORWARD -j (DROP|REJECT)/.test(line));
  if (!closes || passes) return [];
  const insert = (way: string) => `${program} -I FORWARD ${way} ${bridge}-+ -j ACCEPT`;
  const reason = `chain FORWARD of ${program} drops forwarded packets, those of jobs too`;
  return [{ chain: `${program} FORWARD`, reason, mend: `${insert("-i")}; ${insert("-o")}` }];
}
