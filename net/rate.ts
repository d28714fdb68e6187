// Bytes per second of one job, in both directions: a token bucket on the port (what the job gets) and one on eth0 (what it
// sends). The job has no power over its namespace, so it cannot take the second one off.
import { closeSync, openSync } from "node:fs";
import { attribute, u32, u64 } from "./attributes.ts";
import { invalid } from "./errors.ts";
import { namespaceName, portName } from "./names.ts";
import { inNamespace, namespaceFile } from "./namespaces.ts";
import { RouteSocket } from "./netlink.ts";

/** pkt_sched.h */
const TCA_TBF_PARMS = 1;
const TCA_TBF_RATE64 = 4;
const TCA_TBF_BURST = 6;
const TC_LINKLAYER_ETHERNET = 1;
const ratespecBytes = 12;
const parametersBytes = 2 * ratespecBytes + 3 * 4;

/** Less than a packet in 10 s would be no network; the upper bound is where 2^53 bits lie. */
const rateBounds = { least: 1024, most: 1_000_000_000_000 } as const;

/** Throws NetworkError (invalid). 0 = no limit. */
export function checkRate(bytesPerSecond: number): void {
  if (bytesPerSecond === 0) return;
  const { least, most } = rateBounds;
  if (Number.isSafeInteger(bytesPerSecond) && bytesPerSecond >= least && bytesPerSecond <= most) return;
  throw invalid(
    "rate",
    `${bytesPerSecond} is not a rate from ${least} to ${most} bytes per second`,
    "write it like 10M",
  );
}

export interface Bucket {
  readonly bytesPerSecond: number;
  /** What may pass at once: 20 ms of the rate, and at least two full packets, which is also what a timer tick needs. */
  readonly burstBytes: number;
  /** What may wait before it is dropped: 100 ms of the rate on top of the burst. */
  readonly queueBytes: number;
}

export function bucketFor(bytesPerSecond: number, mtu: number): Bucket {
  const packet = mtu + 18;
  const burstBytes = Math.max(2 * packet, Math.min(Math.round(bytesPerSecond / 50), 16 << 20));
  const queueBytes = burstBytes + Math.max(8 * packet, Math.min(Math.round(bytesPerSecond / 10), 64 << 20));
  return { bytesPerSecond, burstBytes, queueBytes };
}

/** The attributes of `tbf` (sch_tbf.c); the kernel computes with BURST and needs no rate table then. */
export function tokenBucket({ bytesPerSecond, burstBytes, queueBytes }: Bucket): Buffer {
  const parameters = Buffer.alloc(parametersBytes);
  parameters.writeUInt8(TC_LINKLAYER_ETHERNET, 1);
  parameters.writeUInt32LE(Math.min(bytesPerSecond, 0xffffffff), 8);
  parameters.writeUInt32LE(queueBytes, 2 * ratespecBytes);
  const rate64 = bytesPerSecond > 0xffffffff ? [u64(TCA_TBF_RATE64, BigInt(bytesPerSecond))] : [];
  return Buffer.concat([attribute(TCA_TBF_PARMS, parameters), u32(TCA_TBF_BURST, burstBytes), ...rate64]);
}

/** Limits both directions of a job that has not started yet. */
export async function limitRate(host: RouteSocket, tag: string, slot: number, bytesPerSecond: number): Promise<void> {
  const port = await host.findLink(portName(tag, slot));
  if (port === null) throw new Error(`the link ${portName(tag, slot)} is gone`);
  const options = tokenBucket(bucketFor(bytesPerSecond, port.mtu));
  await host.replaceRootQdisc(port.index, "tbf", options);
  const inside = socketIn(namespaceName(tag, slot));
  try {
    const eth0 = await inside.findLink("eth0");
    if (eth0 === null) throw new Error("the job's eth0 is gone");
    await inside.replaceRootQdisc(eth0.index, "tbf", options);
  } finally {
    inside.close();
  }
}

function socketIn(namespace: string): RouteSocket {
  const fd = openSync(namespaceFile(namespace), "r");
  try {
    return inNamespace(fd, () => new RouteSocket());
  } finally {
    closeSync(fd);
  }
}
