// The keys that detach, and what a job leaves behind on a screen.
import * as assert from "uvu/assert";
import { DetachKeys } from "../../src/cli/detach-keys.ts";
import { ScreenModes } from "../../src/cli/screen-modes.ts";
import { suite } from "../support/suite.ts";

const test = suite("keys and screens");

function typed(keys: DetachKeys, text: string): [string, boolean] {
  const { bytes, detach } = keys.take(Buffer.from(text));
  return [bytes.toString(), detach];
}

test("Ctrl-P Ctrl-Q detaches, in one piece or two; what came before is for the job", () => {
  assert.equal(typed(new DetachKeys(), "ls\x10\x11more"), ["ls", true]);
  const keys = new DetachKeys();
  assert.equal(typed(keys, "ls\x10"), ["ls", false]);
  assert.equal(typed(keys, "\x11"), ["", true]);
});

test("a Ctrl-P before any other key is the job's, and so is a lone Ctrl-Q", () => {
  const keys = new DetachKeys();
  assert.equal(typed(keys, "\x11\x10a\x10\x10"), ["\x11\x10a\x10", false]);
  assert.is(keys.release().toString(), "\x10");
  assert.is(keys.release().toString(), "");
  assert.equal(typed(keys, "\x11"), ["\x11", false]);
});

test("modes that a job has switched on and not off again are undone, wherever its pieces are cut", () => {
  const vim = "\x1b[?1049h\x1b[?1h\x1b=\x1b[?2004h\x1b[?25l\x1b[?1002;1006h\x1b[31mred";
  for (let cut = 0; cut <= vim.length; cut++) {
    const modes = new ScreenModes();
    modes.note(Buffer.from(vim.slice(0, cut)));
    modes.note(Buffer.from(vim.slice(cut)));
    const undo = modes.undo();
    for (const wanted of ["[?1049l", "[?1l", ">", "[?2004l", "[?25h", "[?1002l", "[?1006l", "[m"]) {
      assert.ok(undo.includes(`\x1b${wanted}`), `cut ${cut}: ${wanted}`);
    }
    assert.is(modes.undo(), "");
  }
});

test("a job that has tidied up is left alone", () => {
  const modes = new ScreenModes();
  modes.note(Buffer.from("\x1b[?1049h\x1b[?25ltext\x1b[?25h\x1b[?1049l\x1b[?12h"));
  assert.is(modes.undo(), "");
});
