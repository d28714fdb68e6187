import { setTimeout as sleep } from "node:timers/promises";

/**
 * Seconds after which the kernel has forgotten a namespace in which somebody had a TCP connection: one that is closed there
 * first may keep the namespace for tcp_fin_timeout (60 s), with its links.
 */
export const namespaceEndSeconds = 120;

/**
 * Waits until it holds; throws with `what` after the given time. The time is no promise of the product: it is what a machine
 * that others keep busy may need, and only who waits in vain waits so long.
 */
export async function until(what: string, holds: () => boolean | Promise<boolean>, seconds = 45): Promise<void> {
  const deadline = performance.now() + seconds * 1000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not within ${seconds} s: ${what}`);
    await sleep(20);
  }
}
