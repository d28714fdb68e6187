/** Of ES2024, and in all of Node that podium runs on. */
interface AtomicsOf2024 {
  waitAsync(words: Int32Array, at: number, value: number, timeoutMs: number): unknown;
}

const longestWaitMs = 2 ** 31 - 1;

/**
 * Has V8 post a task, which nothing here will ever run: no event loop does. libuv then counts as told, and of no later task
 * (V8 posts some for its collections) is it told again. Telling it is a write to an eventfd, and in a process that has closed its
 * descriptors, as one that becomes a command does, that fails and libuv aborts. Before any fork.
 */
export function postFirstTask(): void {
  (Atomics as unknown as AtomicsOf2024).waitAsync(new Int32Array(new SharedArrayBuffer(4)), 0, 0, longestWaitMs);
}
