/** A compiled module of the checkout. */
export const built = (path) => import(new URL(`../../build/${path}`, import.meta.url));
