// Keys that must not come into effect: [service, what they are, values, the rung of the ladder that says so].
import { VALET } from "./street.mjs";

export function refusedKeys({ own, other, org, build, neighbour, reader, readTokens, restrictedKey }) {
  const { clerk, database, storage, stripe } = own;
  const valet = ({ env }, names) => Object.fromEntries(names.map((name) => [name, env[name]]));
  const made = (key, from) => key.slice(0, from) + [...key.slice(from)].reverse().join("");
  const all = [
    ["clerk", "an invalid secret key", { ...clerk, CLERK_SECRET_KEY: made(clerk.CLERK_SECRET_KEY, 8) }, "auth"],
    ["clerk", "keys of two applications", { ...clerk, CLERK_SECRET_KEY: other.clerk.CLERK_SECRET_KEY }, "pair"],
    ["clerk", "keys of Stripe", { NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY: stripe.NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY, CLERK_SECRET_KEY: stripe.STRIPE_SECRET_KEY }, "shape"],
    ["clerk", "the two the wrong way round", { NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY: clerk.CLERK_SECRET_KEY, CLERK_SECRET_KEY: clerk.NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY }, "shape"],
    ["clerk", "a key without its secret", { ...clerk, CLERK_SECRET_KEY: "" }, "shape"],
    ["clerk", "the organisation's", org.clerk, "ours"],
    ["database", "a token of another database", { ...database, TURSO_AUTH_TOKEN: other.database.TURSO_AUTH_TOKEN }, "auth"],
    ["database", "a token that says it may only read", { ...database, TURSO_AUTH_TOKEN: readTokens[0] }, "facts"],
    ["database", "a token that may only read and does not say so", { ...database, TURSO_AUTH_TOKEN: readTokens[1] }, "scope"],
    ["database", "a key of Stripe for a token", { ...database, TURSO_AUTH_TOKEN: stripe.STRIPE_SECRET_KEY }, "shape"],
    ["database", "a database that is not there", { ...database, TURSO_DATABASE_URL: "libsql://nowhere-acme.turso.io" }, "auth"],
    ["database", "an address of PostgreSQL", { ...database, TURSO_DATABASE_URL: "postgresql://owner:made-up@database.example.org/app" }, "facts"],
    ["database", "this machine", { ...database, TURSO_DATABASE_URL: "https://127.0.0.1" }, "auth"],
    ["database", "the organisation's token", { ...database, TURSO_AUTH_TOKEN: org.database.TURSO_AUTH_TOKEN }, "ours"],
    ["storage", "an invalid secret", { ...storage, R2_SECRET_ACCESS_KEY: made(storage.R2_SECRET_ACCESS_KEY, 0) }, "auth"],
    ["storage", "a key that may only read", { ...storage, R2_ACCESS_KEY_ID: reader.id, R2_SECRET_ACCESS_KEY: reader.secret }, "roundtrip"],
    ["storage", "another account's bucket", { ...storage, R2_BUCKET: "somebody-elses" }, "auth"],
    ["storage", "another account's key", { ...storage, ...keyOf(other.storage) }, "auth"],
    ["storage", "valetkey's own address", { ...storage, R2_ACCOUNT_ID: "", R2_ENDPOINT: `https://${VALET.storage}` }, null],
    ["storage", "the organisation's", { ...storage, ...keyOf(org.storage) }, "ours"],
    ["stripe", "an invalid secret key", { ...stripe, STRIPE_SECRET_KEY: made(stripe.STRIPE_SECRET_KEY, 25) }, "auth"],
    ["stripe", "keys of two accounts", { ...stripe, STRIPE_SECRET_KEY: other.stripe.STRIPE_SECRET_KEY }, "pair"],
    ["stripe", "a restricted key that may not sell", { ...stripe, STRIPE_SECRET_KEY: restrictedKey }, "scope"],
    ["stripe", "keys of Clerk", { ...stripe, NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY: clerk.NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY, STRIPE_SECRET_KEY: clerk.CLERK_SECRET_KEY }, "shape"],
    ["stripe", "the organisation's", org.stripe, "ours"],
  ];
  for (const [whose, of] of [["this build", build], ["another build", neighbour]])
    all.push(
      ["clerk", `valet keys of ${whose}`, valet(of, Object.keys(clerk)), "ours"],
      ["database", `the valet key of ${whose}`, { ...database, ...valet(of, ["TURSO_AUTH_TOKEN"]) }, "ours"],
      ["stripe", `valet keys of ${whose}`, valet(of, Object.keys(stripe)), "ours"],
    );
  all.push(["storage", "the valet key of this build", { ...storage, ...valet(build, ["R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY"]) }, "ours"]);
  return all;
}

/** What of an account's storage keys is a key. */
function keyOf({ R2_ACCESS_KEY_ID, R2_SECRET_ACCESS_KEY }) {
  return { R2_ACCESS_KEY_ID, R2_SECRET_ACCESS_KEY };
}
