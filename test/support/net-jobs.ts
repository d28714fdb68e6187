// Job networks with a process in each, for tests of what a job can reach.
import { defaultRequest, type JobNetwork, type NetworkRequest, type NetworkSettings } from "../../net/job-network.ts";
import { namespaceFile } from "../../net/namespaces.ts";
import { Networks } from "../../net/networks.ts";
import { Peer } from "./net-peer.ts";

export const tag = "0badcafe";

export const settings: NetworkSettings = {
  tag,
  subnet: "10.77.0.0/20",
  prefix6: "fd77:77::/48",
  most: 0,
  policy: { deny: [], permit: [] },
};

export interface TestJob extends AsyncDisposable {
  readonly network: JobNetwork;
  readonly peer: Peer;
}

/** A network with its policy and a process in it; disposing ends the process and releases the network. */
export async function startJob(networks: Networks, request: Partial<NetworkRequest> = {}): Promise<TestJob> {
  const made = await networks.make();
  try {
    const network = await networks.assign(made, { ...defaultRequest, ...request });
    const peer = await Peer.in(namespaceFile(network.namespace));
    return {
      network,
      peer,
      [Symbol.asyncDispose]: async () => {
        await peer[Symbol.asyncDispose]();
        await networks.release(network);
      },
    };
  } catch (error) {
    await networks.release(made);
    throw error;
  }
}

/** Opens the networks of the tests; disposing closes them. */
export async function openNetworks(
  changes: Partial<NetworkSettings> = {},
  kept: readonly JobNetwork[] = [],
): Promise<Networks & AsyncDisposable> {
  const networks = await Networks.open({ ...settings, ...changes }, kept);
  return Object.assign(networks, { [Symbol.asyncDispose]: () => networks.close() });
}
