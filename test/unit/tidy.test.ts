// The part of the style that the linter cannot say.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import * as assert from "uvu/assert";
import { root } from "../support/runner/catalog.ts";
import { suite } from "../support/suite.ts";

const test = suite("tidy");

const folders = ["src", "sandbox", "net", "proto", "scripts", "test", "docs"];

function projectFiles(): string[] {
  return folders.filter((folder) => existsSync(join(root, folder))).flatMap(filesBelow);
}

function filesBelow(folder: string): string[] {
  const entries = readdirSync(join(root, folder), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

const generated = /^(src\/gen|test\/rfd\/gen)\//;
const code = /\.(ts|mjs|cjs|js|c|sh|proto)$|^scripts\/[^.]+$/;

function ownCode(): string[] {
  return projectFiles().filter((file) => code.test(file) && !generated.test(file));
}

function linesOf(file: string): string[] {
  return readFileSync(join(root, file), "utf8").split("\n");
}

/** `file:line` of each line that matches. */
function places(files: readonly string[], pattern: RegExp): string[] {
  return files.flatMap((file) =>
    linesOf(file).flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [])),
  );
}

test("there are files to look at", () => assert.ok(ownCode().includes("test/unit/tidy.test.ts")));

test("no file but the API is longer than 300 lines", () => {
  const long = ownCode().filter((file) => !file.endsWith(".proto") && linesOf(file).length > 301);
  assert.equal(long, []);
});

test("no file is named after nothing", () => {
  const vague = projectFiles().filter((file) => /^(utils?|helpers?|managers?|common|misc)$/.test(stem(file)));
  assert.equal(vague, []);
});

function stem(file: string): string {
  return basename(file).replace(/(\.test)?\.[a-z]+$/, "");
}

test("file and folder names are lower case with hyphens", () => {
  const odd = ownCode().filter((file) => !/^[a-z0-9./_-]+$/.test(file) || /_/.test(basename(file).replace(/^_+/, "")));
  assert.equal(odd, []);
});

test("nothing is left for later", () => {
  // Spelt in parts, so that this file does not find itself.
  const marks = new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"].join("|")})\\b`);
  assert.equal(places(ownCode(), marks), []);
});

test("no path of the machine it was written on is in it", () => {
  const machine = new RegExp(`/${"wo" + "rk"}/(main|shared)`);
  assert.equal(places(projectFiles(), machine), []);
});

test("a check is silenced only for one line and with the reason", () => {
  const silent = /@ts-(ignore|nocheck)|biome-ignore-all|biome-ignore [^:]+:\s*$/;
  const others = ownCode().filter((file) => file !== "test/unit/tidy.test.ts");
  assert.equal(places(others, silent), []);
});

test("relative imports name the .ts file, and nothing is re-exported but by a public face", () => {
  const sources = ownCode().filter((file) => file.endsWith(".ts"));
  assert.equal(places(sources, /^export (\*|\{[^}]*\}) from /), []);
});

test("every `npm run` that is written of is there", () => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const texts = [...projectFiles(), ...readdirSync(root).filter((name) => name.endsWith(".md"))];
  const named = texts.flatMap((file) => [
    ...readFileSync(join(root, file), "utf8").matchAll(/npm run ([a-z][a-z:-]*)/g),
  ]);
  const missing = named.map(([, name = ""]) => name).filter((name) => !(name in scripts));
  assert.equal([...new Set(missing)], []);
});
