// `npm run demo`: from a bare checkout to a real job over mutual TLS, on loopback, and back to nothing.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { setup } from "./setup.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const podium = join(root, "scripts/podium");
const readyMs = 20_000;

function say(text) {
  process.stdout.write(`\n# ${text}\n`);
}

/** Shows a command line as a user would type it, and runs it with its output on ours. Throws unless it ends as expected. */
function show(args, { expected = 0, env = process.env } = {}) {
  const shown = args.map((arg) => (/^[\w./:=@,-]+$/.test(arg) ? arg : `'${arg}'`)).join(" ");
  process.stdout.write(`$ podium ${shown}\n`);
  const { status, error } = spawnSync(podium, args, { stdio: ["ignore", "inherit", "inherit"], env });
  if (error !== undefined) throw error;
  if (status !== expected) throw new Error(`podium ${args[0]} ended with ${status}, expected ${expected}`);
}

function outputOf(args, env) {
  const { status, stdout } = spawnSync(podium, args, { stdio: ["ignore", "pipe", "inherit"], env, encoding: "utf8" });
  if (status !== 0) throw new Error(`podium ${args[0]} ended with ${status}`);
  return stdout;
}

/** Starts the server and waits for its one line. */
async function startServer(folder) {
  const certs = join(folder, "certs");
  const files = ["ca", "cert", "key"].flatMap((name) => [
    `--${name}`,
    join(certs, name === "ca" ? "ca.crt" : `server.${name === "cert" ? "crt" : "key"}`),
  ]);
  const args = ["serve", "--listen", "127.0.0.1:0", "--data", join(folder, "data"), ...files];
  const server = spawn(podium, args, { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  server.stderr.on("data", (chunk) => {
    said += chunk;
  });
  const ready = new Promise((resolve, reject) => {
    createInterface({ input: server.stdout }).once("line", resolve);
    server.once("exit", (code) => reject(new Error(`the server ended with ${code}: ${said}`)));
    setTimeout(() => reject(new Error(`the server was not ready after ${readyMs} ms: ${said}`)), readyMs).unref();
  });
  const line = await ready;
  process.stdout.write(`${line}\n`);
  return { server, address: line.replace(/^podium: listening on /, "") };
}

async function stopServer(server) {
  const ended = new Promise((resolve) => server.once("exit", resolve));
  server.kill("SIGTERM");
  await ended;
}

async function tour(folder) {
  const certs = join(folder, "certs");
  say("A CA and a server certificate");
  show(["certs", "init", "--dir", certs]);
  say("The server, on a free port of loopback");
  const { server, address } = await startServer(folder);
  try {
    say("A client certificate: its CommonName is the user");
    show(["certs", "issue", "alice", "--dir", certs, "--server", address]);
    const env = { ...process.env, PODIUM_PROFILE: join(certs, "alice.podium") };
    tourOfJobs(folder, env);
  } finally {
    say("Stop the server");
    await stopServer(server);
  }
}

function tourOfJobs(folder, env) {
  say("A job with limits, its output live, its exit code ours");
  const script =
    "echo I am $(id -un) on $(hostname), alone:; ps ax; for i in 1 2 3; do echo tick $i; sleep 0.3; done; exit 7";
  show(["run", "--cpus", "0.5", "-m", "64M", "--timeout", "30s", "--hostname", "box", "--", "sh", "-c", script], {
    expected: 7,
    env,
  });
  say("More memory than it may have");
  show(["run", "-m", "32M", "--", "tail", "/dev/zero"], { expected: 137, env });
  say("A network of its own, behind NAT, with an allow list and a rate");
  show(["run", "--allow", "192.0.2.0/24:443", "--net-rate", "10M", "--", "sh", "-c", "ip -br addr; ip route"], { env });
  say("In the background: start, look, follow, stop");
  const id = outputOf(
    ["start", "--name", "ticker", "--", "sh", "-c", "while echo tock; do sleep 0.2; done"],
    env,
  ).trim();
  process.stdout.write(`$ podium start --name ticker -- sh -c 'while echo tock; do sleep 0.2; done'\n${id}\n`);
  show(["ps"], { env });
  show(["netcheck", "ticker", "localhost"], { env });
  show(["logs", "-n", "1", id], { env });
  show(["stop", "ticker"], { env });
  show(["status", id], { env });
  say(`The job on disk: DATA/jobs/${id}/`);
  const jobFolder = join(folder, "data/jobs", id);
  for (const name of readdirSync(jobFolder).sort()) {
    const text = readFileSync(join(jobFolder, name), "utf8");
    process.stdout.write(`${name.padEnd(10)} ${text.split("\n")[0]}\n`);
  }
  say("The same sandbox without a server");
  show(["sandbox", "--hostname", "local", "--", "sh", "-c", "hostname; ls /"]);
}

async function main() {
  setup({ tests: false });
  const { bundle } = await import("./build.mjs");
  if (!(await bundle())) throw new Error("the build failed; its output is above");
  const folder = mkdtempSync(join(tmpdir(), "podium-demo-"));
  try {
    await tour(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  process.stdout.write("\nEverything is stopped and removed. Next: README.md, or podium --help\n");
}

try {
  await main();
} catch (error) {
  process.stderr.write(`demo: ${error.message}\n`);
  process.exitCode = 1;
}
