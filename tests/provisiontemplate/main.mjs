// The template app, production build, with each vendor whose stand-in can carry it, and with all of them at once: sign-in, rows, files, a
// purchase, and what the settings page says of whose keys serve it.
//
// What cannot be carried:
// * neon and postgres: the template speaks libSQL only. Their builds get a DATABASE_URL (tests/provisionneon, tests/provisionpg).
// * clerk: browsers find Clerk by the host that is in the publishable key, where nothing of ours is. NEXT_PUBLIC_CLERK_PROXY_URL leads them to what
//   plays the application; what the app's server asks goes through valetkey, as it would. No delivery=direct: there is none.
// * stripe: the page where one pays is that of the daemon that plays the account. No delivery=direct here either.
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { Daemon, plain, portBase, request } from "../lib/daemon.mjs";
import { entered } from "../lib/brokered.mjs";
import { gone } from "../lib/provision.mjs";
import { assert, assertSame, check, same } from "../lib/tap.mjs";
import { vendorBinary } from "../lib/vendor_build.mjs";
import { App, Browser } from "../browser/harness.mjs";
import { account, anybody, fillAddress, fillPassword, signOut, signUp } from "../browser/people.mjs";
import { ClerkPlatform, platformToken as clerkToken } from "../upstreams/clerk_platform.mjs";
import { R2Account } from "../upstreams/r2_api.mjs";
import { StripeConnect } from "../upstreams/stripe_connect.mjs";
import { Turso, WANTED, platformToken as tursoToken } from "../upstreams/turso.mjs";

const hex = (n) => randomBytes(n).toString("hex");
const PORT_BASE = await portBase();
const PAYMENTS = PORT_BASE + 4;
const data = await new Daemon({ portBase: await portBase(), program: vendorBinary, args: ["--vendor-role"] }).start(); // behind the stand-ins
const daemon = await new Daemon({ portBase: PORT_BASE }).start();
const behind = { admin: data.adminUrl, token: data.adminToken };

const org = { turso: tursoToken(), clerk: clerkToken(), api: `made-up-${hex(16)}`, webhook: `whsec_${hex(16)}`, parent: { account: hex(16), id: hex(16), secret: hex(32) } };
const turso = await new Turso({ tokens: [{ token: org.turso, group: "default", scopes: WANTED }], data: behind }).start();
const clerk = await new ClerkPlatform({ tokens: [{ token: org.clerk }], data: behind }).start();
const r2 = await new R2Account({ parent: org.parent, api: [org.api], buckets: ["accounting"] }).start();
const stripe = await new StripeConnect({ data: behind, events: { url: `http://127.0.0.1:${PAYMENTS}/webhooks/stripe`, secret: org.webhook } }).start();
const KEYS = {
  turso: { org: "acme", group: "default", token: org.turso, api_base: turso.base },
  clerk: { platform_token: org.clerk, api_base: clerk.base },
  r2: { account_id: org.parent.account, access_key_id: org.parent.id, secret_access_key: org.parent.secret, endpoint: r2.base, api_base: r2.base, api_token: org.api },
  stripe: { secret_key: stripe.key, publishable_key: stripe.key.replace("sk_", "pk_"), webhook_secret: org.webhook, api_base: stripe.base },
};
for (const [vendor, keys] of Object.entries(KEYS)) await entered(daemon, ["keys", "set", vendor], keys);
const orgSecrets = [org.turso, org.clerk, org.api, org.webhook, org.parent.secret, stripe.key];

/** What is at the vendor for a build: the things named like it. */
const made = (id) => {
  const of = (all, name) => all.filter((one) => name(one)?.startsWith(`build-${id}-`));
  return {
    database: of([...turso.databases.values()], (d) => d.name),
    auth: of([...clerk.applications.values()], (a) => a.name),
    storage: of([...r2.buckets.values()], (b) => b.name),
    payments: of([...stripe.accounts.values()], (a) => a.metadata.valetkey),
  };
};

const RUNS = [
  { id: "turso", drivers: { database: "turso" } },
  { id: "turso-direct", drivers: { database: "turso" }, direct: ["database"] },
  { id: "r2", drivers: { storage: "r2" } },
  { id: "r2-direct", drivers: { storage: "r2" }, direct: ["storage"] },
  { id: "stripe", drivers: { payments: "stripe" } },
  { id: "clerk", drivers: { auth: "clerk" } },
  { id: "all", drivers: { database: "turso", auth: "clerk", storage: "r2", payments: "stripe" } },
];
const CARDS = ["clerk", "turso", "r2", "stripe"];
const only = process.argv.slice(2);

let port = PORT_BASE + 11;
for (const run of RUNS) if (!only.length || only.includes(run.id)) await check(`${run.id}: the checks ran to their end`, () => tried(run, port++));

