// `podium exec --user NAME`: the ids are looked up by a process of its own that has become the job's user in the job before it
// opens anything there, with no capability and a filter. It says them on a pipe, or why there are none, and exits.
import { AccountError, accountFilesOf, findUser, type Ids } from "../accounts.ts";
import { becomeJob } from "../copy/enter.ts";
import type { Target } from "../setup/join.ts";
import { openRoot } from "../setup/root-target.ts";
import { Refusal, StepError, step } from "../setup/step.ts";
import { close, pipe, read, write } from "../sys/descriptors.ts";
import { POLLIN, PollSet } from "../sys/poll.ts";
import { exitNow, fork, kill, waitFor } from "../sys/process.ts";
import type { SetupFailure } from "../zygote/protocol.ts";
import type { ExecRequest, NamedUser } from "./protocol.ts";

const answerBytes = 4096;
const SIGKILL = 9;
const killed: SetupFailure = {
  step: "user",
  errno: "",
  message: "user: the process that looks the name up was killed",
};

/** Throws StepError. `listener`: the descriptor whose closing says that nobody wants to know any more, which ends this process. */
export function lookUpUser(target: Target, request: ExecRequest, named: NamedUser, listener: number): Ids {
  const answer = pipe();
  const child = fork();
  if (child === 0) answerAndExit(answer.write, target, request, named);
  close(answer.write);
  const text = listen(answer.read, listener, () => kill(child, SIGKILL));
  close(answer.read);
  waitFor(child);
  const said: Ids | SetupFailure = text === "" ? killed : JSON.parse(text);
  if ("step" in said) throw new StepError(said);
  return said;
}

function listen(fd: number, listener: number, giveUp: () => void): string {
  const [set, chunk, pieces] = [new PollSet(), Buffer.allocUnsafe(answerBytes), [] as Buffer[]];
  for (;;) {
    set.clear();
    const [said, gone] = [set.add(fd, POLLIN), set.add(listener, 0)];
    set.wait(-1);
    if (set.ready(gone) !== 0) {
      giveUp();
      exitNow(0);
    }
    const n = set.ready(said) === 0 ? null : read(fd, chunk);
    if (n === 0) return Buffer.concat(pieces).toString();
    if (n !== null) pieces.push(Buffer.from(chunk.subarray(0, n)));
  }
}

function answerAndExit(fd: number, target: Target, request: ExecRequest, { name, as, seccomp }: NamedUser): never {
  let said: Ids | SetupFailure;
  try {
    becomeJob(target, { ...request, user: as, cwd: "/", seccomp });
    said = step("user", () => found(name));
  } catch (error) {
    said = error instanceof StepError ? error.failure : { ...killed, message: `user: ${String(error)}` };
  }
  write(fd, Buffer.from(JSON.stringify(said)));
  return exitNow(0);
}

function found(name: NamedUser["name"]): Ids {
  try {
    return findUser(name, accountFilesOf(openRoot("/").fd));
  } catch (error) {
    if (error instanceof AccountError) throw new Refusal("", `${error.message}; ${error.mend}`);
    throw error;
  }
}
