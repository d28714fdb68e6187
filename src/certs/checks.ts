// What must be true of a certificate and key before they are used: told at load time in words, because a handshake
// that fails later says nothing to either side.
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { purposes } from "./extensions.ts";
import { CredentialError } from "./failure.ts";

/** PEM text and where it came from, as the user knows it: a file, or a field of a profile. */
export interface PemSource {
  readonly label: string;
  readonly pem: string;
}

const certificateBlock =
  /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[^-]*-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g;

/** All certificates of a PEM text, at least one. */
export function parseCertificates(source: PemSource): X509Certificate[] {
  const blocks = source.pem.match(certificateBlock) ?? [];
  if (blocks.length === 0) {
    const mend = source.pem.includes("PRIVATE KEY")
      ? "this is a private key: certificate and key are swapped"
      : pemMend;
    throw new CredentialError(`${source.label}: holds no certificate in PEM form`, mend);
  }
  return blocks.map((block) => parseCertificate(source.label, block));
}

const pemMend = "give a file that begins with -----BEGIN CERTIFICATE-----";

function parseCertificate(label: string, block: string): X509Certificate {
  try {
    return new X509Certificate(block);
  } catch (error) {
    throw new CredentialError(`${label}: the certificate cannot be read: ${(error as Error).message}`, pemMend, error);
  }
}

/** The first certificate, which is the holder's own; the others are its chain. */
export function parseCertificateChain(source: PemSource): [X509Certificate, ...X509Certificate[]] {
  return parseCertificates(source) as [X509Certificate, ...X509Certificate[]];
}

/** The private key; one that needs a pass phrase is refused, for a server starts without a person. */
export function parseKey(source: PemSource): KeyObject {
  try {
    return createPrivateKey(source.pem);
  } catch (error) {
    if (!source.pem.includes("PRIVATE KEY-----")) {
      throw new CredentialError(
        `${source.label}: holds no private key in PEM form`,
        "give the file that ends in .key",
        error,
      );
    }
    if (/ENCRYPTED/.test(source.pem)) {
      const mend = `remove the pass phrase: openssl pkey -in ${source.label} -out new.key`;
      throw new CredentialError(`${source.label}: the private key is protected by a pass phrase`, mend, error);
    }
    throw new CredentialError(
      `${source.label}: the private key cannot be read: ${(error as Error).message}`,
      "",
      error,
    );
  }
}

export function checkPair(certificate: X509Certificate, label: string, key: KeyObject, keyLabel: string): void {
  if (certificate.checkPrivateKey(key)) return;
  throw new CredentialError(
    `${keyLabel}: the key does not belong to the certificate ${label}`,
    "give the certificate and the key that were made together",
  );
}

/** Refuses RSA and DSA keys below 2048 bits: less than 112 bits of security. */
export function checkStrength(certificate: X509Certificate, label: string): void {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = certificate.publicKey;
  const bits = details?.modulusLength;
  if (bits !== undefined && bits < 2048) {
    throw new CredentialError(
      `${label}: its ${type?.toUpperCase()} key of ${bits} bits is too weak`,
      "make a key of at least 2048 bits (podium certs issue makes ECDSA P-256)",
    );
  }
}

/** Refuses a certificate that is not valid now. */
export function checkDates(certificate: X509Certificate, label: string, now: Date, mend = ""): void {
  if (now > new Date(certificate.validTo)) {
    throw new CredentialError(`${label}: the certificate expired on ${certificate.validTo}`, mend || "issue a new one");
  }
  if (now < new Date(certificate.validFrom)) {
    const mendClock = "wait, or set this machine's clock right";
    throw new CredentialError(`${label}: the certificate is not valid before ${certificate.validFrom}`, mendClock);
  }
}

export function checkAuthority(certificate: X509Certificate, label: string): void {
  if (certificate.ca) return;
  throw new CredentialError(
    `${label}: the certificate is not that of a certificate authority (no basicConstraints CA:TRUE)`,
    "give the ca.crt that signed the certificates",
  );
}

/** A certificate without extended key usage serves every purpose (RFC 5280, 4.2.1.12). */
export function checkPurpose(certificate: X509Certificate, label: string, purpose: "server" | "client"): void {
  // Node calls the extended key usage keyUsage, and leaves it undefined where there is none.
  const usages: readonly string[] | undefined = certificate.keyUsage;
  if (usages === undefined || usages.includes(purposes[purpose]) || usages.includes(purposes.any)) return;
  throw new CredentialError(
    `${label}: the certificate is not for a ${purpose} (extended key usage ${usages.join(", ")})`,
    purpose === "server" ? "give the server.crt of podium certs init" : "give one of podium certs issue",
  );
}
