// The io limit of whole jobs, direct and through the page cache.
import { chmodSync } from "node:fs";
import * as assert from "uvu/assert";
import { measured } from "../support/measured.ts";
import { runSandbox, TestZygote } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const test = suite("io limit", { testSeconds: 300 });
const rateMiB = 3;
const totalMiB = 12;

/** Seconds that dd took, by its own account; what it writes is there before. */
async function secondsOf(dd: string, prepare = "true"): Promise<number> {
  using folder = temporaryFolder();
  chmodSync(folder.path, 0o777);
  await using zygote = await TestZygote.open();
  const grants = [{ source: folder.path, target: "/data", writable: true }];
  await zygote.run(prepare, { grants });
  const script = `dd ${dd} bs=256k count=${totalMiB * 4} 2>&1`;
  const { stdout } = await zygote.run(script, { ioBytesPerSecond: rateMiB << 20, grants, timeoutMs: 60_000 });
  const seconds = Number(/copied, ([0-9.]+) s/.exec(stdout)?.[1]);
  assert.ok(seconds > 0, stdout);
  return seconds;
}

/** Faster than the limit is wrong every time; slower is what a busy disk or processor does to it now and then. */
async function assertRate(dd: string, prepare?: string): Promise<void> {
  const expected = totalMiB / rateMiB;
  const take = async () => {
    const took = await secondsOf(dd, prepare);
    assert.ok(took > expected * 0.85, `${totalMiB} MiB took ${took} s`);
    return took;
  };
  const seconds = await measured(take, (took) => took < expected * 1.15);
  assert.ok(seconds < expected * 1.15, `${totalMiB} MiB took ${seconds} s`);
}

const direct = requires("root", "libseccomp");

test("C06 direct writes and reads keep the io limit", direct, async () => {
  await assertRate("if=/dev/zero of=/data/x oflag=direct");
  const made = `dd if=/dev/zero of=/data/x bs=1M count=${totalMiB} oflag=direct`;
  await assertRate("if=/data/x of=/dev/null iflag=direct", made);
});

test(
  "C06 buffered writes keep the io limit until they are on the disk",
  requires("root", "v2-buffered-io"),
  async () => {
    await assertRate("if=/dev/zero of=/data/x conv=fsync");
  },
);

test("an io limit on folders without a disk is refused by name", direct, async () => {
  const { code, stderr } = await runSandbox(["--io=1M", "--dir=/proc/sys::/x", "--", "true"]);
  assert.is(code, 125);
  assert.match(stderr, /\/proc\/sys is on proc, which has no disk of this host behind it/);
});
