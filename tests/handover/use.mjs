// What a person does with the app, on whichever side it runs.
import { readFileSync } from "node:fs";
import { assert } from "../lib/tap.mjs";
import { account, fillAddress, fillPassword, signOut } from "../browser/people.mjs";
import { APP } from "./street.mjs";

export const file = (name) => ({ name, mimeType: "text/plain", buffer: Buffer.from(`What is in ${name}.\n`) });

const button = (page, name) => page.getByRole("button", { name, exact: true });
const answers = ({ page }, service) => page.getByTestId(`${service}-health`).filter({ hasText: /answers in/ }).waitFor();

/** The first page, with an answer of each service. Whose keys each runs on, as its badge says. */
export async function look(browser) {
  const { page } = browser;
  await page.goto(APP);
  await page.getByRole("heading", { level: 1, name: "Your app is running" }).waitFor();
  const badges = {};
  for (const service of ["database", "auth", "storage", "payments"]) {
    await answers(browser, service);
    badges[service] = await page.getByTestId(`${service}-badge`).textContent();
  }
  return badges;
}

export async function signInAgain(browser, address) {
  await signOut(browser);
  await browser.page.goto(`${APP}/sign-in`);
  await fillAddress(browser, address);
  await fillPassword(browser);
  await account(browser, "in");
}

export async function writeNote(browser, text) {
  const { page } = browser;
  await page.goto(APP);
  await answers(browser, "database");
  await page.getByRole("textbox", { name: "New note" }).fill(text);
  await button(page, "Write a note").click();
  await page.getByRole("log").getByText(/^note #\d+ written \(201\)$/).first().waitFor();
  await page.reload();
  await page.getByText(text).first().waitFor();
}

/** Where the browser got it from. */
export async function uploadAndDownload(browser, { name, ...rest }) {
  const { page } = browser;
  await page.goto(`${APP}/files`);
  await page.getByTestId("file").setInputFiles({ name, ...rest });
  await button(page, "Upload").click();
  await page.getByRole("log").getByText(`uploaded ${name} (200)`, { exact: true }).waitFor();
  const [got] = await Promise.all([page.waitForEvent("download"), button(page, `Download ${name}`).click()]);
  assert(readFileSync(await got.path()).equals(rest.buffer), "the bytes that came back");
  return new URL(got.url()).hostname;
}

/** Buys and pays. The app shows it as paid, which only a webhook that is rightly signed makes it. Where the payment's page was. */
export async function buy(browser, product) {
  const { page } = browser;
  try {
    return await bought(page, product);
  } catch (e) {
    const said = await page.locator("[data-testid=checkout-return], [role=alert]").allTextContents().catch((error) => [error.message]);
    throw new Error(`at ${page.url()}, where it says ${JSON.stringify(said)}: ${e.message}`);
  }
}

async function bought(page, product) {
  await page.goto(APP);
  await button(page, `Buy ${product}`).click();
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
