import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";

/** Settings of the current network namespace (ip-sysctl.rst); `name` is a path below /proc/sys/net. */
export function readSetting(name: string): string | null {
  const file = `/proc/sys/net/${name}`;
  return existsSync(file) ? readFileSync(file, "utf8").trim() : null;
}

/** Writes a setting where the kernel has it and it is not so already. */
export function writeSetting(name: string, value: string): void {
  const now = readSetting(name);
  if (now !== null && now !== value) writeFileSync(`/proc/sys/net/${name}`, value);
}

export function hasIpv6(): boolean {
  return readSetting("ipv6/conf/all/disable_ipv6") === "0";
}

/**
 * Makes the host forward. Turning IPv6 forwarding on makes links ignore router advertisements, from which the host may
 * have its own address and route; accept_ra 2 says that they are wanted all the same. Never turned off again: who else
 * relies on it by then cannot be known.
 */
export function enableForwarding(): void {
  writeSetting("ipv4/ip_forward", "1");
  if (readSetting("ipv6/conf/all/forwarding") !== "0") return;
  for (const link of readdirSync("/proc/sys/net/ipv6/conf")) {
    if (readSetting(`ipv6/conf/${link}/accept_ra`) === "1") writeSetting(`ipv6/conf/${link}/accept_ra`, "2");
  }
  writeSetting("ipv6/conf/all/forwarding", "1");
}
