import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { Daemon, portBase, request } from "../lib/daemon.mjs";
import { assert, assertSame, check } from "../lib/tap.mjs";
import { contrastProblems } from "../browser/contrast.mjs";
import { App, Browser } from "../browser/harness.mjs";
import { axeProblems } from "./axe.mjs";

const PORT_BASE = await portBase();
const daemon = await new Daemon({ portBase: PORT_BASE }).start();
const { env } = await daemon.createBuild("keys-one", ["--origin", `http://localhost:${PORT_BASE + 11}`]);
const { env: foreign } = await daemon.createBuild("keys-two");
const app = await new App(daemon, "keys-one", PORT_BASE + 11).start();
// Only what is there for apps that have the page: the template's package.json asks for it.
const own = Object.fromEntries((await daemon.mustCli(["env", "keys-one", "--app", app.folder])).split("\n").filter(Boolean).map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
const secrets = [own.SETTINGS_TOKEN, own.SETTINGS_ENCRYPTION_KEY, own.CLERK_SECRET_KEY, own.TURSO_AUTH_TOKEN, own.R2_SECRET_ACCESS_KEY, own.STRIPE_SECRET_KEY, own.STRIPE_WEBHOOK_SECRET];

const browser = await Browser.open();
const { page } = browser;
const button = (name, within = page) => within.getByRole("button", { name, exact: true });
const card = (id) => page.locator(`[data-service="${id}"][aria-labelledby]`);
const label = (name, within) => within.getByLabel(name, { exact: true });
const overlay = path.join(app.folder, ".env.keys");
const show = () => page.goto(`${app.url}/settings`);
/** A page that refuses answers 4xx, which Chromium writes to its console; nothing else may be there. */
const problems = () => browser.problems.filter((line) => !/status of (401|422|429) .*\/api\/settings\//.test(line));
const pictures = async (name) => {
  for (const [width, scheme] of [[360, "light"], [360, "dark"], [1280, "light"], [1280, "dark"]]) {
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme: scheme });
    assertSame([await contrastProblems(page, 8), await axeProblems(page)], [[], []], `${name}, ${width} px, ${scheme}`);
    assert(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name} is wider than ${width} px`);
    await browser.shot(`${name}-${width}-${scheme}`);
  }
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
};
const refused = async (id, say) => {
  const report = card(id).getByTestId("report");
  await report.filter({ hasText: say }).waitFor();
  assertSame([await report.getAttribute("data-valid"), existsSync(overlay)], ["false", false], "nothing was saved");
};

await check("the page is locked, by every width and both schemes, and axe finds nothing", async () => {
  await show();
  await page.getByRole("heading", { level: 1, name: "Owner only" }).waitFor();
  assertSame((await page.content()).includes("data-service"), false, "a card is there");
  await pictures("settings-locked");
});

await check("what is typed before the page's script runs, or without one, does not go into an address", async () => {
  const plain = await browser.context.browser()?.newContext({ javaScriptEnabled: false });
  const other = plain ? await plain.newPage() : page;
  await other.goto(`${app.url}/settings`);
  assertSame(await other.locator("form").evaluateAll((all) => all.map((form) => form.method)), ["post"], "how the form is sent");
  await plain?.close();
});

await check("a wrong token is refused; five of them, and the sixth is not looked at", async () => {
  for (let i = 0; i < 5; i++) {
    await label("Setup token", page).fill(`st_wrong${i}`);
    await button("Unlock").click();
    await page.getByRole("main").getByRole("alert").getByText("That token is not right").waitFor();
  }
  const answer = await request(`${app.url}/api/settings/session`, { method: "PUT", headers: { "Content-Type": "application/json", Origin: app.url, "Sec-Fetch-Site": "same-origin" }, body: JSON.stringify({ token: own.SETTINGS_TOKEN }) });
  assertSame([answer.status, answer.json().error.code, Number(answer.headers["retry-after"]) > 0], [429, "too_often", true], "the sixth");
});

await check("the right token opens it, by keyboard alone, once the minute is over", async () => {
  await app.stop();
  await app.start(); // the count of tries is the process's
  await show();
  await page.keyboard.press("Tab");
  for (let i = 0; i < 20 && !(await page.evaluate(() => document.activeElement?.getAttribute("name") === "token")); i++) await page.keyboard.press("Tab");
  await page.keyboard.type(own.SETTINGS_TOKEN);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Keys" }).waitFor();
  assertSame(await page.getByTestId("migrated").textContent(), "0 of 4 services on your own keys.", "tally");
  const cards = await page.locator("[data-service][aria-labelledby]").evaluateAll((all) => all.map((one) => [one.dataset.service, one.querySelector("[data-status]").dataset.status]));
  assertSame(cards, [["clerk", "proxy"], ["turso", "proxy"], ["r2", "proxy"], ["stripe", "proxy"]], "cards");
  const [cookie] = (await browser.context.cookies(app.url)).filter(({ name }) => name === "settings");
  assert(cookie?.httpOnly && cookie.sameSite === "Strict" && cookie.value !== own.SETTINGS_TOKEN, "the cookie");
});

await check("after unlocking the keyboard is at the heading, and no form of the page would be sent in an address", async () => {
  assertSame(await page.evaluate(() => document.activeElement?.textContent), "Keys", "focus");
  const sent = await page.locator("form:has(input)").evaluateAll((all) => all.map((form) => form.method));
  assert(sent.length >= 5 && sent.every((method) => method === "post"), sent.join());
});

await check("the open page, by every width and both schemes", () => pictures("settings-open"));

await check("no secret is in the page or in anything that the browser got", async () => {
  const all = `${(await Promise.all(browser.texts)).join("\n")}\n${await page.content()}`;
  for (const secret of secrets) assert(secret && !all.includes(secret), `${secret?.slice(0, 8)}… was seen`);
});

await check("empty fields save nothing: what the build has does not stand in for them", async () => {
  await button("Validate & save", card("stripe")).click();
  await refused("stripe", "Nothing was saved.");
  assertSame(await card("stripe").locator('[data-verdict="fail"]').count() > 0, true, "what failed");
  await card("stripe").scrollIntoViewIfNeeded();
  await pictures("settings-refused");
});

await check("the build's own keys and another build's are no keys of one's own", async () => {
  for (const keys of [env, foreign]) {
    await label("Publishable key", card("stripe")).fill(keys.NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY);
    await label("Secret key", card("stripe")).fill(keys.STRIPE_SECRET_KEY);
    await button("Validate & save", card("stripe")).click();
    await card("stripe").locator('[data-check^="ours"][data-verdict="fail"]').first().waitFor();
    await refused("stripe", "Nothing was saved.");
  }
});

await check("another vendor's key is named as what it is, at its field", async () => {
  await label("Publishable key", card("stripe")).fill("pk_test_Y2xlcmsuZXhhbXBsZS5kZXYk");
  await label("Secret key", card("stripe")).fill("whsec_obviouslynotarealkey");
  await button("Validate", card("stripe")).click();
  await card("stripe").getByTestId("field-problem").first().waitFor();
  await refused("stripe", "Nothing was saved.");
  assert((await label("Secret key", card("stripe")).getAttribute("aria-invalid")) === "true", "the field says so");
});

await check("an address inside is not asked, however it is written", async () => {
  for (const url of [`http://127.0.0.1:${PORT_BASE + 2}`, "libsql://127.0.0.1", "https://[::1]", "https://169.254.169.254"]) {
    await label("Database URL", card("turso")).fill(url);
    await label("Auth token", card("turso")).fill("obviously-not-a-token");
    await button("Validate & save", card("turso")).click();
    await refused("turso", "Nothing was saved.");
  }
});

