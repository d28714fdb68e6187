import * as assert from "uvu/assert";
import { accountForCases, type CaseRow, caseOf, readCases } from "../support/runner/cases.ts";
import { suite } from "../support/suite.ts";

const test = suite("case accounting");

/** The numbers that exist; gaps are numbers given up before they were used. */
const numbers = {
  L: "01 02 03 04 05 06 07 08 09 10 11 12 13 15 16 17 18 20 21 22",
  T: "01 02 03 04 05 06 07 08 10 11 12 13 14 15 16 17 18",
  S: "01 02 03 04 06 07 08 09 10 11 13",
  N: "01 02 03 04 05 06 07 08 09 11",
  C: "01 02 03 04 05 06 07 08 09 11 12 13 14 15",
  F: "01 02 03 04 05 06 07 08 09 10 11 12 13 15 16 18",
  K: "01 02 03 04 05 06 07 08 09 10 11 12 13 14 15 17 18 19 20 22",
  E: "01 02 03 04 05 06 09 11 12",
  P: "01 02 03 04 05 06 08 09",
  H: "02 04 05 06 07",
};

function row(state: string): CaseRow {
  return { state, title: "a promise" };
}

test("every case has its row, and no row is made up", () => {
  const expected = Object.entries(numbers).flatMap(([letter, all]) => all.split(" ").map((each) => letter + each));
  assert.equal(Object.keys(readCases()), expected);
  assert.is(expected.length, 130);
});

test("every row says what it promises", () => {
  for (const [number, { title }] of Object.entries(readCases())) assert.ok(title.trim().length > 10, number);
});

test("the case of a test is the number its name begins with", () => {
  assert.is(caseOf("K05 i386 entries are refused"), "K05");
  assert.is(caseOf("K05x"), null);
  assert.is(caseOf("refuses K05"), null);
});

test("rows and tests that agree give no problem, and the summary counts them", () => {
  const cases = { A01: row("tested"), A02: row("vm"), A03: row("open"), A04: row("not applicable: no such thing") };
  const tests = [
    { suite: "unit", name: "A01 works" },
    { suite: "vm", name: "A02 works there" },
    { suite: "unit", name: "of no case" },
  ] as const;
  assert.equal(accountForCases(cases, tests), { problems: [], summary: "cases: 1 tested, 1 vm, 1 open, 1 n/a" });
});

test("a tested row without a test and a vm row without a test in the VM are problems", () => {
  const cases = { A01: row("tested"), A02: row("vm") };
  const tests = [
    { suite: "vm", name: "A01 works" },
    { suite: "unit", name: "A02 works" },
  ] as const;
  assert.is(accountForCases(cases, []).problems.length, 2);
  assert.equal(accountForCases(cases, tests).problems, [
    'A01 is "tested", but no test\'s name begins with it',
    'A02 is "vm", but no test\'s name in the vm suite begins with it',
  ]);
});

test("a test of an open, inapplicable or unknown case is a problem", () => {
  const cases = { A01: row("open"), A02: row("not applicable: gone") };
  const tests = ["A01 works", "A02 works", "A03 works"].map((name) => ({ suite: "unit", name }) as const);
  assert.equal(accountForCases(cases, tests).problems, [
    'A01 is "open", but there is a test: unit "A01 works"',
    'A02 is "not applicable: gone", but there is a test: unit "A02 works"',
    'A03 has no row in test/cases.json: unit "A03 works"',
  ]);
});

test("a state outside the four, or no reason, is a problem", () => {
  const { problems } = accountForCases({ A01: row("done"), A02: row("not applicable: ") }, []);
  assert.is(problems.length, 2);
  assert.match(problems[0] ?? "", /A01: state "done" is none of tested, vm, open/);
});
