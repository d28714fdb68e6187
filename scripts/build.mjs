// Builds build/ (every module, type checked, for the tests) and dist/ (bundles, for users). Each half is skipped while
// the files it is made from have not changed since it last succeeded.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");

const settings = ["tsconfig.json", "package.json", "package-lock.json", "scripts/build.mjs"];
const productFolders = ["src", "sandbox", "net"];
const allFolders = [...productFolders, "scripts", "test"];

/** Milliseconds that a chunk nobody links to any more is kept, because a running program may still load it. */
const oldChunkMs = 24 * 3600 * 1000;

function filesBelow(folder) {
  const path = join(root, folder);
  if (!existsSync(path)) return [];
  const entries = readdirSync(path, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

/** Changes when an input is added, removed or written. */
function fingerprint(folders) {
  const hash = createHash("sha256");
  for (const file of [...settings, ...folders.flatMap(filesBelow)].sort()) {
    const { mtimeMs, size } = statSync(join(root, file));
    hash.update(`${file} ${mtimeMs} ${size}\n`);
  }
  return hash.digest("hex");
}

/** Runs `make` unless `folder` was made from the same inputs; true when the folder is good. */
async function whenChanged(folder, inputs, make) {
  const stamp = join(root, folder, ".inputs");
  const before = fingerprint(inputs);
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === before) return true;
  rmSync(stamp, { force: true });
  if (!(await make())) return false;
  writeFileSync(stamp, before);
  return true;
}

/** Compiles to build/. With type errors it still emits, so that the tests can say more. */
export function compile() {
  return whenChanged("build", allFolders, () => {
    removeOrphans();
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    const { status } = spawnSync(process.execPath, [tsc, "-p", root], { cwd: root, stdio: ["ignore", 2, 2] });
    return status === 0;
  });
}

/** Removes compiled files whose source is gone: a test must not import what no longer exists. */
function removeOrphans() {
  for (const file of filesBelow("build")) {
    const source = file.replace(/^build\//, "").replace(/\.js(\.map)?$/, ".ts");
    if (source.endsWith(".ts") && !existsSync(join(root, source))) rmSync(join(root, file));
  }
}

/** What both bundles share. koffi, netlink and iproute stay outside: the first two load native code by path. */
const common = {
  absWorkingDir: root,
  outdir: "dist",
  bundle: true,
  platform: "node",
  target: "node20",
  external: ["koffi", "netlink", "iproute"],
  sourcemap: true,
  sourcesContent: false,
  write: false,
  metafile: false,
  logLevel: "warning",
  // A bundle in CommonJS has no import.meta: whatever asks for it would get undefined at run time.
  logOverride: { "empty-import-meta": "error", "require-resolve-not-external": "error" },
};

/** CommonJS packages inside an ES module bundle expect these three. */
const banner = `import { createRequire as bundleRequire } from "node:module";
import { fileURLToPath as bundlePath } from "node:url";
const require = bundleRequire(import.meta.url);
const __filename = bundlePath(import.meta.url);
const __dirname = bundlePath(new URL(".", import.meta.url));`;

const bundles = [
  // One file each in CommonJS: the zygote, the trials of doctor and what they fork can load nothing asynchronously.
  {
    ...common,
    entryPoints: {
      zygote: "sandbox/zygote/main.ts",
      copy: "sandbox/copy/main.ts",
      exec: "sandbox/exec/main.ts",
      trials: "sandbox/requirements/main.ts",
      "network-agent": "net/agent/main.ts",
      "network-probe": "net/probe/main.ts",
    },
    format: "cjs",
    outExtension: { ".js": ".cjs" },
  },
  {
    ...common,
    entryPoints: { podium: "src/cli/main.ts" },
    format: "esm",
    splitting: true,
    chunkNames: "chunks/[name]-[hash]",
    banner: { js: banner },
  },
];

/** Bundles to dist/. Every file is replaced by rename, so a program that starts meanwhile sees whole files. */
export function bundle() {
  return whenChanged("dist", productFolders, async () => {
    const { build } = await import("esbuild");
    try {
      const results = await Promise.all(bundles.map((options) => build(options)));
      const files = results.flatMap((result) => result.outputFiles);
      for (const file of files) replaceFile(file.path, file.contents);
      removeOldChunks(new Set(files.map((file) => file.path)));
      return true;
    } catch (error) {
      // esbuild has printed its own errors already.
      if (error.errors === undefined) throw error;
      return false;
    }
  });
}

function replaceFile(path, contents) {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.new`;
  writeFileSync(temporary, contents);
  renameSync(temporary, path);
}

function removeOldChunks(current) {
  for (const file of filesBelow("dist/chunks").map((name) => join(root, name))) {
    if (!current.has(file) && Date.now() - statSync(file).mtimeMs > oldChunkMs) rmSync(file);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const compiled = await compile();
  const bundled = await bundle();
  process.exitCode = compiled && bundled ? 0 : 1;
}