await check("keys of the right shape that no vendor could be asked about are not saved", async () => {
  await label("Publishable key", card("clerk")).fill(`pk_test_${Buffer.from("owner.clerk.accounts.dev$").toString("base64").replace(/=+$/, "")}`);
  await label("Secret key", card("clerk")).fill("sk_test_not_a_key_of_anybody_at_all");
  await button("Validate & save", card("clerk")).click();
  await card("clerk").getByTestId("report").filter({ hasText: /could not be asked|Nothing was saved/ }).waitFor({ timeout: 60_000 });
  assertSame(existsSync(overlay), false, "nothing was saved");
});

await check("by keyboard alone: every control is reached in its order, and does what it says", async () => {
  await show();
  const focused = () => page.evaluate(() => {
    const e = document.activeElement;
    const box = e?.getBoundingClientRect();
    return e && e !== document.body ? { at: `${e.closest("[data-service]")?.dataset.service ?? ""} ${e.getAttribute("name") ?? e.textContent?.trim() ?? ""}`.trim(), seen: box.width > 0 && getComputedStyle(e).outlineStyle !== "none" } : null;
  });
  const all = await page.locator("main").evaluate((main) => [...main.querySelectorAll("a[href], button, input, select, textarea, summary")].filter((e) => e.checkVisibility()).length);
  const reached = [];
  await page.evaluate(() => document.querySelector("main").focus());
  for (let i = 0; i < all + 30; i++) {
    await page.keyboard.press("Tab");
    const now = await focused();
    if (!now) break;
    assert(now.seen, `${now.at}: nothing shows that it has the focus`);
    if (await page.evaluate(() => document.querySelector("main").contains(document.activeElement))) reached.push(now.at);
  }
  assertSame([reached.length, new Set(reached).size === reached.length], [all, true], `reached: ${reached.join(" | ")}`);

  const steps = card("r2").locator("summary");
  await steps.focus();
  await page.keyboard.press("Enter");
  await card("r2").getByRole("link", { name: "Open the dashboard" }).waitFor();
  await label("Bucket", card("r2")).focus();
  await page.keyboard.type("my-app-uploads");
  await page.keyboard.press("Enter"); // as the first button does
  await refused("r2", "Nothing was saved.");
  await button("Validate", card("stripe")).focus();
  await page.keyboard.press("Space");
  await refused("stripe", "Nothing was saved.");
  await page.getByRole("combobox").first().focus();
  await page.keyboard.type("JSON");
  await page.keyboard.press("Tab");
  const [got] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("Enter")]);
  assertSame(Object.keys(JSON.parse(readFileSync(await got.path(), "utf8"))).filter((name) => /^(STRIPE|CLERK_SECRET|TURSO|R2)/.test(name)), [], "the build's keys in the file");
});

