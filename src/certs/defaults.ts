/** Where `podium certs` writes and `podium serve` reads when nothing is said. */
export const defaultCertsFolder = "/etc/podium";

/** The address that profiles name and servers listen on when nothing is said. */
export const defaultServer = "127.0.0.1:7443";

/** Days that an authority lasts, and those it issues unless said. */
export const authorityDays = 3650;
export const defaultDays = 365;
