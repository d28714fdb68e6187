// Connections that the kernel tracks (nf_conntrack). What a job had open is known for days after its end, and the rules let
// known connections pass: whoever gets the job's address next must not find them. Asked over ctnetlink (nfnetlink_conntrack.h).
import { setTimeout as sleep } from "node:timers/promises";
import { createNetlink } from "netlink";
import { addressFromBytes, formatAddress } from "./addresses.ts";
import { attribute } from "./attributes.ts";

const NETLINK_NETFILTER = 12;
const NLM_F_DUMP = 0x300;
const CT_GET = (1 << 8) | 1;
const CT_DELETE = (1 << 8) | 2;
const CTA_TUPLE_ORIG = 1;
const CTA_TUPLE_REPLY = 2;
const CTA_TUPLE_IP = 1;
const sourceAttributes: readonly number[] = [1, 3]; // CTA_IP_V4_SRC, CTA_IP_V6_SRC
const nfgenmsgBytes = 4;
const timeoutMs = 10_000;
/** One look at the table serves all jobs that have ended since the last. */
const pauseMs = 300;

interface Attribute {
  readonly type: number;
  readonly payload: Buffer;
}

/** The attributes in a netlink message or nested attribute; null flags cleared. Stops at what is cut off. */
function attributesIn(bytes: Buffer): Attribute[] {
  const found: Attribute[] = [];
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    if (length < 4 || at + length > bytes.length) break;
    found.push({ type: bytes.readUInt16LE(at + 2) & 0x3fff, payload: bytes.subarray(at + 4, at + length) });
    at += (length + 3) & ~3;
  }
  return found;
}

function inside(attributes: readonly Attribute[], type: number): Buffer {
  return attributes.find((each) => each.type === type)?.payload ?? Buffer.alloc(0);
}

function sourceOf(tuple: Buffer): string {
  const ip = attributesIn(inside(attributesIn(tuple), CTA_TUPLE_IP));
  const source = ip.find(({ type }) => sourceAttributes.includes(type));
  return source === undefined ? "" : formatAddress(addressFromBytes(source.payload));
}

/** Of one entry: who opened it, who answers, and the request that deletes it. */
function entryOf(message: Buffer): { opener: string; answerer: string; deletion: Buffer } {
  const attributes = attributesIn(message.subarray(nfgenmsgBytes));
  const original = inside(attributes, CTA_TUPLE_ORIG);
  const deletion = Buffer.concat([
    Buffer.from([message.readUInt8(0), 0, 0, 0]),
    attribute(CTA_TUPLE_ORIG | 0x8000, original),
  ]);
  return { opener: sourceOf(original), answerer: sourceOf(inside(attributes, CTA_TUPLE_REPLY)), deletion };
}

export class Connections {
  readonly #socket = createNetlink(NETLINK_NETFILTER, { recvBufferSize: 0, sendBufferSize: 0 } as never);
  #ended = new Set<string>();
  #next: Promise<void> | null = null;

  close(): void {
    this.#socket.close();
  }

  /** Deletes what is known of all these addresses. Throws when the kernel cannot be asked. */
  async forgetAll(ended: (address: string) => boolean): Promise<void> {
    const [messages] = await this.#request(CT_GET, Buffer.alloc(nfgenmsgBytes), NLM_F_DUMP);
    for (const { data } of messages) {
      const { opener, answerer, deletion } = entryOf(Buffer.from(data));
      if (!ended(opener) && !ended(answerer)) continue;
      await this.#request(CT_DELETE, deletion).catch((error: Error) => {
        if (!error.message.includes("ENOENT")) throw error; // over by itself meanwhile
      });
    }
  }

  /** Resolves when the kernel knows no connection of these addresses any more. */
  forget(addresses: readonly (string | null)[]): Promise<void> {
    for (const address of addresses) if (address !== null) this.#ended.add(address);
    this.#next ??= sleep(pauseMs, undefined, { ref: false }).then(() => {
      const ended = this.#ended;
      this.#ended = new Set();
      this.#next = null;
      return this.forgetAll((address) => ended.has(address));
    });
    return this.#next;
  }

  #request(type: number, data: Buffer, flags = 0) {
    return this.#socket.request(type, data, { flags, timeout: timeoutMs });
  }
}
