// Which of the jobs that a caller may see are listed.
import type { Job } from "./job.ts";

export interface ListWanted {
  /** Finished jobs too. */
  readonly all: boolean;
  /** Not "": the caller's own job of this name and no other, finished or not. */
  readonly name: string;
  readonly filter: ListFilter;
}

/** Of `labels` all must fit, of each other list one; an empty list asks for nothing. */
export interface ListFilter {
  /** `KEY` or `KEY=VALUE`. */
  readonly labels: readonly string[];
  readonly states: readonly string[];
  readonly users: readonly string[];
  readonly names: readonly string[];
}

export function isListed(job: Job, caller: string, { all, name, filter }: ListWanted): boolean {
  if (!fits(job, filter)) return false;
  if (name !== "") return job.meta.name === name && job.meta.user === caller;
  return all || filter.states.length > 0 || job.outcome === null;
}

function fits(job: Job, { labels, states, users, names }: ListFilter): boolean {
  const { meta } = job;
  const isOneOf = (wanted: readonly string[], value: string) => wanted.length === 0 || wanted.includes(value);
  return (
    isOneOf(users, meta.user) &&
    isOneOf(names, meta.name) &&
    isOneOf(states, job.state) &&
    labels.every((label) => hasLabel(meta.labels ?? {}, label))
  );
}

function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const cut = wanted.indexOf("=");
  if (cut < 0) return Object.hasOwn(labels, wanted);
  const key = wanted.slice(0, cut);
  return Object.hasOwn(labels, key) && labels[key] === wanted.slice(cut + 1);
}
