import { lstatSync, unlinkSync } from "node:fs";
import { close, O_DIRECTORY, O_PATH } from "../sys/descriptors.ts";
import { openInRoot } from "../sys/resolve.ts";
import { pathOf, type Root } from "./root-target.ts";

/**
 * A distribution's /etc/resolv.conf is a link into /run, where a root that was never booted has nothing. What is removed is
 * the link in the layer of this job; its folder is looked up inside the root, and no link is followed in the last step.
 */
export function removeDanglingLink(root: Root, target: string): void {
  const cut = target.lastIndexOf("/");
  let folder: number;
  try {
    folder = openInRoot(root.fd, target.slice(0, cut), O_PATH | O_DIRECTORY);
  } catch {
    return; // it is made with the target
  }
  try {
    const path = `${pathOf(folder)}${target.slice(cut)}`;
    const isLink = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
    if (isLink && !leadsSomewhere(root, target)) unlinkSync(path);
  } finally {
    close(folder);
  }
}

function leadsSomewhere(root: Root, path: string): boolean {
  try {
    close(openInRoot(root.fd, path, O_PATH));
    return true;
  } catch {
    return false;
  }
}
