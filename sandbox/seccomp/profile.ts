// Seccomp profiles: the JSON of the OCI runtime specification (`linux.seccomp`) and Docker's variant of it, read
// strictly. What podium would have to ignore is refused by its place. Names of system calls are checked by compile.ts.
import { type Action, actionTable, isActionName, takesErrno } from "./actions.ts";
import { architectureNames, goArchitectureNames } from "./architecture.ts";
import { type Comparison, readComparisons } from "./comparison.ts";
import { ProfileError, refuse } from "./errors.ts";
import { below, type Fields, isAbsent, readList, readObject, readString, readWhole } from "./fields.ts";

/** Docker's `includes` and `excludes`; capabilities without `CAP_`, kernels as [major, minor], null = not asked. */
export interface Conditions {
  readonly capabilities: readonly string[];
  readonly arches: readonly string[];
  readonly minKernel: readonly [number, number] | null;
}

export interface Rule {
  readonly calls: readonly { readonly name: string; readonly place: string }[];
  readonly action: Action;
  /** All must hold. */
  readonly args: readonly Comparison[];
  readonly includes: Conditions;
  readonly excludes: Conditions;
}

export interface Profile {
  /** The file's name, for messages. */
  readonly source: string;
  readonly defaultAction: Action;
  /** SCMP_ARCH_* names; empty = the host's. */
  readonly architectures: readonly string[];
  readonly rules: readonly Rule[];
}

const mostErrno = 4095;
const mostBytes = 1 << 20;
const EPERM = 1;

function readAction(fields: Fields, key: string, errnoKey: string, place: string): Action {
  const at = below(place, key);
  if (isAbsent(fields, key)) refuse(at, "is missing; write an action such as SCMP_ACT_ERRNO");
  const name = readString(fields[key], at);
  if (name === "SCMP_ACT_NOTIFY") {
    refuse(
      at,
      "SCMP_ACT_NOTIFY needs a listener, which jobs cannot bring; use SCMP_ACT_ERRNO or SCMP_ACT_KILL_PROCESS",
    );
  }
  if (!isActionName(name)) {
    refuse(at, `"${name}" is no action; use one of ${actionTable.map((row) => row.name).join(", ")}`);
  }
  if (isAbsent(fields, errnoKey)) return { name, errno: takesErrno(name) ? EPERM : 0 };
  const errno = readWhole(fields[errnoKey], below(place, errnoKey), mostErrno);
  if (!takesErrno(name)) refuse(below(place, errnoKey), `has no effect with ${name}; remove it or use SCMP_ACT_ERRNO`);
  return { name, errno };
}

function readKernel(fields: Fields, place: string): readonly [number, number] | null {
  if (isAbsent(fields, "minKernel")) return null;
  const at = below(place, "minKernel");
  const version = readString(fields.minKernel, at);
  const match = /^(\d{1,4})\.(\d{1,4})$/.exec(version);
  if (match === null) refuse(at, `"${version}" is no kernel version; write it like "4.8"`);
  return [Number(match[1]), Number(match[2])];
}

function readConditions(fields: Fields, key: string, place: string): Conditions {
  if (isAbsent(fields, key)) return { capabilities: [], arches: [], minKernel: null };
  const at = below(place, key);
  const conditions = readObject(fields[key], at, ["caps", "arches", "minKernel"]);
  const capabilities = readList(conditions, "caps", at).map((entry) => {
    const name = readString(entry.value, entry.place);
    if (!/^CAP_[A-Z_]+$/.test(name)) refuse(entry.place, `"${name}" is no capability; write it like CAP_SYS_PTRACE`);
    return name.slice("CAP_".length);
  });
  const arches = readList(conditions, "arches", at).map((entry) => {
    const name = readString(entry.value, entry.place);
    if (!goArchitectureNames.has(name))
      refuse(entry.place, `"${name}" is no architecture; write it like amd64 or arm64`);
    return name;
  });
  return { capabilities, arches, minKernel: readKernel(conditions, at) };
}

