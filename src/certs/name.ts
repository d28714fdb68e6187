// Distinguished names (RFC 5280, 4.1.2.4), read from the DER itself: a printed name cannot tell a CommonName that
// contains "/CN=root" or a line break from two CommonNames.
import { element, oid, sequence, setOf, tags } from "./der.ts";
import { at, children, DerError, type Element, readElement, readOid } from "./der-reader.ts";

export const nameTypes = { commonName: "2.5.4.3", organization: "2.5.4.10" } as const;

export interface NameAttribute {
  /** Object identifier of the attribute, dotted. */
  readonly type: string;
  /** DER tag of the value: its string type. */
  readonly tag: number;
  readonly value: Buffer;
}

/** One attribute in UTF-8. */
export function attribute(type: string, text: string): NameAttribute {
  return { type, tag: tags.utf8String, value: Buffer.from(text, "utf8") };
}

/** The name as DER, one attribute to each relative name. */
export function encodeName(attributes: readonly NameAttribute[]): Buffer {
  return sequence(...attributes.map(({ type, tag, value }) => setOf(sequence(oid(type), element(tag, value)))));
}

/** Every attribute of a name, those of multi-valued relative names too, in order. */
export function readName(name: Element): NameAttribute[] {
  return children(name, tags.sequence).flatMap((relative) =>
    children(relative, tags.set).map((pair) => {
      const parts = children(pair, tags.sequence);
      const value = parts[1];
      if (value === undefined || parts.length !== 2) throw new DerError("name attribute is not a pair");
      return { type: readOid(at(parts, 0, tags.oid)), tag: value.tag, value: value.content };
    }),
  );
}

/** Issuer and subject of a certificate (RFC 5280, 4.1), as the DER elements that hold them. */
export function certificateNames(der: Buffer): { issuer: Element; subject: Element } {
  const signed = at(children(readElement(der), tags.sequence), 0, tags.sequence);
  const fields = children(signed);
  // Version 1 certificates leave out the [0] version field.
  const start = fields[0]?.tag === 0xa0 ? 1 : 0;
  at(fields, start, tags.integer);
  return { issuer: at(fields, start + 2, tags.sequence), subject: at(fields, start + 4, tags.sequence) };
}
