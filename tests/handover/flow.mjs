// What somebody does with an app on its way to its owner's keys. In the namespace.
import { readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { assert, assertSame, check, finish, same } from "../lib/tap.mjs";
import { cleanUp, request } from "../lib/daemon.mjs";
import { APP, HOSTS, PORTS, SLUG, VALET } from "./street.mjs";
import { World, until } from "./world.mjs";

const world = await World.make({ cert: process.env.HANDOVER_CERT, key: process.env.HANDOVER_KEY });
process.env.CHROMIUM = world.browser();
const { App, Browser, stopAll } = await import("../browser/harness.mjs");
const { account, anybody, fillAddress, fillPassword, signOut, signUp } = await import("../browser/people.mjs");

const app = new App(world.valet, "shop", PORTS.app);
app.url = APP;
await app.start();
const browser = await Browser.open();
const { page } = browser;
const button = (name) => page.getByRole("button", { name, exact: true });

// ---- what a person does, on whichever side

async function signInAgain(address) {
  await signOut(browser);
  await page.goto(`${APP}/sign-in`);
  await fillAddress(browser, address);
  await fillPassword(browser);
  await account(browser, "in");
}

async function writeNote(text) {
  await page.goto(APP);
  await page.getByTestId("database-health").filter({ hasText: /answers in/ }).waitFor();
  await page.getByRole("textbox", { name: "New note" }).fill(text);
  await button("Write a note").click();
  await page.getByRole("log").getByText(/^note #\d+ written \(201\)$/).first().waitFor();
  await page.reload();
  await page.getByText(text).first().waitFor();
}

async function uploadAndDownload(file) {
  await page.goto(`${APP}/files`);
  await page.getByTestId("file").setInputFiles(file);
  await button("Upload").click();
  await page.getByRole("log").getByText(`uploaded ${file.name} (200)`, { exact: true }).waitFor();
  const [got] = await Promise.all([page.waitForEvent("download"), button(`Download ${file.name}`).click()]);
  assert(readFileSync(await got.path()).equals(file.buffer), "the bytes that came back");
  return new URL(got.url()).hostname;
}

/** Buys and pays; the app shows it as paid, which only a webhook that is rightly signed makes it. Where the payment's page was. */
async function buy(product) {
  await page.goto(APP);
  await button(`Buy ${product}`).click();
  await page.waitForURL((url) => url.pathname.includes("/c/pay/cs_test_"));
  const at = new URL(page.url()).hostname;
  await page.locator("#email").fill("buyer@example.com");
  await page.locator("#cardNumber").fill("4242424242424242");
  await page.locator("#cardExpiry").fill("12 / 34");
  await page.locator("#cardCvc").fill("123");
  await page.locator("#billingName").fill("Ada Buyer");
  await page.getByTestId("hosted-payment-submit-button").click();
  await page.waitForURL(`${APP}/?checkout=success&session_id=cs_test_**`);
  await page.getByTestId("checkout-return").and(page.locator("[data-state=paid]")).waitFor();
  await page.getByTestId("catalogue").locator("[data-purchase]").filter({ hasText: product }).filter({ hasText: "paid" }).first().waitFor();
  return at;
}

const file = (name) => ({ name, mimeType: "text/plain", buffer: Buffer.from(`What is in ${name}.\n`) });
const badges = async () => {
  await page.goto(APP);
  return page.locator("[data-testid$=-badge]").allTextContents();
};

// ---- on valet keys

await check("right after it was built, all of the app works: no account, no key, no setting", async () => {
  await page.goto(APP);
  await page.getByRole("heading", { level: 1, name: "Your app is running" }).waitFor();
  for (const service of ["database", "auth", "storage", "payments"]) await page.getByTestId(`${service}-health`).filter({ hasText: /answers in/ }).waitFor();
  assertSame([...new Set(await badges())], ["build keys"], "badges");
  assertSame(await page.evaluate(() => [location.origin, isSecureContext]), [APP, true]);
});
await check("people sign up, out and in", async () => {
  await signUp(browser, app, anybody("before"));
  await signInAgain(anybody("before"));
});
await check("rows are written and read", () => writeNote("Written on valet keys"));
await check("a file goes up from the browser and comes back", async () => assertSame(await uploadAndDownload(file("before.txt")), VALET.storage, "where it lies"));
await check("something is bought: paid on the build's page, and visible", async () => assertSame(await buy("Day ticket"), VALET.payments, "where it was paid"));
await check("nothing has come to a vendor", () => assertSame(world.came().filter(({ host }) => Object.values(HOSTS).includes(host)), [], "requests"));

await check("no error in the browser's console", () => assertSame(browser.problems.splice(0), [], "problems"));
same(await app.stop(), true, "the app ends with its command");
await stopAll();
await world.valet.stop();
await world.vendor.stop();
await cleanUp();
finish();
