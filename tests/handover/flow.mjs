// What somebody does with an app on its way to its owner's keys. In the namespace.
import { createHmac } from "node:crypto";
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { assert, assertSame, check, finish, same } from "../lib/tap.mjs";
import { cleanUp, request } from "../lib/daemon.mjs";
import { APP, HOSTS, PORTS, VALET } from "./street.mjs";
import { World } from "./world.mjs";
import { satisfiesClients } from "./clients.mjs";
import { command, comparable } from "./command.mjs";
import { KeysPage } from "./keys.mjs";
import { refusedKeys } from "./refused.mjs";
import { buy, file, look, signInAgain, uploadAndDownload, writeNote } from "./use.mjs";

const world = await World.make({ cert: process.env.HANDOVER_CERT, key: process.env.HANDOVER_KEY });
process.env.CHROMIUM = world.browser();
const { App, Browser, stopAll } = await import("../browser/harness.mjs");
const { account, anybody, signOut, signUp } = await import("../browser/people.mjs");
const { own } = world;

const app = new App(world.valet, "shop", PORTS.app);
app.url = APP;
const env = await world.environment("shop", app.folder);
// The organisation's own keys are known to the app as ours are: by digests.
const [salt] = env.VALETKEY_REFUSED_KEYS.split(":");
const digest = (value) => createHmac("sha256", Buffer.from(salt, "hex")).update(value).digest("hex").slice(0, 32);
const secretsOf = ({ clerk, database, storage, stripe }) => [clerk.CLERK_SECRET_KEY, database.TURSO_AUTH_TOKEN, storage.R2_ACCESS_KEY_ID, storage.R2_SECRET_ACCESS_KEY, stripe.STRIPE_SECRET_KEY];
process.env.HANDOVER_REFUSED = secretsOf(world.org).map(digest).join(",");
app.command = [...app.command.slice(0, app.command.indexOf("--") + 1), "sh", "-c", `VALETKEY_REFUSED_KEYS="$VALETKEY_REFUSED_KEYS,$HANDOVER_REFUSED" exec npm start -- -p ${PORTS.app}`];
await app.start();

