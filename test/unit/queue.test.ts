import fc from "fast-check";
import * as assert from "uvu/assert";
import type { JobMeta } from "../../src/jobs/folder.ts";
import { Job } from "../../src/jobs/job.ts";
import { Queue, type QueueSettings } from "../../src/jobs/queue.ts";
import { noQuota, type Quota, type QuotaSettings } from "../../src/jobs/quotas.ts";
import { suite } from "../support/suite.ts";

const test = suite("queue and quotas");

interface Wanted {
  readonly user: string;
  readonly cpus?: number;
  readonly memoryBytes?: number;
}

/** A queue with jobs that start, and end when they are told to. */
class Room {
  readonly queue: Queue;
  readonly started: Job[] = [];
  #last = 0;

  constructor(quotas: Partial<QuotaSettings>, settings: QueueSettings = { size: 1000, perUser: 0 }) {
    this.queue = new Queue({ perUser: noQuota, users: {}, total: noQuota, ...quotas }, settings);
  }

  start({ user, cpus = 1, memoryBytes = 1 }: Wanted, wait = true): Job {
    const limits = { cpus, memoryBytes, ioBytesPerSecond: 0, pids: 0 };
    const place = this.queue.place(user, limits, wait);
    const meta: Partial<JobMeta> = { id: ++this.#last, user, limits };
    const job = new Job(meta as JobMeta, "/nowhere");
    if (place === "now") {
      this.queue.occupy(job);
      this.started.push(job);
    } else void this.queue.wait(job, async () => void this.started.push(job)).catch(() => {});
    return job;
  }

  get order(): string {
    return this.started.map(({ id, meta }) => `${meta.user}${id}`).join(" ");
  }

  endAll(): void {
    for (let i = 0; i < this.started.length; i++) this.queue.release(this.started[i] as Job);
  }
}

function quota(values: Partial<Quota>): Quota {
  return { ...noQuota, ...values };
}

test("users take turns, each user's jobs start in their order", () => {
  const room = new Room({ total: quota({ jobs: 1 }) });
  for (const user of ["a", "a", "a", "a", "b", "b", "c"]) room.start({ user });
  assert.is(room.order, "a1");
  room.endAll();
  assert.is(room.order, "a1 a2 b5 c7 a3 b6 a4");
});

test("who waits for a quota of his own is passed, who is in turn for the server's room is not", () => {
  const room = new Room({ perUser: quota({ jobs: 1 }), total: quota({ cpus: 4 }) });
  const first = room.start({ user: "a", cpus: 1 });
  room.start({ user: "a", cpus: 1 });
  const second = room.start({ user: "b", cpus: 2 });
  assert.is(room.order, "a1 b3", "b passes a's second job, which waits for the first");
  room.start({ user: "c", cpus: 3 });
  room.start({ user: "d", cpus: 1 });
  assert.is(room.order, "a1 b3", "d would fit, but c is in turn");
  room.queue.release(second);
  assert.is(room.order, "a1 b3 c4");
  room.queue.release(first);
  assert.is(room.order, "a1 b3 c4 a2");
});

test("without a queue, without the wish to wait, and with a full queue a job is refused with the figures", () => {
  const none = new Room({ perUser: quota({ jobs: 1 }) }, { size: 0, perUser: 0 });
  none.start({ user: "a" });
  none.start({ user: "b" });
  assert.throws(() => none.start({ user: "a" }), /^a has 1 of 1 jobs at once; stop a job, or try again/);

  const room = new Room({ users: { a: { memoryBytes: 10 } } }, { size: 3, perUser: 2 });
  room.start({ user: "a", memoryBytes: 8 });
  assert.throws(
    () => room.start({ user: "a", memoryBytes: 4 }, false),
    /^a has 8 of 10 bytes of memory, and this job asks for 4, and the request does not want to wait$/,
  );
  room.start({ user: "a", memoryBytes: 4 });
  assert.throws(
    () => room.start({ user: "a", memoryBytes: 1 }, false),
    /^a has jobs that wait already, and the request/,
  );
  room.start({ user: "a", memoryBytes: 4 });
  assert.throws(() => room.start({ user: "a" }), /and a has 2 of 2 jobs in the queue$/);
  assert.is(room.start({ user: "b" }).queued, false, "others have no such quota");

  const full = new Room({ total: quota({ jobs: 1 }) }, { size: 1, perUser: 0 });
  full.start({ user: "a" });
  full.start({ user: "b" });
  assert.throws(
    () => full.start({ user: "c" }),
    /^the server has 1 of 1 jobs at once, and the queue is full with 1 jobs$/,
  );
});

test("a job that is taken out of the queue never starts, and makes room for those behind it", async () => {
  const room = new Room({ total: quota({ cpus: 2 }) });
  const running = room.start({ user: "a", cpus: 1 });
  const big = room.start({ user: "b", cpus: 2 });
  const answer = room.queue.answerOf(big)?.then(
    () => "started",
    (error) => error.message,
  );
  room.start({ user: "c", cpus: 1 });
  assert.is(room.queue.withdraw(big, new Error("stopped")), true);
  assert.is(await answer, "stopped");
  assert.is(room.order, "a1 c3");
  assert.is(room.queue.withdraw(running, new Error("no")), false);
});

test("no sum ever exceeds its quota, nobody waits while there is room, and everybody starts in the end", () => {
  const wanted = fc.record({
    user: fc.constantFrom("a", "b", "c"),
    cpus: fc.constantFrom(0.1, 0.5, 1, 2),
    memoryBytes: fc.integer({ min: 1, max: 4 }),
  });
  const act = fc.oneof(wanted, fc.nat(20));
  fc.assert(
    fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
      const perUser = quota({ jobs: 2, cpus: 2 });
      const total = quota({ jobs: 4, memoryBytes: 6 });
      const room = new Room({ perUser, total });
      const ended = new Set<Job>();
      const check = () => {
        for (const user of ["a", "b", "c"]) {
          const use = room.queue.use(user);
          assert.ok(use.jobs <= 2 && use.cpus <= 2 + 1e-9);
        }
        const all = room.queue.useOfAll();
        assert.ok(all.jobs <= 4 && all.memoryBytes <= 6);
        assert.ok(all.jobs > 0 || room.queue.length === 0, "nothing runs, and somebody waits");
      };
      let count = 0;
      for (const each of acts) {
        if (typeof each === "object") {
          room.start(each);
          count++;
        } else {
          const running = room.started.filter((job) => !ended.has(job));
          const job = running[each % Math.max(running.length, 1)];
          if (job !== undefined) {
            ended.add(job);
            room.queue.release(job);
          }
        }
        check();
      }
      room.endAll();
      assert.is(room.started.length, count);
    }),
  );
});
