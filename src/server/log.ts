import pino from "pino";

export type ServerLog = pino.Logger;

/** Structured lines on stderr, one JSON object each; `job` and `user` wherever there are any. */
export function openServerLog(level: string): ServerLog {
  const time = () => `,"time":"${new Date().toISOString()}"`;
  return pino(
    { level, base: null, timestamp: time, formatters: { level: (label) => ({ level: label }) } },
    pino.destination({ fd: 2, sync: true }),
  );
}
