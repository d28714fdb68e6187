// The server's side of mutual TLS for grpc-js: TLS 1.3, a client certificate or no connection, reload in place.
import type { X509Certificate } from "node:crypto";
import { ServerCredentials } from "@grpc/grpc-js";
import { type LoadedFiles, loadServerFiles, type ServerFiles } from "./tls-files.ts";
import { CertificateTrust, type Trust } from "./trust.ts";

const handshakeTimeoutMs = 10_000;

/** Credentials for `server.bindAsync`, and the trust that `identityOf` asks at each call. */
export class MutualTls extends ServerCredentials implements Trust {
  readonly #files: ServerFiles;
  #loaded: LoadedFiles;
  #trust: CertificateTrust;

  /** Reads and checks the files; throws CredentialError. */
  static load(files: ServerFiles, now = new Date()): MutualTls {
    return new MutualTls(files, loadServerFiles(files, now));
  }

  private constructor(files: ServerFiles, loaded: LoadedFiles) {
    super({ requestCert: true, rejectUnauthorized: true, handshakeTimeout: handshakeTimeoutMs }, loaded.context);
    this.#files = files;
    this.#loaded = loaded;
    this.#trust = new CertificateTrust(loaded.authorities, loaded.crls);
  }

  /**
   * Reads the files again. New connections and new calls get the new certificate, authorities and revocation lists;
   * connections and running streams stay. Throws CredentialError and changes nothing when a file is wrong.
   */
  reload(now = new Date()): void {
    const loaded = loadServerFiles(this.#files, now);
    this.updateSecureContextOptions(loaded.context);
    this.#trust = new CertificateTrust(loaded.authorities, loaded.crls, this.#trust);
    this.#loaded = loaded;
  }

  refusalOf(certificate: X509Certificate): string | null {
    return this.#trust.refusalOf(certificate);
  }

  /** What ends within the given days, one sentence each, for the server's log. */
  warnings(now = new Date(), days = 30): string[] {
    const { certificate, authorities, crls } = this.#loaded;
    const ends = [
      { what: `${this.#files.cert}: the server's certificate`, at: new Date(certificate.validTo) },
      ...authorities.map((authority) => ({
        what: `${this.#files.ca}: the authority ${authority.subject.replaceAll("\n", ", ")}`,
        at: new Date(authority.validTo),
      })),
      ...crls.flatMap(({ nextUpdate }) =>
        nextUpdate === null ? [] : [{ what: `${this.#files.crl}: a revocation list`, at: nextUpdate }],
      ),
    ];
    const limitMs = now.getTime() + days * 86_400_000;
    return ends.filter(({ at }) => at.getTime() < limitMs).map(({ what, at }) => `${what} ends on ${at.toISOString()}`);
  }

  override _equals(other: ServerCredentials): boolean {
    return other === this;
  }
}
