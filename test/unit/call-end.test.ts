import { EventEmitter } from "node:events";
import * as assert from "uvu/assert";
import { Abortion, CallEnd } from "../../src/server/call-end.ts";
import { suite } from "../support/suite.ts";

const test = suite("the end of a call");

class Call extends EventEmitter {
  cancelled = false;

  leave(): void {
    this.cancelled = true;
    this.emit("cancelled");
  }
}

/** What whoever waits for the end is told, as a listener and by the signal of Node's own. */
function told(end: CallEnd): string[] {
  const heard: string[] = [];
  end.addEventListener("abort", () => void heard.push("listener"));
  end.signal.addEventListener("abort", () => void heard.push("signal"));
  return heard;
}

test("the client goes, or the server ends: who listens hears of it once", () => {
  for (const how of ["client", "server"]) {
    const [call, ending] = [new Call(), new Abortion()];
    const end = new CallEnd(call, ending);
    const heard = told(end);
    assert.equal([end.aborted, end.signal.aborted, end.gone], [false, false, false]);
    for (let times = 0; times < 2; times++) how === "client" ? call.leave() : ending.abort();
    assert.equal(
      [end.aborted, end.signal.aborted, end.gone, heard],
      [true, true, how === "client", ["listener", "signal"]],
    );
  }
});

test("a call that began when its end was there has ended", () => {
  const gone = new Call();
  gone.cancelled = true;
  const over = new Abortion();
  over.abort();
  for (const end of [new CallEnd(gone, new Abortion()), new CallEnd(new Call(), over)]) {
    assert.equal([end.aborted, end.signal.aborted], [true, true]);
  }
});

test("of a call that has ended well nobody hears more, nor does the server hold on to it", () => {
  const [call, ending] = [new Call(), new Abortion()];
  const end = new CallEnd(call, ending);
  const heard = told(end);
  end[Symbol.dispose]();
  ending.abort();
  call.leave();
  assert.equal([end.aborted, end.gone, heard], [false, true, []]);
});

test("who has stopped listening hears nothing", () => {
  const call = new Call();
  const end = new CallEnd(call, new Abortion());
  const fail = () => assert.unreachable();
  end.addEventListener("abort", fail);
  end.removeEventListener("abort", fail);
  call.leave();
  assert.ok(end.aborted);
});
