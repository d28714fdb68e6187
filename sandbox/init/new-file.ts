// Files of a job folder that init writes from their beginning. The server may have made them ahead, empty.
import { close, O_CREAT, O_WRONLY, open, writeAt } from "../sys/descriptors.ts";
import { rename } from "../sys/files.ts";

/** Not with O_TRUNC: to an empty file it does nothing but have ext4 write it out when it is closed (auto_da_alloc, ext4(5)). */
export function openNew(path: string): number {
  return open(path, O_WRONLY | O_CREAT, 0o600);
}

/** With its content, by rename: a tenth of making a file where `path`.next was made ahead. */
export function appear(path: string, text: string): void {
  writeNew(`${path}.next`, text);
  rename(`${path}.next`, path);
}

export function writeNew(path: string, text: string): void {
  const fd = openNew(path);
  writeAt(fd, Buffer.from(text), 0);
  close(fd);
}