const browser = await Browser.open();
const { page } = browser;
page.setDefaultTimeout(60_000); // whoever else uses the machine
const settings = new KeysPage(browser);
const overlay = path.join(app.folder, ".env.keys");
const bytes = () => (existsSync(overlay) ? readFileSync(overlay, "utf8") : null);
const came = (hosts, from) => world.came(from).filter(({ host }) => Object.values(hosts).includes(host));
/** A page that refuses answers 401 or 422, which Chromium writes to its console. */
const problems = () => browser.problems.splice(0).filter((line) => !/status of (401|422|429) .*\/api\/settings\//.test(line));

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

// ---- what must not come into effect

await check("the settings page is closed, and opens by the setup token alone", async () => {
  await settings.open();
  await page.getByRole("heading", { level: 1, name: "Owner only" }).waitFor();
  await settings.unlock(`st_${"0".repeat(36)}`);
  await page.getByText("That token is not right").waitFor();
  await settings.unlock(env.SETTINGS_TOKEN);
  await settings.unlocked();
  assertSame([await settings.tally(), [...new Set(Object.values(await settings.states()))]], ["0", ["proxy"]], "nothing is the owner's");
});

const reports = [];
for (const [service, what, values, rung] of refusedKeys(world))
  await check(`refused: ${service}, ${what}`, async () => {
    const { status, answer } = await settings.send(service, values);
    reports.push([`${service}, ${what}`, service, values, answer.report]);
    assertSame([status, answer.saved, answer.report.valid, bytes()], [422, false, false, null], JSON.stringify(answer.report));
    const failed = answer.report.checks.filter(({ verdict }) => verdict === "fail").map((one) => one.rung);
    assert(rung === null || failed.includes(rung), `${rung} did not fail: ${JSON.stringify(answer.report.checks)}`);
    assert(answer.report.error?.length > 0 && (await settings.card(service).getByTestId("report").textContent()).includes(answer.report.error), `it is not said: ${answer.report.error}`);
    for (const secret of Object.entries(values).filter(([name, value]) => value.length > 20 && /SECRET|TOKEN/.test(name)).map(([, value]) => value)) assert(!JSON.stringify(answer).includes(secret), "the answer has a secret");
  });
await check("nothing changed: the app works, on the build's keys", async () => {
  assertSame([...new Set(Object.values(await look(browser)))], ["build keys"], "badges");
  await writeNote(browser, "Still on valet keys");
  assertSame([readdirSync(app.folder).filter((name) => name.startsWith(".env.keys")), readdirSync(world.storageFolder).filter((name) => !name.startsWith("."))], [[], []], "files");
});

// ---- one service after the other

await settings.open();
const replaced = [];
async function replace(service, values) {
  await settings.open(); // wherever a check before this one ended
  const { status, answer } = await settings.send(service, values);
  assertSame([status, answer?.saved ?? true], [200, true], JSON.stringify(answer?.report));
  replaced.push(service);
  await settings.open();
  const states = await settings.states();
  for (const one of Object.keys(states)) assertSame(states[one], replaced.includes(one) ? "own" : "proxy", one);
  assertSame(await settings.tally(), String(replaced.length), "tally");
  assertSame(statSync(overlay).mode & 0o777, 0o600, "mode");
  for (const [name, value] of Object.entries(values)) assert(!/SECRET|TOKEN/.test(name) || !bytes().includes(value), `${name} is on the disk in the clear`);
}

for (const service of Object.keys(own))
  await check(`validated, the owner's keys are right, and are not saved yet: ${service}`, async () => {
    const { status, answer } = await settings.send(service, own[service], "Validate");
    assertSame([status, answer.saved, answer.report.valid, bytes()], [200, false, true, null], JSON.stringify(answer.report));
    reports.push([`${service}, the owner's`, service, own[service], answer.report]);
  });
for (const [what, service, values, report] of reports) {
  // What the app was built with is listed in its environment only; the daemon knows the keys that it gave out itself.
  if (/organisation|valet key/.test(what)) continue;
  await check(`valetkey validate says the same: ${what}`, async () => {
    const said = await command(world, service, values);
    assertSame(comparable(said.report), comparable(report), "report");
    assertSame(said.code, report.valid ? 0 : 1, "exit code");
  });
}
for (const [whose, { env: theirs }] of [["this build", world.build], ["another build", world.neighbour]])
  await check(`valetkey validate knows every key of ${whose}`, async () => {
    for (const [service, values] of Object.entries(own)) {
      const taken = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, /^R2_(ACCOUNT|BUCKET)|URL/.test(name) ? value : theirs[name]]));
      const { code, report } = await command(world, service, taken);
      assertSame([code, report.valid, report.checks.filter(({ verdict }) => verdict === "fail").map(({ rung }) => rung).includes("ours")], [1, false, true], `${service}: ${JSON.stringify(report)}`);
    }
  });
