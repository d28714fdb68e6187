// What init can make of a job before it knows the request: pipes, the signal descriptor and the command's process.
import type { Group } from "../cgroup/group.ts";
import { encodeFrame } from "../frames.ts";
import { becomeCommand, type Errand } from "../setup/steps.ts";
import type { SandboxSpec } from "../spec.ts";
import { close, dupClosedOnExec, O_RDONLY, open, pipe, setNonBlocking, write } from "../sys/descriptors.ts";
import { openSignalFd } from "../sys/signals.ts";
import { MessageType } from "../zygote/protocol.ts";
import type { UserNamespace } from "../zygote/user-namespaces.ts";
import { Command } from "./command.ts";
import { PipeInput } from "./input.ts";

export interface PreparedJob {
  readonly group: Group;
  readonly command: Command;
  readonly input: PipeInput;
  /** Read ends of the command's stdout and stderr. */
  readonly outputs: readonly [number, number];
  readonly signals: number;
  /** Becomes the descriptor of the job's network namespace (setup/context.ts). */
  readonly network: number;
}

export interface Origin {
  /** Its own pid as the host sees it. */
  readonly initPid: number;
  readonly stage: string;
  readonly userNamespace: UserNamespace;
}

/** Forks the command, which goes as far as its errand lets it. */
export function prepareJob({ initPid, stage, userNamespace }: Origin, group: Group, errand: Errand): PreparedJob {
  const input = new PipeInput();
  const [out, err] = [pipe(), pipe()];
  const signals = openSignalFd();
  const network = open("/dev/null", O_RDONLY);
  if (errand.kind === "known") showNetwork(errand.spec, network);
  const ground = {
    group,
    userNamespace: userNamespace.fd,
    idBase: userNamespace.idBase,
    stage,
    init: { pid: initPid, network },
    stdio: { in: input.readEnd, out: out.write, err: err.write },
  };
  const command = new Command((status) => becomeCommand(ground, errand, status));
  for (const fd of [out.write, err.write, userNamespace.fd]) close(fd);
  input.closeReadEnd();
  return { group, command, input, outputs: [out.read, err.read], signals, network };
}

/** Lets the command's process find the network namespace that was made ready for the job. */
export function showNetwork({ network }: SandboxSpec, place: number): void {
  if (network.kind === "none") return;
  const fd = open(network.path, O_RDONLY);
  dupClosedOnExec(fd, place);
  close(fd);
}

/** The pipe on which a ready-made command hears what to run. */
export class Orders {
  readonly #pipe = pipe();

  constructor() {
    setNonBlocking(this.#pipe.write);
  }

  get readEnd(): number {
    return this.#pipe.read;
  }

  /** The request as it came from the server; the zygote gives a ready-made job none that a pipe has no room for. */
  give(request: Buffer): void {
    write(this.#pipe.write, encodeFrame(MessageType.start, request));
    close(this.#pipe.write);
  }
}
