// Where the time of a ready-made job goes, from the kernel's own trace (tracefs, ftrace.rst): when the zygote and its children made
// which system call. Nothing is built into podium for it; each traced call costs about a microsecond.
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { medianLine } from "./figures.mjs";
import { zygote } from "./podium.mjs";

const tracing = "/sys/kernel/tracing";
const jobs = 60;
const pauseMs = 50;
const warmUps = 10;
const settleMs = 1500;

/** In the order in which a job goes through them: who, the call that ends the stage, and what lies before it. */
const landmarks = [
  ["command", "poll ->", "the zygote reads the request and hands it over; the process wakes up"],
  ["command", "pwrite64(", "request parsed, the space for exit.json and state opened"],
  ["command", "rename(", "space set aside, limits written"],
  ["command", "unshare(", "control socket put in its place, log files opened, who is who written"],
  ["command", "setns(", "descriptors of its own, pid said"],
  ["command", "sethostname(", "namespaces entered"],
  ["command", "fchown(", "accounts, names, HOME, the root read-only"],
  ["command", "setresuid(", "stdio, user namespace, bounding set"],
  ["command", "chdir(", "keyring, descriptors, capabilities, no_new_privs"],
  ["command", "seccomp(", "program found"],
  ["command", "execve(", "filter checked and compiled by the kernel"],
  ["init", "listen(", "the program is loaded; init goes on"],
  ["init", "write(", "`pid` written, `started` told"],
  [
    "init",
    "fsync(",
    "what is left of the program's own time; reaped, nobody left, pipes empty, usage read, record written",
  ],
  ["init", "write(", "record synced, `ended` told"],
  ["init", "exit_group(", "control group removed: on nobody's way"],
];
const traced = new Set(
  landmarks.map(([, call]) => `sys_${call.endsWith("->") ? "exit" : "enter"}_${/^\w+/.exec(call)[0]}`),
);

class Trace {
  #folder = `${tracing}/instances/podium-bench-${process.pid}`;

  /** Of this process and all that it forks from now on. */
  constructor(pid) {
    mkdirSync(this.#folder);
    this.#write("trace_clock", "mono");
    this.#write("buffer_size_kb", "16384");
    this.#write("options/event-fork", "1");
    this.#write("set_event_pid", String(pid));
    for (const event of traced) this.#write(`events/syscalls/${event}/enable`, "1");
  }

  /** `{ pid, at, call }`, times in microseconds. */
  read() {
    const lines = readFileSync(`${this.#folder}/trace`, "utf8").split("\n");
    return lines.flatMap((line) => {
      const [, pid, seconds, call] = /-(\d+)\s+\[\d+\]\s+\S+\s+([\d.]+): sys_(.*)$/.exec(line) ?? [];
      return call === undefined ? [] : [{ pid: Number(pid), at: Number(seconds) * 1e6, call }];
    });
  }

  close() {
    this.#write("tracing_on", "0");
    this.#write("events/enable", "0");
    rmdirSync(this.#folder);
  }

  #write(file, text) {
    writeFileSync(`${this.#folder}/${file}`, text);
  }
}

/** When each stage of the job whose command called execve as event `exec` was over; null when one is not found. */
function timesOf(events, exec, requestedAt) {
  const command = events[exec].pid;
  const from = events.findLastIndex(({ pid, call }, i) => i < exec && pid === command && call.startsWith("poll ->"));
  const init = events.find(({ call }, i) => i > exec && call.startsWith("listen("))?.pid;
  const times = [];
  let i = from;
  for (const [who, call] of landmarks) {
    const pid = who === "init" ? init : command;
    i = events.findIndex((event, at) => at >= i && event.pid === pid && event.call.startsWith(call));
    if (i < 0) return null;
    times.push(events[i].at - requestedAt);
  }
  return times;
}

/** What each stage takes, and the whole. */
export async function stages({ folder }) {
  if (!existsSync(`${tracing}/events/syscalls`)) {
    return { rows: [], lines: [], missing: ["stages: this kernel traces no system calls (CONFIG_FTRACE_SYSCALLS)"] };
  }
  const samples = await measured(folder);
  if (samples.length < jobs / 2)
    throw new Error(`stages: only ${samples.length} of ${jobs} jobs went the way that is described here`);
  const steps = samples.map((times) => times.map((at, i) => at - (times[i - 1] ?? 0)));
  const column = (table, i) => table.map((row) => row[i]);
  const lines = landmarks.map(([who, , what], i) =>
    medianLine("stages", `${who}: ${what}`, column(steps, i), { unit: "µs" }),
  );
  return {
    rows: [],
    lines: [
      ...lines,
      medianLine("stages", "request to outcome told", column(samples, landmarks.length - 2), { unit: "µs" }),
    ],
  };
}

async function measured(folder) {
  const alone = await zygote(folder);
  try {
    await sleep(settleMs);
    for (let i = 0; i < warmUps; i++) await alone.run();
    const trace = new Trace(alone.pid);
    try {
      const requested = [];
      for (let i = 0; i < jobs; i++) {
        await sleep(pauseMs);
        await alone.run(() => requested.push(Number(process.hrtime.bigint()) / 1000));
      }
      const events = trace.read();
      const execs = events.flatMap(({ call }, i) => (call.startsWith("execve(") ? [i] : []));
      return execs.flatMap((exec) => {
        const times = timesOf(
          events,
          exec,
          requested.findLast((at) => at < events[exec].at),
        );
        return times === null ? [] : [times];
      });
    } finally {
      trace.close();
    }
  } finally {
    await alone.close();
  }
}