await check("the storage is the owner's, with neither a build nor a restart; the rest is the build's", async () => {
  await replace("storage", own.storage);
  assertSame(await uploadAndDownload(browser, file("half.txt")), HOSTS.storage, "where it lies");
  await writeNote(browser, "Half of it is the owner's");
});
await check("payments are the owner's: the app registers its webhook, and hears of what is paid", async () => {
  const { STRIPE_WEBHOOK_SECRET, ...typed } = own.stripe;
  assert(STRIPE_WEBHOOK_SECRET, "left out");
  await replace("stripe", typed);
  assertSame(await buy(browser, "Workshop place"), HOSTS.checkout, "where it was paid");
});
await check("the database is the owner's: its tables are made by themselves", async () => {
  await replace("database", own.database);
  await writeNote(browser, "In the owner's database");
});
await check("sign-in is the owner's", async () => {
  await replace("clerk", own.clerk);
  await signUp(browser, app, anybody("owner"), "/settings");
  await page.getByRole("button", { name: "Make me the owner", exact: true }).click();
  await page.getByText("This page belongs to one user of your own sign-in").waitFor();
  await page.getByText("Nothing is left on the build’s keys").waitFor();
  await browser.shot("keys-all-own", { fullPage: true });
});
await check("then the setup token opens nothing any more", async () => {
  const headers = { "Content-Type": "application/json", Origin: APP, "Sec-Fetch-Site": "same-origin" };
  const answer = await request(`${APP}/api/settings/session`, { method: "PUT", headers, body: JSON.stringify({ token: env.SETTINGS_TOKEN }) });
  assert(answer.status === 401 || answer.status === 403, `${answer.status} ${answer.text}`);
});
await check("a refused key changes nothing of what is saved", async () => {
  await settings.open();
  const before = bytes();
  const { status } = await settings.send("stripe", { ...own.stripe, STRIPE_SECRET_KEY: world.other.stripe.STRIPE_SECRET_KEY });
  assertSame([status, bytes() === before], [422, true], "status, and the file as it was");
});
let production;
await check("a file for production has all of the owner's keys and none of the build's", async () => {
  const [got] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download", exact: true }).click()]);
  production = readFileSync(await got.path(), "utf8");
  for (const value of secretsOf(own)) assert(production.includes(value), "one of the owner's is missing");
  for (const value of secretsOf({ clerk: env, database: env, storage: env, stripe: env })) assert(!production.includes(value), "one of the build's is there");
});

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
  await signOut(browser); // the owner
  await signUp(browser, app, anybody("after"));
  await signInAgain(browser, anybody("after"));
  await account(browser, "in");
});
await check("rows are written and read, at Turso", () => writeNote(browser, "Written without valetkey"));
await check("a file goes up from the browser and comes back, at R2", async () => assertSame(await uploadAndDownload(browser, file("after.txt")), HOSTS.storage, "where it lies"));
await check("something is bought: paid at Stripe, told by its webhook", async () => assertSame(await buy(browser, "Season pass"), HOSTS.checkout, "where it was paid"));
const moved = new App(world.valet, "shop", PORTS.app);
await check("on another machine it runs from that file alone", async () => {
  await page.goto("about:blank");
  assertSame(await app.stop(), true, "the one of before ended");
  writeFileSync(path.join(moved.folder, ".env.production"), production, { mode: 0o600 });
  moved.url = APP;
  moved.command = ["npm", "start", "--", "-p", String(PORTS.app)];
  await moved.start();
  assertSame([...new Set(Object.values(await look(browser)))], ["your keys"], "badges");
  await account(browser, "in");
  await page.getByText("Written without valetkey").first().waitFor();
});
await check("every vendor was asked, and valetkey was not", () => {
  assertSame(came(VALET, from), [], "requests to valetkey");
  assertSame([HOSTS.clerkApi, HOSTS.clerk, HOSTS.stripe, HOSTS.checkout, HOSTS.database, HOSTS.storage].filter((host) => !came({ host }, from).length), [], "not asked");
});

// ---- all along

await check("no secret was in anything that the browser got, nor in the app's log", async () => {
  const got = `${(await Promise.all(browser.texts)).join("\n")}\n${app.log}\n${moved.log}`;
  // An id is in each address that is signed for a browser.
  const ids = [own, world.org].map(({ storage }) => storage.R2_ACCESS_KEY_ID).concat(env.R2_ACCESS_KEY_ID);
  for (const secret of [...secretsOf(own), ...secretsOf(world.org), ...secretsOf({ clerk: env, database: env, storage: env, stripe: env }), env.SETTINGS_TOKEN, env.SETTINGS_ENCRYPTION_KEY]) assert(secret && (ids.includes(secret) || !got.includes(secret)), `${secret?.slice(0, 8)}… was seen`);
});
await check("no error in the browser's console; nobody else was asked", () => {
  assertSame(problems(), [], "problems");
  const known = [APP, ...[...Object.values(HOSTS), ...Object.values(VALET)].map((host) => `https://${host}`)];
  assertSame(browser.foreign.filter((url) => !known.includes(new URL(url).origin)), [], "foreign requests");
});

same(await moved.stop(), true, "the app ends with its command");
await stopAll();
await world.stop();
await cleanUp();
finish();
