// `NAME.podium`: everything a client needs, in one JSON file.
import { CredentialError } from "../certs/failure.ts";

export interface ProfileFile {
  /** HOST:PORT. */
  readonly server: string;
  /** Certificates of the authorities that the server's certificate may come from, PEM. */
  readonly ca: string;
  /** The user's certificate, and its chain where there is one, PEM. */
  readonly certificate: string;
  /** The user's private key, PEM. */
  readonly key: string;
}

const profileFields = ["server", "ca", "certificate", "key"] as const satisfies (keyof ProfileFile)[];

export function encodeProfile(profile: ProfileFile): string {
  const { server, ca, certificate, key } = profile;
  return `${JSON.stringify({ server, ca, certificate, key }, null, 2)}\n`;
}

/** Reads the text of a profile; `path` is named in errors. A field may be missing, where a flag or variable gives it. */
export function decodeProfile(text: string, path: string): Partial<ProfileFile> {
  const fields = parseObject(text, path);
  for (const [field, value] of Object.entries(fields)) {
    if (!(profileFields as readonly string[]).includes(field)) {
      throw new CredentialError(`${path}: unknown field ${JSON.stringify(field)}`, fieldsMend);
    }
    if (typeof value !== "string" || value === "") {
      throw new CredentialError(`${path}: field ${JSON.stringify(field)} is not a text`, fieldsMend);
    }
  }
  return fields as Partial<ProfileFile>;
}

function parseObject(text: string, path: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    throw new CredentialError(`${path}: not a profile: ${(error as Error).message}`, fieldsMend, error);
  }
  throw new CredentialError(`${path}: not a profile: not a JSON object`, fieldsMend);
}

const fieldsMend = `a profile is the NAME.podium of podium certs issue: JSON with ${profileFields.join(", ")}`;
