// `podium sandbox --upload DIR --download PATH`: a work folder with no server, gone at the end.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { descendantsOf, living } from "../support/processes.ts";
import { runSandbox, startSandbox } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const test = suite("work folders of podium sandbox");
const root = requires("root", "libseccomp");

class Place implements Disposable {
  readonly #folder = temporaryFolder();
  readonly path = this.#folder.path;
  readonly project = join(this.path, "project");
  /** Where podium puts the work folder. */
  readonly disk = join(this.path, "disk");

  constructor() {
    mkdirSync(join(this.project, "src"), { recursive: true });
    mkdirSync(this.disk);
    writeFileSync(join(this.project, "src/in"), "input\n");
    writeFileSync(join(this.project, "run.sh"), "#!/bin/sh\nexit 3\n", { mode: 0o755 });
  }

  get options() {
    return { cwd: this.path, env: { TMPDIR: this.disk } };
  }

  run(...args: string[]) {
    return runSandbox(args, this.options);
  }

  read(name: string): string {
    return readFileSync(join(this.path, name), "utf8");
  }

  [Symbol.dispose](): void {
    this.#folder[Symbol.dispose]();
  }
}

test("a folder goes in as the cwd, results come back also of a job that fails, and nothing stays", root, async () => {
  using place = new Place();
  const script =
    "pwd; ls; id -u; stat -c '%u %a' . run.sh; mkdir out; tr a-z A-Z < src/in > out/result; ln -s result out/link; ln -s /etc/passwd out/led; ./run.sh";
  const options = ["--upload", "project", "--download", "out", "--download", "src/in::renamed", "--user", "7"];
  const ran = await place.run(...options, "--", "sh", "-c", script);
  assert.equal([ran.stdout, ran.code], ["/work\nrun.sh\nsrc\n7\n7 755\n7 755\n", 3], ran.stderr);
  assert.is(ran.stderr, "podium: out: out/led: left out: a link that leads elsewhere (/etc/passwd)\n");
  assert.equal(
    [place.read("out/result"), place.read("out/link"), place.read("renamed")],
    ["INPUT\n", "INPUT\n", "input\n"],
  );
  assert.equal([readdirSync(place.project).sort(), readdirSync(place.disk)], [["run.sh", "src"], []]);
});

test("results need no upload, -w says where the folder is, and what is missing is told", root, async () => {
  using place = new Place();
  const made = await place.run("-w", "/place", "--download", ".::got", "--", "sh", "-c", "pwd; echo x > one");
  assert.equal([made.stdout, made.stderr, made.code], ["/place\n", "", 0]);
  assert.is(place.read("got/one"), "x\n");
  const missing = await place.run("--download", "nothing", "--", "true");
  const message = "podium: --download nothing: nothing: there is no such file or folder in the job\n";
  assert.equal([missing.stderr, missing.code], [message, 125]);
  const outside = await place.run("--download", "/etc/passwd", "--", "sh", "-c", "exit 4");
  assert.match(outside.stderr, /only what is in its work folder \/work/);
  assert.is(outside.code, 4);
  const absent = await place.run("--upload", "absent", "--", "true");
  assert.equal([absent.stderr, absent.code], ["podium: --upload absent: there is no such file or folder\n", 125]);
  const never = await place.run("--download", "x", "no-such-program");
  assert.equal([never.code, never.stderr.includes("--download")], [127, false]);
  const deep = "import os\nfor i in range(600): os.mkdir('d' * 10); os.chdir('d' * 10)";
  assert.is((await place.run("--upload", "project", "--", "python3", "-c", deep)).code, 0);
  assert.equal(readdirSync(place.disk), []);
});

test("what a killed podium left of it, the next one removes", root, async () => {
  using place = new Place();
  const killed = startSandbox(["--upload", "project", "--", "sh", "-c", "ls; sleep 1000"], place.options);
  await killed.sees("src\n");
  const family = descendantsOf(killed.pid);
  killed.child.kill("SIGKILL");
  await killed.ended;
  await until("its job ends with it", () => !family.some(living));
  assert.is(readdirSync(place.disk).length, 1);
  assert.is((await place.run("--", "true")).code, 0);
  assert.equal(readdirSync(place.disk), []);
  assert.ok(existsSync(place.project));
});

test("options that only a server could keep are refused with the way out", root, async () => {
  for (const option of ["--name", "--label", "--request-id"]) {
    const { code, stderr } = await runSandbox([option, "a=b", "--", "true"]);
    const lines = `podium: sandbox: ${option}: there is no server that would keep it\n  leave it out, or use podium run\n`;
    assert.equal([code, stderr], [125, lines]);
  }
});
