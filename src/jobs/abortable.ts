/** What waiting needs of an AbortSignal. The server's calls have one that costs less (src/server/call-end.ts). */
export interface Abortable {
  readonly aborted: boolean;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}
