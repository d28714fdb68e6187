// The network agent's own side; see protocol.ts.
import { NetworkError } from "../errors.ts";
import { findForeignDrops } from "../foreign-firewall.ts";
import type { NetworkSettings } from "../job-network.ts";
import { Networks } from "../networks.ts";
import { explained } from "../requirements.ts";
import { type AnswerMessage, type CallMessage, failureOf } from "./protocol.ts";

let networks: Networks | null = null;
let settings: NetworkSettings | null = null;

function open(): Networks {
  if (networks === null) throw new NetworkError("failed", "the network agent was asked before it was opened");
  return networks;
}

async function obey(message: CallMessage): Promise<unknown> {
  switch (message.call) {
    case "open":
      settings = message.settings;
      networks = await Networks.open(message.settings, message.kept);
      return networks.subnets;
    case "make":
      return open().make();
    case "assign":
      return open().assign(message.network, message.request);
    case "release":
      return open().release(message.network);
    case "foreignDrops":
      return findForeignDrops(settings?.tag ?? "", settings?.bridge);
    case "close":
      return open().close();
  }
}

async function answer(message: CallMessage): Promise<void> {
  const reply: AnswerMessage = await obey(message).then(
    (result) => ({ id: message.id, result }),
    async (error) => ({ id: message.id, failure: failureOf(await explained(error)) }),
  );
  process.send?.(reply, undefined, undefined, () => {}); // a server that is gone wants no answer
}

process.title = "podium network";
// Ctrl-C on the server's terminal is the server's affair.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
process.on("message", (message: CallMessage) => void answer(message));
process.on("disconnect", () => process.exit(0));
