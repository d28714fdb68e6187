import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { root as checkout } from "../support/runner/catalog.ts";
import { startProgram, TestZygote } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { Attacks } from "./attacks.ts";
import { columns, Observation, programs, rows, tableText, verdict } from "./walls.ts";

const test = suite("walls alone");
const page = join(checkout, "docs/walls.md");
const tablePlace = /(?<=<!-- table -->\n)[\s\S]*?(?=\n<!-- end of table -->)/;

test(
  "each wall alone stops what docs/walls.md says it does (npm run gen:walls)",
  requires("root", "libseccomp", "gcc"),
  async () => {
    using attacks = new Attacks(...programs);
    await using zygote = await TestZygote.open();
    const shared = startProgram(attacks.path("ipc"), ["make"]);
    try {
      await shared.sees("made all");
      const observation = new Observation(attacks, zygote);
      const cells: string[][] = [];
      for (const row of rows) {
        const line: string[] = [];
        for (const { request } of columns) line.push(await observation.verdictOf(row, request));
        cells.push(line);
      }
      assert.equal(new Set(cells.map(([all]) => all)), new Set(["stopped"]), "behind all walls everything is stopped");
      const text = readFileSync(page, "utf8");
      if (process.env.WRITE_WALLS === "1") writeFileSync(page, text.replace(tablePlace, tableText(cells)));
      else assert.is(tableText(cells), tablePlace.exec(text)?.[0]);
    } finally {
      shared.child.stdin?.end();
      await shared.ended;
    }
  },
);

test("an attack that works is not called stopped", () => {
  const attempts = new Map([
    ["a-1", "EPERM"],
    ["a-2", "ok"],
    ["b-1", "ok"],
    ["c-1", "ENOSYS"],
  ]);
  assert.equal(
    [/^a/, /^b/, /^c/].map((which) => verdict(attempts, which)),
    ["partly", "open", "stopped"],
  );
  assert.throws(() => verdict(attempts, /^d/), /no attempt/);
});
