import * as assert from "uvu/assert";
import { parseBlkioStat, parseIoStat } from "../../sandbox/cgroup/io-usage.ts";
import { parsePressure } from "../../sandbox/cgroup/pressure.ts";
import { suite } from "../support/suite.ts";

const test = suite("usage in cgroup files");
const notStacked = () => false;

test("v2: the traffic of all disks is added up, what is discarded is not", () => {
  const text =
    "8:0 rbytes=100 wbytes=2000 rios=1 wios=2 dbytes=7 dios=7\n" +
    "8:16 rbytes=30 wbytes=4 rios=5 wios=6 dbytes=0 dios=0\n";
  const expected = { readBytes: 130, writeBytes: 2004, readOperations: 6, writeOperations: 8 };
  assert.equal(parseIoStat(text, notStacked), expected);
  assert.equal(parseIoStat("", notStacked), {
    ...{ readBytes: 0, writeBytes: 0, readOperations: 0, writeOperations: 0 },
  });
});

test("v1: reads and writes of both files, without the other directions and the total", () => {
  const lines = (read: number, write: number) =>
    `254:0 Read ${read}\n254:0 Write ${write}\n254:0 Sync 9\n254:0 Async 9\n254:0 Discard 9\n254:0 Total 99\nTotal 99\n`;
  const expected = { readBytes: 4096, writeBytes: 512, readOperations: 3, writeOperations: 1 };
  assert.equal(parseBlkioStat(lines(4096, 512), lines(3, 1), notStacked), expected);
  assert.is(parseBlkioStat("Total 0\n", "Total 0\n", notStacked), null, "nothing is counted here");
});

test("what passes a volume and the disk below it is counted once", () => {
  const text = "253:0 rbytes=5 wbytes=0 rios=1 wios=0\n8:0 rbytes=5 wbytes=0 rios=1 wios=0\n";
  const isVolume = (disk: string) => disk === "253:0";
  assert.is(parseIoStat(text, isVolume).readBytes, 5);
  // A volume alone: its disks tell nothing.
  assert.is(parseIoStat(text.split("\n")[0] ?? "", isVolume).readBytes, 5);
});

test("pressure is percent of ten seconds, and seconds in all", () => {
  const text =
    "some avg10=12.34 avg60=1.00 avg300=0.00 total=2500000\nfull avg10=1.50 avg60=0.00 avg300=0.00 total=1000000\n";
  assert.equal(parsePressure(text), { somePercent: 12.34, fullPercent: 1.5, someSeconds: 2.5, fullSeconds: 1 });
  assert.equal(parsePressure("some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n")?.fullSeconds, 0);
  assert.is(parsePressure("nothing of the kind"), null);
});
