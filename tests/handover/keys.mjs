// The settings page, as its owner uses it.
import { sleep } from "../lib/daemon.mjs";
import { APP } from "./street.mjs";

const CARDS = { clerk: "clerk", database: "turso", storage: "r2", stripe: "stripe" };

export class KeysPage {
  constructor({ page }) {
    this.page = page;
  }

  async open() {
    await this.page.goto(`${APP}/settings`);
  }

  /** Types the setup token; what the page says then. */
  async unlock(token) {
    await this.page.getByLabel("Setup token", { exact: true }).fill(token);
    await this.page.getByRole("button", { name: "Unlock", exact: true }).click();
  }

  async unlocked() {
    await this.page.getByRole("heading", { level: 1, name: "Keys" }).waitFor();
  }

  card(service) {
    return this.page.locator(`[data-service="${CARDS[service]}"][aria-labelledby]`);
  }

  /** { "<service>": "proxy" | "own" | "missing" } as the cards say. */
  async states() {
    const all = Object.entries(CARDS).map(async ([service]) => [service, await this.card(service).locator("[data-status]").first().getAttribute("data-status")]);
    return Object.fromEntries(await Promise.all(all));
  }

  async tally() {
    return (await this.page.getByTestId("migrated").textContent()).slice(0, 1);
  }

  /** Fills in the card, empties what `values` does not have, and presses the button. { status, answer }: what came back, which is on the card by then. Too
   * many a minute are refused; who is told so waits as long as it says. */
  async send(service, values, button = "Validate & save") {
    const card = this.card(service);
    for (const input of await card.locator("input[name]").all()) await input.fill(values[await input.getAttribute("name")] ?? "");
    for (;;) {
      const [response] = await Promise.all([
        this.page.waitForResponse((one) => one.url() === `${APP}/api/settings/keys` && one.request().method() === "POST", { timeout: 60_000 }),
        card.getByRole("button", { name: button, exact: true }).click(),
      ]);
      if (response.status() === 429) {
        await sleep(Number(response.headers()["retry-after"]) * 1000);
        continue;
      }
      // A page that loads itself anew takes the answer with it.
      const answer = await response.json().catch(() => undefined);
      await card.locator(`[data-testid=report][data-valid=${response.status() === 200}]`).waitFor();
      return { status: response.status(), answer };
    }
  }
}
