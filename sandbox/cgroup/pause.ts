const never = new Int32Array(new SharedArrayBuffer(4));

/** Blocks this thread: for synchronous code that waits for the kernel. */
export function pause(milliseconds: number): void {
  Atomics.wait(never, 0, 0, milliseconds);
}
