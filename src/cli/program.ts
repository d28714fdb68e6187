// A bundled program of dist/ and what V8 has compiled of it already, its code cache: most of a short call was compiling. V8
// does not notice that a cache is damaged or comes from another build of Node, and crashes on it; so the file begins with a
// checksum of itself and with what it was made from and by, and is left aside when one of them does not fit.
import { chmodSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { Script } from "node:vm";
import { crc32 } from "node:zlib";

/** What main.ts of the command line exports. */
export interface CommandLine {
  main(argv: string[]): Promise<void>;
}

export interface Program {
  /** Runs its outermost code: what it exports. */
  evaluate(): CommandLine;
  /** Why the cache was not used; null: it was. */
  readonly uncached: "missing" | "unfit" | "rejected" | null;
  /** Keeps what V8 has compiled until now. Throws where the file cannot be written. */
  writeCache(): void;
}

/** `path`: one function expression that takes what any CommonJS module gets, in ASCII, with its id in its first line. */
export function loadProgram(path: string): Program {
  const source = readFileSync(path, "latin1");
  const maker = makerOf(source);
  const cached = readCache(path, maker);
  const usable = typeof cached === "object";
  const script = new Script(source, usable ? { filename: path, cachedData: cached } : { filename: path });
  const uncached = usable ? (script.cachedDataRejected === true ? "rejected" : null) : cached;
  return {
    uncached,
    evaluate: () => evaluate(script, path),
    writeCache: () => replaceCache(path, seal(script.createCachedData(), maker)),
  };
}

function evaluate(script: Script, path: string): CommandLine {
  const module = { exports: {} as CommandLine };
  script.runInThisContext()(module.exports, createRequire(path), module, path, dirname(path));
  return module.exports;
}

function cachePath(program: string): string {
  return `${program}.cache`;
}

const checksumLength = 8;
const headLength = 256;

/** The text that the program is, and the very file that runs it: V8's own version does not tell two builds apart. */
function makerOf(source: string): string {
  const [, id] = source.slice(0, source.indexOf("\n")).split("// ");
  const { size, mtimeMs } = statSync(process.execPath);
  return [id, process.version, process.arch, size, mtimeMs].join(" ").slice(0, headLength - checksumLength);
}

/** Against damage; whoever could forge the cache could write the program. node:crypto takes longer to load than to use. */
function checksumOf(bytes: Uint8Array): string {
  return crc32(bytes).toString(16).padStart(checksumLength, "0");
}

function seal(code: Buffer, maker: string): Buffer {
  const rest = Buffer.concat([Buffer.from(maker.padEnd(headLength - checksumLength), "latin1"), code]);
  return Buffer.concat([Buffer.from(checksumOf(rest), "latin1"), rest]);
}

function readCache(path: string, maker: string): Buffer | "missing" | "unfit" {
  let file: Buffer;
  try {
    file = readFileSync(cachePath(path));
  } catch {
    return "missing";
  }
  if (file.toString("latin1", checksumLength, headLength).trimEnd() !== maker) return "unfit";
  if (file.toString("latin1", 0, checksumLength) !== checksumOf(file.subarray(checksumLength))) return "unfit";
  return file.subarray(headLength);
}

/** Whoever may read the program may read it too. */
function replaceCache(program: string, contents: Buffer): void {
  const path = cachePath(program);
  const temporary = `${path}.${process.pid}.new`;
  try {
    writeFileSync(temporary, contents);
    chmodSync(temporary, statSync(program).mode);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