await check("a file of one's own keys has none of the build's", async () => {
  await show();
  const [got] = await Promise.all([page.waitForEvent("download"), button("Download").click()]);
  const text = readFileSync(await got.path(), "utf8");
  assertSame(got.suggestedFilename(), ".env.production".replace(/^\./, got.suggestedFilename().startsWith(".") ? "." : ""), "its name");
  for (const secret of secrets.slice(2)) assert(!text.includes(secret), "a build's key is in it");
  assert(/^#/m.test(text), text);
});

await check("whoever locks the page is asked again", async () => {
  await button("Lock this page").click();
  await page.getByRole("heading", { level: 1, name: "Owner only" }).waitFor();
  await show();
  await page.getByRole("heading", { level: 1, name: "Owner only" }).waitFor();
});

await check("the browser said nothing and asked nobody else", async () => {
  assertSame([problems(), browser.foreign], [[], []], "console and foreign requests");
});

await check("whose sign-in is gone can still replace its keys", async () => {
  await daemon.mustCli(["build", "revoke", "keys-one"]);
  const other = await Browser.open(); // it knows nothing of the sign-in yet, so the SDK would lead it there first
  await other.page.goto(`${app.url}/settings`);
  await label("Setup token", other.page).fill(own.SETTINGS_TOKEN);
  await button("Unlock", other.page).click();
  await other.page.getByRole("heading", { level: 1, name: "Keys" }).waitFor();
  await button("Validate & save", other.page.locator('[data-service="clerk"][aria-labelledby]')).click();
  await other.page.getByTestId("report").filter({ hasText: "Nothing was saved." }).waitFor();
  assertSame(new URL(other.page.url()).pathname, "/settings", "where it is");
  // What the SDK would have found out, said by whoever asks.
  const forged = { "x-clerk-auth-status": "signed-in", "x-clerk-auth-token": "e30.e30.e30", "x-clerk-auth-signature": "0".repeat(40), "X-Clerk-Clerk-Url": app.url, "x-clerk-request-data": "e30" };
  const answer = await request(`${app.url}/settings`, { headers: { Accept: "text/html", "Sec-Fetch-Dest": "document", ...forged } });
  assertSame([answer.status, answer.text.includes("Owner only")], [200, true], "forged");
});
