// From the options of `run` and `start` to the request of the API.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { type Rootfs, RootfsMode, StartRequest, type Terminal } from "../gen/podium.ts";
import { CliError } from "./failure.ts";
import { addJobOptions, another, type GrantOption, type JobOptions } from "./job-options.ts";
import { furtherOfStart } from "./limit-options.ts";
import { ownTerm } from "./local-terminal.ts";
import { networkOptionsOf } from "./network-options.ts";

export interface StartOptions extends JobOptions {
  readonly name?: string;
  readonly requestId?: string;
  readonly wait: boolean;
  readonly label?: string[];
}

/** What to run: a program with its arguments, or a shell line. */
export type Runnable = { readonly argv: readonly string[] } | { readonly cmd: string };

export function addStartOptions(command: Command): Command {
  return addJobOptions(command)
    .option("--name <NAME>", "name to use in place of its id")
    .option("--request-id <ID>", "the same command with the same id gets the same job again, not another one")
    .option("--no-wait", "fail when the server is full, where it would queue the job")
    .option("--label <K=V>", "a word to find it by; repeatable", another);
}

export function startRequestOf(
  what: Runnable,
  options: StartOptions,
  stdin: boolean,
  terminal?: Terminal,
): StartRequest {
  const { cpus = 0, memory = 0, io = 0, pids = 0, timeout = 0, cwd = "", hostname = "", name = "" } = options;
  if (options.name === "") throw new CliError("--name: the name is empty", "leave it out to have none");
  if (options.requestId === "") throw new CliError("--request-id: the id is empty", "leave it out to have a fresh one");
  return StartRequest.create({
    ...("cmd" in what ? { cmd: what.cmd } : { argv: [...what.argv] }),
    cpu: cpus,
    mem: BigInt(memory),
    io: BigInt(io),
    pids: BigInt(pids),
    timeoutMs: BigInt(timeout),
    outputLimit: BigInt(options.outputLimit?.bytes ?? 0),
    outputKill: options.outputLimit?.kill === true,
    env: [...(terminal === undefined ? [] : ownTerm()), ...(options.env ?? [])],
    cwd,
    hostname,
    name,
    requestId: options.requestId ?? randomUUID(),
    noWait: !options.wait,
    stdin,
    terminal,
    user: options.user,
    rootfs: options.rootfs && rootfsOf(options.rootfs, options.rootfsSize),
    labels: labelsOf(options.label),
    grants: (options.dir ?? []).map(grantOf),
    tmpfs: (options.tmpfs ?? []).map(({ target, sizeBytes }) => ({ target, sizeBytes: BigInt(sizeBytes) })),
    capAdd: options.capAdd ?? [],
    seccomp: seccompOf(options.seccomp),
    ...furtherOfStart(options),
    network: networkOptionsOf(options),
  });
}

/** A later label replaces an earlier one of the same key; `K` alone has an empty value. */
function labelsOf(texts: readonly string[] = []): Record<string, string> {
  const labels = new Map<string, string>();
  for (const text of texts) {
    const [key = "", ...value] = text.split("=");
    labels.set(key, value.join("="));
  }
  return Object.fromEntries(labels);
}

const rootfsModes: Readonly<Record<string, RootfsMode>> = {
  overlay: RootfsMode.OVERLAY,
  ro: RootfsMode.RO,
  rw: RootfsMode.RW,
};

function rootfsOf({ path, mode }: { path: string; mode: string }, sizeBytes = 0): Rootfs {
  serverPath("--rootfs", path);
  return { path, mode: rootfsModes[mode] ?? RootfsMode.UNSPECIFIED, sizeBytes: BigInt(sizeBytes), inodes: 0n };
}

function grantOf({ source, target, writable }: GrantOption) {
  const isOwnFolder = /^home(\/|$)/.test(source);
  if (isOwnFolder && target === undefined)
    throw new CliError(`--dir ${source}: its place in the job is not given`, "write it like home::/work:rw");
  if (!isOwnFolder) serverPath("--dir", source);
  return { source, target: target ?? source, writable };
}

/** A relative path would mean this machine's working folder, and the folder is the server's. */
function serverPath(option: string, path: string): void {
  if (path.startsWith("/")) return;
  throw new CliError(`${option} ${path}: is not an absolute path`, "name a folder of the server, beginning with /");
}

/** A profile's text travels with the request: the file is this machine's. */
function seccompOf(choice: string): string {
  if (choice === "default" || choice === "unconfined") return choice;
  try {
    return readFileSync(choice, "utf8");
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code;
    throw new CliError(
      `--seccomp ${choice}: cannot be read: ${reason}`,
      "name default, unconfined, or the file of an OCI seccomp profile",
    );
  }
}
