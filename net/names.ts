// Names of everything podium makes on a host for one DATA: each carries the DATA's tag, and a clean-up touches only those.
import { createHash } from "node:crypto";
import { NetworkError } from "./errors.ts";

/** IFNAMSIZ is 16 with the final NUL: a link's name has at most 15 bytes, so 8 are the tag's. */
const tagShape = /^[0-9a-f]{8}$/;

/** The tag of an id of any length; an id that is a tag stays as it is. */
export function networkTag(id: string): string {
  return tagShape.test(id) ? id : createHash("sha256").update(id).digest("hex").slice(0, 8);
}

export function checkTag(tag: string): void {
  if (!tagShape.test(tag)) throw new NetworkError("invalid", `${JSON.stringify(tag)} is not a tag of 8 hex digits`);
}

/** How the names of bridges begin unless the configuration says otherwise; three characters are all there is room for. */
export const usualBridge = "pod";

/** All bridges of a tag begin so; with `*` it is a wildcard of nftables. */
export function bridgePrefix(tag: string, start = usualBridge): string {
  return `${start}-${tag}`;
}

export function bridgeName(tag: string, bridge: number, start = usualBridge): string {
  return bridge === 0 ? bridgePrefix(tag, start) : `${bridgePrefix(tag, start)}-${bridge}`;
}

/** Whether a link is a bridge of this tag, however its name begins. */
export function isBridge(name: string, tag: string): boolean {
  const [start = "", of, number, ...rest] = name.split("-");
  return start.length <= 3 && of === tag && (number === undefined || /^\d+$/.test(number)) && rest.length === 0;
}

/** All host ends of veth pairs of a tag begin so. */
export function portPrefix(tag: string): string {
  return `pv${tag}`;
}

export function portName(tag: string, slot: number): string {
  return `${portPrefix(tag)}${slot}`;
}

export function namespaceName(tag: string, slot: number): string {
  return `podium-${tag}-${slot}`;
}

export function tableName(tag: string): string {
  return `podium_${tag}`;
}

/** The slot in a name made by `portName` or `namespaceName`; null: the name is not one of this tag's. */
export function slotOf(name: string, tag: string): number | null {
  for (const prefix of [portPrefix(tag), `podium-${tag}-`]) {
    const rest = name.slice(prefix.length);
    if (name.startsWith(prefix) && /^(0|[1-9]\d{0,4})$/.test(rest)) return Number(rest);
  }
  return null;
}
