// Who a certificate speaks for: the names and roles that podium gives meaning to.

/** What the single CommonName of a user's certificate may be. */
const userNamePattern = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/;

export const userNameMend = "1 to 64 of A-Z a-z 0-9 . _ @ -, beginning with a letter or digit";

export function isUserName(name: string): boolean {
  return userNamePattern.test(name);
}

export type Role = "user" | "admin" | "viewer";

/** The Organization that gives a role; a plain user needs none. */
export const roleOrganizations: Readonly<Record<Role, string | null>> = {
  user: null,
  admin: "podium:admin",
  viewer: "podium:viewer",
};
