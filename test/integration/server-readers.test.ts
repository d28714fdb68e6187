// Many readers of one job's output, of which some do not read.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { podiumScript } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { type Api, collect } from "./api-client.ts";
import { LiveServer, residentMiB } from "./live-server.ts";

const test = suite("readers of a log");
const root = requires("root", "libseccomp");

test(
  "S03 of 50 readers one never reads and one is stopped: the others complete, and the server's memory is bounded",
  root,
  async () => {
    await using server = await LiveServer.start({ config: { logLevel: "silent" } });
    const api = server.api();
    const mebibytes = 12;
    const cmd = `printf first; read go; head -c ${mebibytes}M /dev/zero; sleep 0.3`;
    const id = await api.startId({ cmd, stdin: true });
    const wanted = (mebibytes << 20) + "first".length;
    const stopped = server.api().log({ id });
    stopped.pause();
    const sigstopped = await stoppedReader(server, id);
    const apis = Array.from({ length: 7 }, () => server.api());
    const before = residentMiB(server.pid);
    let peak = before;
    const watch = setInterval(() => {
      peak = Math.max(peak, residentMiB(server.pid));
    }, 50);
    const reading = Array.from({ length: 48 }, (_, n) => sizeOf(apis[n % apis.length] as Api, id));
    const attached = api.session.attach();
    attached.on("error", () => {}); // the job ends with it open
    attached.write({ request: { $case: "open", value: { id } } });
    attached.write({ request: { $case: "stdin", value: Buffer.from("go\n") } });
    const sizes = await Promise.all(reading);
    clearInterval(watch);
    assert.equal(new Set(sizes), new Set([wanted]));
    console.log(
      `48 readers of ${mebibytes} MiB, two that do not read: server from ${before} to at most ${peak} MiB resident`,
    );
    assert.ok(peak - before < 150, `it grew by ${peak - before} MiB`);
    stopped.resume();
    assert.is((await collect(stopped)).stdout.length, wanted);
    assert.is(await sigstopped.goOn(), wanted);
  },
);

/** A `podium logs -f` that was stopped (SIGSTOP) once it had the first bytes; `goOn` lets it run to its end and counts them all. */
async function stoppedReader(server: LiveServer, id: bigint): Promise<{ goOn(): Promise<number> }> {
  const env = { PATH: process.env.PATH ?? "", PODIUM_PROFILE: join(server.certs, "alice.podium") };
  const client = spawn(podiumScript, ["logs", "-f", String(id)], { env, stdio: ["ignore", "pipe", "inherit"] });
  let bytes = 0;
  client.stdout.on("data", ({ length }) => {
    bytes += length;
  });
  await once(client.stdout, "data");
  client.kill("SIGSTOP");
  const ended = once(client, "close");
  return {
    goOn: async () => {
      client.kill("SIGCONT");
      await ended;
      return bytes;
    },
  };
}

/** Bytes of stdout, none of them kept. */
async function sizeOf(api: Api, id: bigint): Promise<number> {
  let size = 0;
  for await (const { response } of api.log({ id })) {
    if (response?.$case === "success") size += response.value.stdout.length;
  }
  return size;
}
