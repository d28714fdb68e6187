// What of one DATA's networks is on the host, by the names that carry its tag.
import { readdirSync } from "node:fs";
import { NetworkError } from "../../net/errors.ts";
import { isBridge, portPrefix, tableName } from "../../net/names.ts";
import { namespaceNames } from "../../net/namespaces.ts";
import { listRules } from "../../net/nft.ts";

export async function hostObjects(tag: string): Promise<string[]> {
  const links = readdirSync("/sys/class/net").filter((name) => isOwnLink(name, tag));
  const namespaces = namespaceNames().filter((name) => name.startsWith(`podium-${tag}-`));
  const tables = await ownTables(tag);
  return [
    ...links.map((name) => `link ${name}`),
    ...namespaces.map((name) => `network namespace ${name}`),
    ...tables.map((name) => `nftables table ${name}`),
  ];
}

function isOwnLink(name: string, tag: string): boolean {
  return name.startsWith(portPrefix(tag)) || isBridge(name, tag);
}

/** None when there is no nft: then there are none of podium's. */
async function ownTables(tag: string): Promise<string[]> {
  try {
    const tables = (await listRules("tables")) as { table?: { family: string; name: string } }[];
    return tables.flatMap(({ table }) => (table?.name === tableName(tag) ? [`${table.family} ${table.name}`] : []));
  } catch (error) {
    if (error instanceof NetworkError) return [];
    throw error;
  }
}
