// Generates the TypeScript of the API from its .proto files: `npm run gen`. With --check (`npm run gen:check`) nothing
// is written: ends 1 and names each file that is not what the .proto files give, or a rule of buf.yaml that they break.
// Needs no network. Plain JavaScript, because it must run before anything is built.

import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Folder of .proto files → folder of what is generated from it, and from nothing else. */
const outputs = { proto: "src/gen", "test/rfd": "test/rfd/gen" };

function buf(...args) {
  const { status, error, stdout, stderr } = spawnSync("node_modules/.bin/buf", args, { encoding: "utf8" });
  if (error !== undefined) {
    throw new Error(`cannot run buf: ${error.message}: run this with npm in the project's folder, after npm ci`);
  }
  if (status !== 0) throw new Error(`buf ${args.join(" ")} failed:\n${stdout}${stderr}`);
}

/** The files below `folder` by their relative path; none if there is no such folder. */
function filesBelow(folder) {
  try {
    const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    return new Set(files.map((file) => join(file.parentPath ?? file.path, file.name).slice(folder.length + 1)));
  } catch (error) {
    if (error.code === "ENOENT") return new Set();
    throw error;
  }
}

/** One line for each file in which the two folders differ. */
function differences(fresh, committed) {
  const expected = filesBelow(fresh);
  const found = filesBelow(committed);
  const lines = [];
  for (const file of [...new Set([...expected, ...found])].sort()) {
    const path = join(committed, file);
    if (!found.has(file)) lines.push(`${path}: missing`);
    else if (!expected.has(file)) lines.push(`${path}: no .proto file gives it`);
    else if (!readFileSync(path).equals(readFileSync(join(fresh, file)))) lines.push(`${path}: differs`);
  }
  return lines;
}

function check(fresh) {
  buf("lint");
  const lines = Object.values(outputs).flatMap((folder) => differences(join(fresh, folder), folder));
  if (lines.length === 0) return;
  throw new Error(`generated code does not match its .proto files:\n  ${lines.join("\n  ")}\nmend: npm run gen`);
}

function replace(fresh) {
  for (const folder of Object.values(outputs)) {
    rmSync(folder, { recursive: true, force: true });
    cpSync(join(fresh, folder), folder, { recursive: true });
  }
}

const fresh = mkdtempSync(join(tmpdir(), "podium-gen-"));
try {
  for (const [input, folder] of Object.entries(outputs)) buf("generate", input, "--output", join(fresh, folder));
  if (process.argv.includes("--check")) check(fresh);
  else replace(fresh);
} catch (error) {
  console.error(`gen: ${error.message}`);
  process.exitCode = 1;
} finally {
  rmSync(fresh, { recursive: true, force: true });
}