async function tried({ id, drivers, direct = [] }, port) {
  const url = `http://localhost:${port}`;
  const args = [...Object.entries(drivers).flatMap(([service, vendor]) => ["--driver", `${service}=${vendor}`]), ...direct.flatMap((service) => ["--delivery", `${service}=direct`])];
  const r = await daemon.cli(["build", "create", id, "--origin", url, "--framework", "next", "--json", ...args], { timeout: 60_000 });
  assertSame(r.code, 0, r.stderr || r.stdout);
  const at = made(id);
  const more = drivers.auth ? await proxied(at.auth[0], url) : {};
  const [app, browser] = await Promise.all([new App(daemon, id, port, more).start(), Browser.open()]);
  const { page } = browser;
  const env = Object.fromEntries((await daemon.mustCli(["env", id, "--app", app.folder])).split("\n").filter((line) => /^\w+=/.test(line)).map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
  const button = (name) => page.getByRole("button", { name, exact: true });
  const ask = async (method, target) => request(`${app.url}${target}`, { method, headers: { Cookie: (await browser.context.cookies(app.url)).map(({ name, value }) => `${name}=${value}`).join("; ") } });
  const me = anybody(`${id}-person`);

  await check(`${id}: one thing at each of its vendors, and every service answers, on the build's keys`, async () => {
    assertSame(Object.fromEntries(Object.entries(at).map(([service, all]) => [service, all.length])), Object.fromEntries(Object.keys(at).map((service) => [service, drivers[service] ? 1 : 0])), "at the vendors");
    const health = await app.health();
    assertSame(["database", "auth", "storage", "payments"].map((service) => health[service].error ?? health[service].ok), [true, true, true, true], "health");
    assertSame(health.services.map((s) => [s.id, s.keys]), [["clerk", "build keys"], ["database", "build keys"], ["storage", "build keys"], ["stripe", "build keys"]], "keys");
    assertSame([env.TURSO_DATABASE_URL === at.database[0]?.hostname, env.R2_ENDPOINT === r2.base], [direct.includes("database"), direct.includes("storage")], "where the app goes by itself");
  });

  await check(`${id}: sign-up, sign-out, sign-in${drivers.auth ? ", of a person of the application" : ""}`, async () => {
    await signUp(browser, app, me);
    await signOut(browser);
    await page.goto(`${app.url}/sign-in`);
    await fillAddress(browser, me);
    await fillPassword(browser);
    await page.waitForURL(`${app.url}/`);
    await account(browser, "in");
    if (!drivers.auth) return;
    const users = await clerk.backend(at.auth[0], "GET", "/v1/users");
    assertSame(users.map((u) => u.email_addresses[0].email_address), [me], "people at the vendor");
    assert(clerk.forwarded.some((f) => f.id === at.auth[0].id), "what the app's server asked went there");
  });

  await check(`${id}: a note is a row${drivers.database ? " at the vendor" : ""}`, async () => {
    await page.getByTestId("database-health").filter({ hasText: /answers in/ }).waitFor();
    await page.getByRole("textbox", { name: "New note" }).fill("Kept where it belongs");
    await button("Write a note").click();
    await page.waitForFunction(() => document.querySelector("[data-testid=total]")?.textContent === "1 in all");
    const sql = 'SELECT body FROM "Note"';
    const rows = drivers.database ? (await data.sql((await turso.behind(at.database[0])).key, sql)).rows : (await daemon.sql(env.TURSO_AUTH_TOKEN, sql)).rows;
    assertSame(rows.map((row) => plain(row[0])), ["Kept where it belongs"], "rows");
  });

  await check(`${id}: a file goes up from the browser and through the app, and both come down again`, async () => {
    const files = [{ name: "large.pdf", mimeType: "application/pdf", buffer: randomBytes(2_000_000) }, { name: "small notes.txt", mimeType: "text/plain", buffer: Buffer.from("Through the app.\n") }];
    await page.goto(`${app.url}/files`);
    for (const [i, file] of files.entries()) {
      await page.getByTestId("file").setInputFiles(file);
      if (i === 1) await page.getByRole("radio", { name: /Through the app/ }).check();
      const put = i === 0 && page.waitForRequest((one) => one.method() === "PUT");
      await button("Upload").click();
      await page.getByRole("log").getByText(new RegExp(`^uploaded ${file.name} \\(20[01]\\)$`)).first().waitFor();
      if (put) assertSame(new URL((await put).url()).origin, new URL(env.R2_ENDPOINT).origin, "where the browser sent it");
    }
    for (const file of files) {
      const [got] = await Promise.all([page.waitForEvent("download"), button(`Download ${file.name}`).click()]);
      assertSame([got.suggestedFilename(), readFileSync(await got.path()).equals(file.buffer)], [file.name, true], file.name);
    }
    if (!drivers.storage) return;
    const sum = (b) => createHash("sha256").update(b).digest("hex");
    assertSame([...at.storage[0].objects.values()].map((o) => sum(o.body)).sort(), files.map((f) => sum(f.buffer)).sort(), "objects in the bucket");
  });

  await check(`${id}: a purchase is paid by the vendor's word`, async () => {
    await page.goto(app.url);
    await button("Buy Season pass").click();
    const pays = drivers.payments ? Number(new URL((await stripe.behind(at.payments[0])).url).port) : PAYMENTS;
    await page.waitForURL((to) => to.port === String(pays));
    await page.getByText("€89.00").first().waitFor();
    for (const [field, value] of Object.entries({ email: "buyer@example.com", cardNumber: "4242424242424242", cardExpiry: "12 / 34", cardCvc: "123", billingName: "Ada Büyer" })) await page.locator(`#${field}`).fill(value);
    await page.getByTestId("hosted-payment-submit-button").click();
    await page.waitForURL(`${app.url}/?checkout=success&session_id=cs_test_**`);
    await page.locator('[data-testid="checkout-return"][data-state="paid"]').waitFor();
    const { purchases } = (await ask("GET", "/api/purchases")).json();
    assertSame(purchases.map((p) => p.status), ["paid"], "purchases");
    if (drivers.payments) assert(stripe.told.some((t) => t.id === at.payments[0].id && t.type === "checkout.session.completed" && t.status === 200), JSON.stringify(stripe.told));
  });

  await check(`${id}: the settings page says that none of it is the owner's`, async () => {
    await page.goto(`${app.url}/settings`);
    await page.getByLabel("Setup token", { exact: true }).fill(env.SETTINGS_TOKEN);
    await button("Unlock").click();
    await page.getByRole("heading", { level: 1, name: "Keys" }).waitFor();
    assertSame(await page.getByTestId("migrated").textContent(), "0 of 4 services on your own keys.", "tally");
    const cards = await page.locator("[data-service][aria-labelledby]").evaluateAll((all) => all.map((one) => [one.dataset.service, one.querySelector("[data-status]").dataset.status]));
    assertSame(cards, CARDS.map((card) => [card, "proxy"]), "cards");
    await browser.shot(`provisioned-${id}`, { fullPage: true });
    for (const service of direct) {
      // The vendor's own credential, and still nobody's own.
      const card = page.locator(`[data-service="${drivers[service]}"][aria-labelledby]`);
      for (const input of await card.locator("input[name]:not([type=checkbox])").all()) await input.fill(env[await input.getAttribute("name")] ?? "");
      await card.getByRole("button", { name: "Validate & save", exact: true }).click();
      await card.locator('[data-check^="ours"][data-verdict="fail"]').first().waitFor();
      const said = browser.problems.splice(0);
      assert(said.length === 1 && /422.*\/api\/settings\/keys$/.test(said[0]), said.join());
    }
  });

  await check(`${id}: no secret reached the browser or the app's log, the browser asked nobody else, and its console is clean`, async () => {
    const names = ["TURSO_AUTH_TOKEN", "R2_SECRET_ACCESS_KEY", "CLERK_SECRET_KEY", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"];
    const secrets = [...names.map((name) => env[name]), ...orgSecrets, ...at.auth.map((a) => a.secret)];
    assert(secrets.every(Boolean), "they are known");
    const got = await Promise.all(browser.texts);
    assert(got.length > 30, "responses were kept");
    for (const text of [...got, app.log]) for (const secret of secrets) assert(!text.includes(secret), `found in: ${text.slice(0, 120)}`);
    assertSame([browser.foreign, browser.problems], [[], []], "addresses, console");
  });

  await browser.stop();
  same(await app.stop(), true, `${id}: the app ends with its command`);
}

/** A development instance takes any address of this machine; what plays it is told which. Then where browsers find it. */
async function proxied(application, origin) {
  const r = await data.admin("PUT", `/api/v1/builds/${application.build}/origins`, { body: { origins: [origin] } });
  assertSame(r.status, 200, r.text);
  const env = JSON.parse(await data.mustCli(["env", application.build, "--framework", "next", "--format", "json"]));
  // The scripts too: by itself the SDK asks for them by https.
  return Object.fromEntries(["PROXY", "JS", "UI"].map((what) => [`NEXT_PUBLIC_CLERK_${what}_URL`, env[`NEXT_PUBLIC_CLERK_${what}_URL`]]));
}

await check("the builds are deleted: nothing of them is left at the vendors, and what is of others stays", async () => {
  const ids = RUNS.map(({ id }) => id);
  await gone(daemon, ...ids);
  assertSame([ids.flatMap((id) => Object.values(made(id)).flat()).length, [...r2.buckets.keys()]], [0, ["accounting"]], "what is left");
});

await check("the audit holds together, and no key of the organisation is in the log", async () => {
  const r = await daemon.cli(["audit", "verify"]);
  await daemon.stop();
  assertSame(r.code, 0, r.stderr || r.stdout);
  for (const secret of orgSecrets) assert(!daemon.log.includes(secret), "a secret is in the log");
});
await check("no vendor had to refuse anything, but R2 an object that is not there, which the app's health asks for", async () => {
  const nobody = clerk.refusals.filter((r) => r.platform);
  assertSame([turso.refusals, nobody, r2.refusals.filter((r) => r.why !== "NoSuchKey")], [[], [], []], "refusals");
});
for (const stand of [turso, clerk, r2, stripe]) await stand.stop();
await data.stop();
