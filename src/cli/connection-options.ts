// How client commands find their server. Before or after the command's name, the nearer one wins.
import type { Command } from "commander";
import type { ConnectionFlags } from "../client/profile.ts";
import { connectionFlagNames } from "./asked-command.ts";

const options = [
  ["--profile <FILE>", "profile, NAME.podium (PODIUM_PROFILE; default ~/.config/podium/default.podium)"],
  ["--server <HOST:PORT>", "server (PODIUM_SERVER)"],
  ["--ca <FILE>", "certificate of the server's authority (PODIUM_CA)"],
  ["--cert <FILE>", "client certificate (PODIUM_CERT)"],
  ["--key <FILE>", "its private key (PODIUM_KEY)"],
] as const;

export function addConnectionOptions(command: Command): Command {
  for (const [flags, description] of options) command.option(flags, description);
  return command;
}

/** Those given to the command, and else those given before its name. */
export function connectionFlags(command: Command): ConnectionFlags {
  return { ...given(command.parent), ...given(command) };
}

function given(command: Command | null): ConnectionFlags {
  const values = command?.opts<ConnectionFlags>() ?? {};
  return Object.fromEntries(
    connectionFlagNames.flatMap((name) => (values[name] === undefined ? [] : [[name, values[name]]])),
  );
}
