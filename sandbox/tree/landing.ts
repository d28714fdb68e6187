import { mkdirSync, statSync } from "node:fs";

/** Where an `Unpacker` is to put what it gets. */
export interface Landing {
  readonly folder: string;
  readonly top: string;
}

/**
 * Where something called `name` lands when it is copied to `target`, as cp(1) has it: in it when that is a folder, else under
 * that very name. `onlyContents` (`SRC/.`) puts what is in it right into `target`, which is made when it is missing.
 */
export function landingOf(target: string, name: string, onlyContents: boolean): Landing {
  const isFolder = statSync(target, { throwIfNoEntry: false })?.isDirectory();
  if (onlyContents) {
    if (isFolder === undefined) mkdirSync(target);
    return { folder: target, top: "" };
  }
  if (isFolder === true) return { folder: target, top: name };
  const whole = target.replace(/\/+$/, "");
  const cut = whole.lastIndexOf("/");
  return { folder: cut < 0 ? "." : whole.slice(0, cut) || "/", top: whole.slice(cut + 1) };
}

/** The last name of a path, and whether only what is in it is meant (`DIR/.`, `.`, `/`). */
export function topOf(path: string): { readonly name: string; readonly onlyContents: boolean } {
  const onlyContents = /(^|\/)\.$/.test(path) || path === "/";
  const name =
    path
      .replace(/\/\.?$/, "")
      .replace(/\/+$/, "")
      .split("/")
      .at(-1) ?? "";
  return { name: name === "" || name === "." || name === ".." ? "files" : name, onlyContents };
}
