// `podium sandbox -it` in a real terminal.
import * as assert from "uvu/assert";
import { podiumScript, runSandbox } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { Tmux } from "../support/tmux.ts";

const test = suite("podium sandbox -it");
const needs = requires("root", "libseccomp", "tmux");

test(
  "P01 P03 P08 a shell of this machine: terminal, size, keys, exit code, and the terminal as before",
  needs,
  async () => {
    using tmux = new Tmux({ podium: podiumScript });
    const before = await tmux.settings();
    tmux.line("$podium sandbox -it --net none --hostname box -e PS1='in> ' -- bash --norc");
    await tmux.shows(/in>$/);
    tmux.line("tty; hostname; stty size");
    await tmux.shows(/\/dev\/pts\/0\nbox\n24 80\nin>$/);
    tmux.resize(90, 20);
    tmux.line('until [ "$(stty size)" = "20 90" ]; do sleep 0.1; done; stty size; sleep 1000');
    await tmux.shows(/\n20 90$/);
    await tmux.pressAt("sleep 1000", "C-c");
    await tmux.shows(/\^C\nin>$/);
    tmux.line("exit 6");
    await tmux.shows(/exit\n\$$/);
    tmux.line("echo code $?");
    await tmux.shows(/code 6\n\$$/);
    assert.is(await tmux.settings(), before.replace("rows 24; columns 80", "rows 20; columns 90"));
  },
);

test(
  "with -t alone Ctrl-C ends the command, and the screen is as before whatever the job did to it",
  needs,
  async () => {
    using tmux = new Tmux({ podium: podiumScript });
    const before = await tmux.settings();
    tmux.line("echo he''re; $podium sandbox -t --net none -- sh -c 'tput -T xterm smcup; echo up; exec sleep 1000'");
    await tmux.shows(/up$/);
    tmux.press("C-c");
    await tmux.shows(/here\npodium: SIGNALED: [^\n]*\n\$$/);
    tmux.line("echo code $?");
    await tmux.shows(/code 130\n\$$/);
    assert.is(await tmux.settings(), before);
  },
);

test("-t without a terminal is refused", needs, async () => {
  const { code, stderr } = await runSandbox(["-t", "--", "true"]);
  assert.equal(
    [code, stderr],
    [125, "podium: -t: stdin is not a terminal\n  leave -t out, or run podium in a terminal\n"],
  );
});
