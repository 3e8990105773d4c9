// What somebody does with an app on its way to its owner's keys. In the namespace.
import { renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { assert, assertSame, check, finish, same } from "../lib/tap.mjs";
import { cleanUp, request } from "../lib/daemon.mjs";
import { APP, HOSTS, PORTS, VALET } from "./street.mjs";
import { World } from "./world.mjs";
import { satisfiesClients } from "./clients.mjs";
import { buy, file, look, signInAgain, uploadAndDownload, writeNote } from "./use.mjs";

const world = await World.make({ cert: process.env.HANDOVER_CERT, key: process.env.HANDOVER_KEY });
process.env.CHROMIUM = world.browser();
const { App, Browser, stopAll } = await import("../browser/harness.mjs");
const { account, anybody, signUp } = await import("../browser/people.mjs");
const { own } = world;

const app = new App(world.valet, "shop", PORTS.app);
app.url = APP;
const env = await world.environment("shop", app.folder);
const secretsOf = ({ clerk, database, storage, stripe }) => [clerk.CLERK_SECRET_KEY, database.TURSO_AUTH_TOKEN, storage.R2_ACCESS_KEY_ID, storage.R2_SECRET_ACCESS_KEY, stripe.STRIPE_SECRET_KEY];
await app.start();

const browser = await Browser.open();
const { page } = browser;
const overlay = path.join(app.folder, ".env.keys");
const came = (hosts, from) => world.came(from).filter(({ host }) => Object.values(hosts).includes(host));

await satisfiesClients(world);
const asked = world.came().length;

// ---- on valet keys

await check("right after it was built, all of the app works: no account, no key, no setting", async () => {
  assertSame([...new Set(Object.values(await look(browser)))], ["build keys"], "badges");
  assertSame(await page.evaluate(() => [location.origin, isSecureContext]), [APP, true]);
});
await check("people sign up, out and in", async () => {
  await signUp(browser, app, anybody("before"));
  await signInAgain(browser, anybody("before"));
});
await check("rows are written and read", () => writeNote(browser, "Written on valet keys"));
await check("a file goes up from the browser and comes back", async () => assertSame(await uploadAndDownload(browser, file("before.txt")), VALET.storage, "where it lies"));
await check("something is bought: paid on the build's page, and visible", async () => assertSame(await buy(browser, "Day ticket"), VALET.payments, "where it was paid"));
await check("nothing has come to a vendor", () => assertSame(came(HOSTS, asked), [], "requests"));

// ---- the owner's keys, and none of what belonged to the build's

const CLEARED = ["CLERK_API_URL", "NEXT_PUBLIC_CLERK_PROXY_URL", "NEXT_PUBLIC_CLERK_JS_URL", "NEXT_PUBLIC_CLERK_UI_URL", "DATABASE_URL", "R2_ENDPOINT", "R2_BROWSER_ENDPOINT", "AWS_ENDPOINT_URL_S3", "R2_PREFIX", "STRIPE_API_BASE"];
const lines = [...Object.values(own).flatMap(Object.entries), ...CLEARED.map((name) => [name, ""])].map(([name, value]) => `${name}=${value}\n`);
writeFileSync(`${overlay}.new`, lines.join(""), { mode: 0o600 });
renameSync(`${overlay}.new`, overlay);

// ---- without valetkey

await page.goto(APP); // what a page of before had begun is over
const from = world.came().length;
await check("valetkey ends", async () => {
  await world.valet.stop();
  const answer = await request(`http://127.0.0.1:${PORTS.valet}/`).catch((e) => e);
  assertSame(answer.code, "ECONNREFUSED", "its port");
});
await check("all of the app goes on, on the owner's keys", async () => assertSame([...new Set(Object.values(await look(browser)))], ["your keys"], "badges"));
await check("people sign up, out and in, at Clerk", async () => {
  await signUp(browser, app, anybody("after"));
  await signInAgain(browser, anybody("after"));
  await account(browser, "in");
});
await check("rows are written and read, at Turso", () => writeNote(browser, "Written without valetkey"));
await check("a file goes up from the browser and comes back, at R2", async () => assertSame(await uploadAndDownload(browser, file("after.txt")), HOSTS.storage, "where it lies"));
await check("something is bought: paid at Stripe, told by its webhook", async () => assertSame(await buy(browser, "Season pass"), HOSTS.checkout, "where it was paid"));
await check("every vendor was asked, and valetkey was not", () => {
  assertSame(came(VALET, from), [], "requests to valetkey");
  assertSame([HOSTS.clerkApi, HOSTS.clerk, HOSTS.stripe, HOSTS.checkout, HOSTS.database, HOSTS.storage].filter((host) => !came({ host }, from).length), [], "not asked");
});

// ---- all along

await check("no secret was in anything that the browser got, nor in the app's log", async () => {
  const got = `${(await Promise.all(browser.texts)).join("\n")}\n${app.log}`;
  // An id is in each address that is signed for a browser.
  const ids = [own, world.org].map(({ storage }) => storage.R2_ACCESS_KEY_ID).concat(env.R2_ACCESS_KEY_ID);
  for (const secret of [...secretsOf(own), ...secretsOf({ clerk: env, database: env, storage: env, stripe: env })]) assert(secret && (ids.includes(secret) || !got.includes(secret)), `${secret?.slice(0, 8)}… was seen`);
});
await check("no error in the browser's console; nobody else was asked", () => {
  assertSame(browser.problems, [], "problems");
  const known = [APP, ...[...Object.values(HOSTS), ...Object.values(VALET)].map((host) => `https://${host}`)];
  assertSame(browser.foreign.filter((url) => !known.includes(new URL(url).origin)), [], "foreign requests");
});

same(await app.stop(), true, "the app ends with its command");
await stopAll();
await world.vendor.stop();
await cleanUp();
finish();
