// `podium certs`: the authority, the server's certificate and those of users. What does the work is loaded only when
// one of them runs, for every `podium --help` builds these commands.
import { Command, InvalidArgumentError, Option } from "commander";
import { authorityDays, defaultCertsFolder, defaultDays, defaultServer } from "../certs/defaults.ts";
import { formatServer, parseServer } from "../client/profile.ts";
import { cliErrorOf, tell } from "./failure.ts";

export function certsCommand(): Command {
  const certs = new Command("certs").description("make and revoke certificates for the server and its users");
  certs.addCommand(initCommand());
  certs.addCommand(issueCommand());
  certs.addCommand(renewCommand());
  certs.addCommand(listCommand());
  certs.addCommand(revokeCommand());
  return certs;
}

function initCommand(): Command {
  return new Command("init")
    .description("make a certificate authority and the server's certificate")
    .addOption(folderOption())
    .option("--host <name>", "further name or address of the server (repeatable)", collect, [])
    .addOption(daysOption(defaultDays))
    .option("--force", "replace an authority that exists: everything it issued is void")
    .action(async (flags: { dir: string; host: string[]; days: number; force?: true }) => {
      const { dir: folder, host: hosts, days } = flags;
      const { initAuthority } = await import("../certs/authority.ts");
      const written = told(() => initAuthority({ folder, hosts, days, replace: flags.force === true }));
      print(...written.map((path) => `wrote ${path}`));
      print(`next: podium certs issue NAME${folder === defaultCertsFolder ? "" : ` --dir ${folder}`}`);
    });
}

function issueCommand(): Command {
  return new Command("issue")
    .description("make a user's certificate, key and profile")
    .argument("<name>", "user name, the certificate's CommonName")
    .addOption(new Option("--admin", "may see and stop all jobs").conflicts("viewer"))
    .addOption(new Option("--viewer", "may read all jobs and logs and change nothing").conflicts("admin"))
    .addOption(folderOption())
    .addOption(
      new Option("--server <host:port>", "server address for the profile").default(defaultServer).argParser(address),
    )
    .addOption(daysOption(defaultDays))
    .option("--force", "replace files that exist; the certificate before stays valid until it is revoked")
    .action(async (name: string, flags: IssueFlags) => {
      const role = flags.admin === true ? "admin" : flags.viewer === true ? "viewer" : "user";
      const { server, days } = flags;
      const request = { name, role, server, days, replace: flags.force === true } as const;
      const { issueUser, openAuthority } = await import("../certs/authority.ts");
      const written = told(() => issueUser(openAuthority(flags.dir), request));
      print(...written.map((path) => `wrote ${path}`));
      print(`next: give ${name} the file ${written.at(-1)}; podium --profile ${name}.podium uses it`);
    });
}

interface IssueFlags {
  readonly admin?: true;
  readonly viewer?: true;
  readonly dir: string;
  readonly server: string;
  readonly days: number;
  readonly force?: true;
}

function renewCommand(): Command {
  return new Command("renew")
    .description("make a new certificate, key and profile of the same user; or of the server")
    .argument("<name>", "user name, or server")
    .addOption(folderOption())
    .addOption(daysOption(defaultDays))
    .action(async (name: string, { dir, days }: { dir: string; days: number }) => {
      const { openAuthority } = await import("../certs/authority.ts");
      const { renewCertificate } = await import("../certs/renewal.ts");
      const written = told(() => renewCertificate(openAuthority(dir), { name, days }));
      print(...written.map((path) => `wrote ${path}`));
      if (name === "server") print("next: nothing; a running podium serve takes it by itself within seconds");
      else print(`next: give ${name} the file ${written.at(-1)}; the certificate before stays valid until it ends`);
    });
}

function listCommand(): Command {
  return new Command("list")
    .description("list the certificates that were issued")
    .addOption(folderOption())
    .addOption(new Option("-o, --output <format>", "json").choices(["json"]))
    .action(async (flags: { dir: string; output?: "json" }) => {
      const { listCertificates } = await import("../certs/revocation.ts");
      const { expiryWarnings } = await import("../certs/expiry.ts");
      const entries = told(() => listCertificates(flags.dir));
      for (const warning of expiryWarnings(entries, new Date())) tell(warning);
      if (flags.output === "json") return print(JSON.stringify(entries, null, 2));
      const rows = entries.map(({ serial, name, role, state, notAfter }) => [serial, state, role, notAfter, name]);
      for (const [serial = "", state = "", role = "", end = "", name] of [
        ["SERIAL", "STATE", "ROLE", "ENDS", "NAME"],
        ...rows,
      ]) {
        print([serial.padEnd(32), state.padEnd(7), role.padEnd(6), end.slice(0, 10).padEnd(10), name].join("  "));
      }
    });
}

function revokeCommand(): Command {
  return new Command("revoke")
    .description("revoke a user's certificates, or the one with a serial number")
    .argument("<name-or-serial>", "user name, or serial number in hexadecimal")
    .addOption(folderOption())
    .action(async (nameOrSerial: string, flags: { dir: string }) => {
      const { openAuthority } = await import("../certs/authority.ts");
      const { revokeCertificates } = await import("../certs/revocation.ts");
      const serials = told(() => revokeCertificates(openAuthority(flags.dir), nameOrSerial));
      print(...serials.map((serial) => `revoked ${serial}`), `wrote ${flags.dir}/ca.crl`);
      print(
        "next: nothing; a running podium serve reads the ca.crl beside its --ca file, or its --crl, within seconds",
      );
    });
}

function folderOption(): Option {
  return new Option("--dir <dir>", "folder of the certificates").default(defaultCertsFolder);
}

function daysOption(days: number): Option {
  return new Option("--days <n>", "days that the certificate is valid").default(days).argParser(dayCount);
}

function dayCount(text: string): number {
  const days = Number(text);
  if (/^\d{1,5}$/.test(text) && days >= 1 && days <= authorityDays) return days;
  throw new InvalidArgumentError(`It must be a whole number from 1 to ${authorityDays}.`);
}

function address(text: string): string {
  try {
    return formatServer(parseServer(text));
  } catch {
    throw new InvalidArgumentError("It must be HOST:PORT, for example 192.0.2.1:7443.");
  }
}

function collect(value: string, previous: string[]): string[] {
  return [...previous, value];
}

function told<T>(operation: () => T): T {
  try {
    return operation();
  } catch (error) {
    throw cliErrorOf(error);
  }
}

function print(...lines: readonly string[]): void {
  for (const line of lines) process.stdout.write(`${line}\n`);
}
