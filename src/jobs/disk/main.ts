// The disk thread itself (thread.ts).
import { parentPort } from "node:worker_threads";
import { type DiskTask, perform } from "./tasks.ts";

parentPort?.on("message", ({ id, task }: { id: number; task: DiskTask }) => {
  perform(task).then(
    () => parentPort?.postMessage({ id }),
    (error: Error) => parentPort?.postMessage({ id, error: error.message }),
  );
});