function readCalls(fields: Fields, place: string): Rule["calls"] {
  const hasName = !isAbsent(fields, "name");
  if (hasName && !isAbsent(fields, "names")) refuse(place, "has both `name` and `names`; keep `names`");
  if (hasName) return [{ name: readString(fields.name, below(place, "name")), place: below(place, "name") }];
  const calls = readList(fields, "names", place);
  if (calls.length === 0) refuse(below(place, "names"), "is missing or empty; name at least one system call");
  return calls.map((entry) => ({ name: readString(entry.value, entry.place), place: entry.place }));
}

const ruleKeys = ["names", "name", "action", "errnoRet", "args", "comment", "includes", "excludes"];

function readRule(value: unknown, place: string): Rule {
  const fields = readObject(value, place, ruleKeys);
  if (!isAbsent(fields, "comment") && typeof fields.comment !== "string") {
    refuse(below(place, "comment"), "is not a string; write text or remove it");
  }
  return {
    calls: readCalls(fields, place),
    action: readAction(fields, "action", "errnoRet", place),
    args: readComparisons(fields, place),
    includes: readConditions(fields, "includes", place),
    excludes: readConditions(fields, "excludes", place),
  };
}

function readArchitecture(value: unknown, place: string): string {
  const name = readString(value, place);
  if (!architectureNames.has(name)) refuse(place, `"${name}" is no architecture; write it like SCMP_ARCH_X86_64`);
  return name;
}

function readArchitectures(fields: Fields, place: string): string[] {
  const list = readList(fields, "architectures", place).map((entry) => readArchitecture(entry.value, entry.place));
  const map = readList(fields, "archMap", place);
  if (list.length > 0 && map.length > 0) {
    refuse(below(place, "archMap"), "stands beside `architectures`; keep one of the two");
  }
  const mapped = map.map((entry) => {
    const pair = readObject(entry.value, entry.place, ["architecture", "subArchitectures"]);
    for (const sub of readList(pair, "subArchitectures", entry.place)) readArchitecture(sub.value, sub.place);
    return readArchitecture(pair.architecture, below(entry.place, "architecture"));
  });
  return [...list, ...mapped];
}

/** One thread installs the filter, so TSYNC changes nothing; the other flags would, and are refused. */
function readFlags(fields: Fields, place: string): void {
  for (const entry of readList(fields, "flags", place)) {
    const flag = readString(entry.value, entry.place);
    if (flag !== "SECCOMP_FILTER_FLAG_TSYNC") {
      refuse(entry.place, `"${flag}" cannot be given: podium installs filters without flags; remove it`);
    }
  }
}

function readListener(fields: Fields, place: string): void {
  for (const key of ["listenerPath", "listenerMetadata"]) {
    if (!isAbsent(fields, key) && fields[key] !== "") {
      refuse(below(place, key), "names a listener, which jobs cannot bring; remove it");
    }
  }
}

const profileKeys = [
  "defaultAction",
  "defaultErrnoRet",
  "architectures",
  "archMap",
  "flags",
  "listenerPath",
  "listenerMetadata",
  "syscalls",
  "comment",
];

/** Reads a profile from parsed JSON. Throws ProfileError and nothing else. */
export function readProfile(value: unknown, source: string): Profile {
  const place = `${source}: `;
  const fields = readObject(value, place, profileKeys);
  readFlags(fields, place);
  readListener(fields, place);
  return {
    source,
    defaultAction: readAction(fields, "defaultAction", "defaultErrnoRet", place),
    architectures: readArchitectures(fields, place),
    rules: readList(fields, "syscalls", place).map((entry) => readRule(entry.value, entry.place)),
  };
}

/** Reads a profile from its text, at most 1 MiB. Throws ProfileError and nothing else. */
export function parseProfile(text: string, source: string): Profile {
  if (text.length > mostBytes) refuse(source, `has ${text.length} characters; a profile has at most ${mostBytes}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ProfileError(`${source}: is not JSON (${(error as Error).message}); write an OCI seccomp profile`, {
      cause: error,
    });
  }
  return readProfile(value, source);
}
