// Whom the server lets in beyond the handshake. An established connection outlives a revocation and the removal of an
// authority, so each call asks again.
import type { X509Certificate } from "node:crypto";
import type { Crl } from "../certs/crl.ts";
import { certificateNames } from "../certs/name.ts";

export interface Trust {
  /** Why calls with this certificate are refused now, in words; null when they are not. */
  refusalOf(certificate: X509Certificate): string | null;
}

export class CertificateTrust implements Trust {
  readonly authorities: readonly X509Certificate[];
  readonly #crls: readonly Crl[];
  readonly #removed: readonly X509Certificate[];
  readonly #verdicts = new WeakMap<X509Certificate, { readonly refusal: string | null }>();

  /** `earlier` is the trust that this one takes the place of: authorities that are gone from it no longer count. */
  constructor(authorities: readonly X509Certificate[], crls: readonly Crl[], earlier?: CertificateTrust) {
    this.authorities = authorities;
    this.#crls = crls;
    const known = earlier === undefined ? [] : [...earlier.#removed, ...earlier.authorities];
    this.#removed = known.filter((old) => !authorities.some((current) => current.raw.equals(old.raw)));
  }

  refusalOf(certificate: X509Certificate): string | null {
    const known = this.#verdicts.get(certificate);
    if (known !== undefined) return known.refusal;
    const refusal = this.#judge(certificate);
    this.#verdicts.set(certificate, { refusal });
    return refusal;
  }

  #judge(certificate: X509Certificate): string | null {
    const issuer = certificateNames(certificate.raw).issuer.whole;
    const serial = certificate.serialNumber.replace(/^0+(?=.)/, "");
    const revoked = this.#crls.some((crl) => crl.issuer.equals(issuer) && crl.serials.has(serial));
    if (revoked) return `the client certificate ${serial} is revoked`;
    // A certificate below an intermediate that the client sent along has neither kind of issuer here: the handshake's
    // verdict on its chain stands until it reconnects.
    const issued = (authority: X509Certificate): boolean => isIssuedBy(certificate, authority);
    if (this.#removed.some(issued) && !this.authorities.some(issued)) {
      return "the authority of the client certificate is no longer trusted";
    }
    return null;
  }
}

function isIssuedBy(certificate: X509Certificate, authority: X509Certificate): boolean {
  return certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
}
