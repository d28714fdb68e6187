// Builds build/ (every module, type checked, for the tests) and dist/ (bundles, for users). Each half is skipped while
// the files it is made from have not changed since it last succeeded.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");

const settings = ["tsconfig.json", "package.json", "package-lock.json", "scripts/build.mjs"];
const productFolders = ["src", "sandbox", "net"];
const allFolders = [...productFolders, "scripts", "test"];

function filesBelow(folder) {
  const path = join(root, folder);
  if (!existsSync(path)) return [];
  const entries = readdirSync(path, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

/** Changes when an input is added, removed or written, and with the Node that builds: the code caches fit that one alone. */
function fingerprint(folders) {
  const node = statSync(process.execPath);
  const hash = createHash("sha256").update(`${process.version} ${node.mtimeMs} ${node.size}\n`);
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

/** In place of all of grpc-js, of which a client needs a fifth; and what that fifth has in place of node:net. */
const grpcOfClient = {
  name: "grpc-js of a client",
  setup({ onResolve }) {
    onResolve({ filter: /^@grpc\/grpc-js$/ }, () => ({ path: join(root, "src/client/grpc-js.ts") }));
    onResolve({ filter: /^net$/ }, ({ importer }) =>
      importer.includes("/@grpc/grpc-js/") ? { path: join(root, "src/client/grpc-net.ts") } : undefined,
    );
  },
};

/**
 * The command line without its entry: one function expression in ASCII, for src/cli/program.ts. Its first line, which
 * `named` writes, says what the rest is.
 */
const commandLine = {
  ...common,
  format: "cjs",
  outExtension: { ".js": ".cjs" },
  banner: { js: "(function (exports, require, module, __filename, __dirname) {" },
  footer: { js: "})" },
  define: { "import.meta.url": "bundleUrl" },
  inject: [join(root, "scripts/bundle-url.mjs")],
  supported: { "dynamic-import": false },
  // Less to read at each start; names stay, and lines, so that the stack of an internal error says where it was.
  minifyWhitespace: true,
  minifySyntax: true,
  lineLimit: 200,
};

/** CommonJS packages inside an ES module expect these three. */
const banner = {
  js: `import { createRequire as bundleRequire } from "node:module";
import { fileURLToPath as bundlePath } from "node:url";
const require = bundleRequire(import.meta.url);
const __filename = bundlePath(import.meta.url);
const __dirname = bundlePath(new URL(".", import.meta.url));`,
};

const commandLines = { client: join(root, "dist/client.cjs"), host: join(root, "dist/host.cjs") };

const hostCommands = JSON.parse(readFileSync(join(root, "src/cli/host-commands.json"), "utf8"));

const bundles = [
  // One file each in CommonJS: the zygote, the trials of doctor and what they fork can load nothing asynchronously.
  {
    ...common,
    entryPoints: {
      zygote: "sandbox/zygote/main.ts",
      copy: "sandbox/copy/main.ts",
      exec: "sandbox/exec/main.ts",
      disk: "src/jobs/disk/main.ts",
      trials: "sandbox/requirements/main.ts",
      "network-agent": "net/agent/main.ts",
      "network-probe": "net/probe/main.ts",
    },
    format: "cjs",
    outExtension: { ".js": ".cjs" },
  },
  {
    ...common,
    entryPoints: { podium: "src/cli/podium.ts" },
    format: "cjs",
    define: { "import.meta.dirname": "__dirname" },
  },
  { ...commandLine, entryPoints: { host: "src/cli/main.ts" } },
  {
    ...commandLine,
    entryPoints: { client: "src/cli/main.ts" },
    external: [...common.external, "@grpc/proto-loader", ...hostCommands.map((name) => `./${name}.ts`)],
    plugins: [grpcOfClient],
  },
];

/** Bundles to dist/. Every file is replaced by rename, so a program that starts meanwhile sees whole files. */
export function bundle() {
  return whenChanged("dist", [...productFolders, "scripts"], async () => {
    const { build } = await import("esbuild");
    try {
      const results = await Promise.all(bundles.map((options) => build(options)));
      for (const { path, contents } of results.flatMap((result) => result.outputFiles)) {
        replaceFile(path, Object.values(commandLines).includes(path) ? named(contents) : contents);
      }
      replaceFile(join(root, "dist/package.json"), '{ "type": "commonjs" }\n');
      rmSync(join(root, "dist/chunks"), { recursive: true, force: true }); // of an older build
      return await warmUp(build);
    } catch (error) {
      // esbuild has printed its own errors already.
      if (error.errors === undefined) throw error;
      return false;
    }
  });
}

/** With the digest of the rest in the first line. */
function named(contents) {
  const text = Buffer.from(contents).toString("latin1");
  const [first = "", ...rest] = text.split("\n");
  const id = createHash("sha256").update(rest.join("\n")).digest("hex").slice(0, 32);
  return [`${first} // ${id}`, ...rest].join("\n");
}

/** Makes V8's code cache for both command lines, with the Node that builds. Without one podium is slower, and works. */
async function warmUp(build) {
  const outfile = join(root, `dist/warm-up.${process.pid}.mjs`);
  await build({
    ...common,
    outdir: undefined,
    outfile,
    entryPoints: ["scripts/warm-up.ts"],
    format: "esm",
    sourcemap: false,
    write: true,
    banner,
  });
  try {
    const args = [outfile, commandLines.client, commandLines.host];
    const { status, signal, stderr } = spawnSync(process.execPath, args, {
      // Nothing of the caller's: PODIUM_SERVER is not meant here, and a V8 flag would make a cache for that flag alone.
      env: { PATH: process.env.PATH ?? "", TMPDIR: tmpdir() },
      encoding: "utf8",
      stdio: ["ignore", "ignore", "pipe"],
      timeout: 120_000,
    });
    if (status !== 0) process.stderr.write(`no code cache, podium will start slowly: ${signal ?? stderr}\n`);
  } finally {
    rmSync(outfile);
  }
  return true;
}

function replaceFile(path, contents) {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.new`;
  writeFileSync(temporary, contents);
  renameSync(temporary, path);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const compiled = await compile();
  const bundled = await bundle();
  process.exitCode = compiled && bundled ? 0 : 1;
}
