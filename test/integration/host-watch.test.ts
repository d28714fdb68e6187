// What a ready-made job shows of the host's /etc is as of its start, however long ago it was made. This file has an /etc of its own.
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import * as assert from "uvu/assert";
import { makeTreePrivate, mountFilesystem } from "../../sandbox/sys/mounts.ts";
import { CLONE_NEWNS, unshare } from "../../sandbox/sys/namespaces.ts";
import { isReadyMade, readyGroups, whenReady } from "../support/ready-jobs.ts";
import { TestZygote } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("the host's files in ready-made jobs", { testSeconds: 120 });
const needs = requires("root", "libseccomp");

/** Of this thread and the zygotes that it starts: what is written to /etc lands on a tmpfs. */
function takeEtcApart(): void {
  unshare(CLONE_NEWNS);
  makeTreePrivate();
  mountFilesystem("tmpfs", "/mnt", 0, "mode=755");
  for (const name of ["upper", "work"]) mkdirSync(`/mnt/${name}`);
  mountFilesystem("overlay", "/etc", 0, "lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work");
}

function replace(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

test(
  "a name in /etc that comes, goes or is replaced is seen by the next job; any other costs no ready one",
  needs,
  async () => {
    takeEtcApart();
    await using zygote = await TestZygote.open({ readyJobs: 4 });
    const shown = async () =>
      (await zygote.run("cat /etc/services /etc/pki/tls/certs/x; readlink /etc/localtime")).stdout;
    replace("/etc/services", "first\n");
    await whenReady(zygote, 2);
    replace("/etc/services", "second\n");
    assert.match(await shown(), /^second\n/);
    await whenReady(zygote, 2);
    mkdirSync("/etc/pki/tls/certs", { recursive: true });
    writeFileSync("/etc/pki/tls/certs/x", "certificate\n");
    assert.match(await shown(), /^second\ncertificate\n/);
    await whenReady(zygote, 2);
    renameSync("/etc/pki/tls", "/etc/pki/other");
    assert.not.match(await shown(), /certificate/);
    await whenReady(zygote, 2);
    symlinkSync("/usr/share/zoneinfo/Etc/UTC", "/etc/localtime.new");
    renameSync("/etc/localtime.new", "/etc/localtime");
    assert.match(await shown(), /zoneinfo\/Etc\/UTC\n$/);
    await whenReady(zygote, 2);
    const before = readyGroups(zygote);
    replace("/etc/of-no-concern", "x");
    const job = await zygote.start({ argv: ["true"] });
    assert.ok(isReadyMade(job) && before.includes(job.group), "the ready ones stayed");
    assert.is((await job.finished).record.exitCode, 0);
  },
);
