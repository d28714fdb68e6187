// Files of the certificate folder: whole or absent, never half written, never a key that others can read.
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { CredentialError } from "./failure.ts";

export const modes = { folder: 0o700, key: 0o600, certificate: 0o644 } as const;

export interface NewFile {
  readonly path: string;
  readonly content: string;
  readonly mode: number;
}

/** Makes the folder and its parents, mode 0700; one that exists keeps its mode. */
export function makeFolder(folder: string): void {
  attempt(folder, "cannot make the folder", () => mkdirSync(folder, { recursive: true, mode: modes.folder }));
}

/** Writes all files or, on a failure, none. Throws when one exists, unless `replace`; then each is swapped by rename(2). */
export function writeFiles(files: readonly NewFile[], replace: boolean): void {
  const written: string[] = [];
  try {
    for (const file of files) {
      writeFile(file, replace);
      if (!replace) written.push(file.path);
    }
  } catch (error) {
    for (const path of written) rmSync(path, { force: true });
    throw error;
  }
}

function writeFile(file: NewFile, replace: boolean): void {
  const temporary = join(dirname(file.path), `.${basename(file.path)}.${process.pid}`);
  try {
    attempt(file.path, "cannot write", () => {
      writeThrough(temporary, file);
      if (replace) renameSync(temporary, file.path);
      else linkSync(temporary, file.path); // link(2) refuses an existing name, which rename(2) would replace
    });
  } finally {
    rmSync(temporary, { force: true });
  }
}

function writeThrough(path: string, file: NewFile): void {
  rmSync(path, { force: true });
  const descriptor = openSync(path, "wx", file.mode);
  try {
    writeSync(descriptor, file.content);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** The text of a file; the error names it, the reason and the mend. */
export function readText(path: string, mend = ""): string {
  return attempt(path, "cannot read", () => readFileSync(path, "utf8"), mend);
}

/** Runs a file operation and tells its failure in words: `/etc/podium/ca.key: cannot read: permission denied`. */
export function attempt<T>(path: string, what: string, operation: () => T, mend = ""): T {
  try {
    return operation();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    throw new CredentialError(
      `${path}: ${what}: ${reasons[code] ?? String(error)}`,
      mend || (mends[code] ?? ""),
      error,
    );
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "no such file or folder",
  EACCES: "permission denied",
  EPERM: "not permitted",
  EEXIST: "it exists already",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of the path is not a folder",
  ENOSPC: "no space left on the disk",
  EROFS: "the file system is read-only",
};

const mends: Readonly<Record<string, string>> = {
  EACCES: "run as root, or name another folder with --dir",
  EROFS: "name another folder with --dir",
  EEXIST: "add --force to replace it",
};
