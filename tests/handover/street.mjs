// The names and addresses of the handover suite: where vendors are in its namespace, and what plays each of them.
export const SLUG = "sunny-otter-12"; // of the owner's Clerk application, and the id of the build that plays all of the owner's accounts
export const OTHER = "quiet-heron-7"; // of somebody else's
export const ORG = "busy-ibex-3"; // of the organisation that runs the builder
export const ACCOUNT = "5eed".repeat(8);
export const BUCKET = "shop-files";

export const APP = "https://shop.handover.test";
export const HOSTS = {
  clerkApi: "api.clerk.com",
  clerk: `${SLUG}.clerk.accounts.dev`,
  otherClerk: `${OTHER}.clerk.accounts.dev`,
  stripe: "api.stripe.com",
  checkout: "checkout.stripe.com",
  database: "shop-acme.turso.io",
  storage: `${ACCOUNT}.r2.cloudflarestorage.com`,
};
/** Where the builder's own daemon is, as browsers reach it. */
export const VALET = { auth: "auth.valet.test", database: "database.valet.test", storage: "storage.valet.test", payments: "payments.valet.test" };

/** Ports on the namespace's 127.0.0.1. */
export const PORTS = { valet: 4500, vendor: 5500, storage: 5600, app: 3000 };

/** Public addresses, one a name, in a range that is nobody's list of refused ones. */
export const ADDRESSES = Object.fromEntries([...Object.values(HOSTS), ...Object.values(VALET), new URL(APP).hostname].map((name, i) => [name, `104.16.77.${10 + i}`]));
