// What a person does to sign up, in and out, and what the build's outbox says meanwhile. Addresses with `+clerk_test` take 424242.
import { assert } from "../lib/tap.mjs";

export const PASSWORD = "correct horse 9 battery";
const TEST_CODE = "424242";

export const anybody = (name) => `${name}+clerk_test@example.com`;
export const account = ({ page }, state) => page.locator(`[data-account="${state}"]`).waitFor();
const go = (page) => page.getByRole("button", { name: "Continue", exact: true }).click();

/** The newest code that was sent to `address`. */
export async function sentCode(daemon, build, address) {
  const answer = await daemon.admin("GET", `/api/v1/builds/${build}/services/auth/outbox`);
  const message = answer.status === 200 && answer.json().messages.find((one) => one.address === address);
  assert(message, `the outbox holds nothing for ${address}: ${answer.status} ${answer.text.slice(0, 300)}`);
  return message;
}

export async function fillSignUp({ page }, address, password = PASSWORD) {
  await page.locator("input[name=emailAddress]").fill(address);
  await page.locator("input[name=password]").fill(password);
  await go(page);
}

export const typeCode = async ({ page }, code) => page.locator("input[autocomplete=one-time-code]").fill(code);

/** Ends on `to`, signed in. */
export async function signUp(browser, app, address, to = "/") {
  await browser.page.goto(`${app.url}/sign-up?redirect_url=${encodeURIComponent(to)}`);
  // The form asks for the code before the service has sent it; nobody types one that fast.
  const sent = browser.page.waitForResponse((r) => /\/sign_ups\/[^/]+\/prepare_verification\b/.test(r.url()) && r.request().method() === "POST");
  sent.catch(() => {}); // when what follows fails first
  await fillSignUp(browser, address);
  await sent;
  await typeCode(browser, TEST_CODE);
  await browser.page.waitForURL(`${app.url}${to}`);
  await account(browser, "in");
}

export async function fillAddress({ page }, address) {
  await page.locator("input[name=identifier]").fill(address);
  await go(page);
}

/** The second page of the form, which comes once the address is known. */
export async function fillPassword({ page }, password = PASSWORD) {
  await page.waitForURL(/\/sign-in\/factor-one/);
  await page.locator("input[name=password]").fill(password);
  await go(page);
}

export async function openMenu({ page }) {
  await page.getByRole("button", { name: "Open user menu" }).click();
  await page.getByText("Sign out", { exact: true }).waitFor();
}

export async function signOut(browser) {
  await openMenu(browser);
  await browser.page.getByText("Sign out", { exact: true }).click();
  await account(browser, "out");
}

/** Headers of a request that this browser could make to `app` now. */
export async function asUser({ context }, { url }) {
  const cookies = await context.cookies(url);
  return { Cookie: cookies.map(({ name, value }) => `${name}=${value}`).join("; ") };
}
