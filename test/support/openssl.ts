// Certificates made with plain openssl, the odd ones too: expired, with the wrong purpose, with weak keys.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder of its own for one test: `using folder = temporaryFolder("tls")`. */
export function temporaryFolder(name: string): { readonly path: string; [Symbol.dispose](): void } {
  const path = mkdtempSync(join(tmpdir(), `podium-${name}-`));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

export function openssl(...args: readonly string[]): string {
  return execFileSync("openssl", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

/** Paths of a certificate and its key. */
export interface OpensslPair {
  readonly cert: string;
  readonly key: string;
}

export interface OpensslRequest {
  /** As in `-subj`: `/O=podium:admin/CN=alice`. */
  readonly subject: string;
  readonly purpose?: "client" | "server" | "unsaid";
  /** Arguments of `openssl genpkey`; ECDSA P-256 unless said. */
  readonly key?: readonly string[];
  readonly hosts?: string;
  readonly start?: Date;
  readonly end?: Date;
}

const ecKey = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];

export function rsaKey(bits: number): string[] {
  return ["-algorithm", "RSA", "-pkeyopt", `rsa_keygen_bits:${bits}`];
}

/** An authority as an administrator makes one with `openssl req -x509` and `openssl ca`. */
export class OpensslAuthority {
  readonly cert: string;
  readonly key: string;
  readonly crl: string;
  readonly #folder: string;
  #issued = 0;

  constructor(folder: string, name: string) {
    this.#folder = join(folder, name.replaceAll(" ", "-"));
    mkdirSync(join(this.#folder, "new"), { recursive: true });
    this.cert = join(this.#folder, "ca.crt");
    this.key = join(this.#folder, "ca.key");
    this.crl = join(this.#folder, "ca.crl");
    writeFileSync(join(this.#folder, "index.txt"), "");
    writeFileSync(join(this.#folder, "ca.cnf"), this.#configuration());
    openssl("genpkey", ...ecKey, "-out", this.key);
    openssl("req", "-x509", "-new", "-key", this.key, "-subj", `/CN=${name}`, "-days", "30", "-out", this.cert);
  }

  #configuration(): string {
    const folder = this.#folder;
    return [
      "[ca]\ndefault_ca = own",
      `[own]\ndir = ${folder}\ndatabase = ${folder}/index.txt\nnew_certs_dir = ${folder}/new`,
      `certificate = ${this.cert}\nprivate_key = ${this.key}\nrand_serial = yes\nunique_subject = no`,
      "default_md = sha256\npolicy = any\nemail_in_dn = no\ndefault_days = 30\ndefault_crl_days = 30",
      "[any]\ncommonName = optional",
      "",
    ].join("\n");
  }

  issue(request: OpensslRequest): OpensslPair {
    const path = (suffix: string): string => join(this.#folder, `${this.#issued}.${suffix}`);
    this.#issued++;
    const [cert, key, csr, extensions] = [path("crt"), path("key"), path("csr"), path("ext")];
    openssl("genpkey", ...(request.key ?? ecKey), "-out", key);
    openssl("req", "-new", "-key", key, "-subj", request.subject, "-out", csr);
    writeFileSync(extensions, extensionLines(request));
    const dates = [
      "-startdate",
      opensslDate(request.start ?? fromNow(-1)),
      "-enddate",
      opensslDate(request.end ?? fromNow(1)),
    ];
    this.#ca("-batch", "-notext", "-preserveDN", "-in", csr, "-out", cert, "-extfile", extensions, ...dates);
    return { cert, key };
  }

  revoke(cert: string): void {
    this.#ca("-revoke", cert);
  }

  /** Writes `crl`, good until the given time. */
  writeCrl(end = fromNow(30)): void {
    const times = ["-crl_lastupdate", opensslDate(fromNow(-60)), "-crl_nextupdate", opensslDate(end)];
    this.#ca("-gencrl", ...times, "-out", this.crl);
  }

  #ca(...args: readonly string[]): void {
    openssl("ca", "-config", join(this.#folder, "ca.cnf"), ...args);
  }
}

function extensionLines({ purpose = "client", hosts }: OpensslRequest): string {
  const lines = ["basicConstraints = CA:FALSE"];
  if (purpose !== "unsaid") lines.push(`extendedKeyUsage = ${purpose}Auth`);
  if (hosts !== undefined) lines.push(`subjectAltName = ${hosts}`);
  return `${lines.join("\n")}\n`;
}

/** So many days from now. */
export function fromNow(days: number): Date {
  return new Date(Date.now() + days * 86_400_000);
}

function opensslDate(date: Date): string {
  return date.toISOString().replace(/[-:T]|\.\d+/g, "");
}

/** A certificate that vouches for itself. */
export function selfSigned(folder: string, subject: string): OpensslPair {
  const [cert, key] = [join(folder, "self.crt"), join(folder, "self.key")];
  openssl("genpkey", ...ecKey, "-out", key);
  openssl("req", "-x509", "-new", "-key", key, "-subj", subject, "-days", "30", "-out", cert);
  return { cert, key };
}

export function readPair(pair: OpensslPair): { cert: string; key: string } {
  return { cert: readFileSync(pair.cert, "utf8"), key: readFileSync(pair.key, "utf8") };
}
