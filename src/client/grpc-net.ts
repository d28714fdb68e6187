// What grpc-js uses of node:net. It asks of each address whether that is IPv6, and of IPv4 addresses alone podium must not
// pay for the answer: Node finds out with a regular expression that takes 5 ms to compile.
import { connect, isIPv4, isIPv6 as isIPv6ByPattern } from "node:net";

function isIPv6(text: string): boolean {
  return text.includes(":") && isIPv6ByPattern(text);
}

function isIP(text: string): 0 | 4 | 6 {
  if (isIPv4(text)) return 4;
  return isIPv6(text) ? 6 : 0;
}

export { connect, isIP, isIPv4, isIPv6 };
