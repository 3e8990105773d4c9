// What a person does with the template app, and what must hold meanwhile.
import { readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { Daemon, plain, portBase, request, tempFolder } from "../lib/daemon.mjs";
import { assert, assertSame, check, same } from "../lib/tap.mjs";
import { App, Browser, template } from "./harness.mjs";
import { anybody, asUser, signOut, signUp } from "./people.mjs";
import { contrastProblems } from "./contrast.mjs";

const PORT_BASE = await portBase();
const daemon = await new Daemon({ portBase: PORT_BASE }).start();
const builds = {
  one: await daemon.createBuild("board-one", ["--origin", `http://localhost:${PORT_BASE + 11}`]),
  two: await daemon.createBuild("board-two", ["--origin", `http://localhost:${PORT_BASE + 12}`]),
};
const secrets = [builds.one, builds.two].flatMap(({ env }) => [env.TURSO_AUTH_TOKEN, env.R2_SECRET_ACCESS_KEY, env.CLERK_SECRET_KEY, env.STRIPE_SECRET_KEY, env.STRIPE_WEBHOOK_SECRET]).concat(daemon.adminToken);
const [app, browser] = await Promise.all([new App(daemon, "board-one", PORT_BASE + 11).start(), Browser.open()]);
const { page } = browser;

const button = (name) => page.getByRole("button", { name, exact: true });
const field = page.getByRole("textbox", { name: "New note" });
const log = page.getByRole("log");
const notes = () => page.locator("[data-note]").evaluateAll((all) => all.map((li) => Number(li.dataset.note)));
const logged = (text) => log.getByText(text, { exact: true }).first().waitFor();
const write = async (text) => {
  const total = (await app.health()).database.notes;
  await field.fill(text);
  await button("Write a note").click();
  await page.waitForFunction((n) => document.querySelector("[data-testid=total]")?.textContent === `${n} in all`, total + 1);
};
const stored = async (sql) => (await daemon.sql(builds.one.env.TURSO_AUTH_TOKEN, sql)).rows.map((row) => row.map(plain));
const show = async (url = app.url) => {
  await page.goto(url);
  await page.getByTestId("database-health").filter({ hasNotText: "asking" }).waitFor();
};
const expectNoProblems = () => {
  assertSame(browser.problems, [], "errors in the browser's console");
};

await check("health counts the rows of a database that did not exist a moment ago", async () => {
  const health = await app.health();
  for (const { ms } of [health.database, health.auth, health.storage, health.payments]) assert(typeof ms === "number" && ms >= 0, "ms");
  assertSame(health, { ok: true, database: { ok: true, notes: 0, ms: health.database.ms }, auth: { ok: true, ms: health.auth.ms }, storage: { ok: true, ms: health.storage.ms }, payments: { ok: true, ms: health.payments.ms },
    services: ["clerk", "database", "storage", "stripe"].map((id) => ({ id, keys: "build keys", mode: id === "clerk" || id === "stripe" ? "test" : null })) }, "health");
  assertSame(builds.one.env.R2_BROWSER_ENDPOINT, undefined, "one address for app and browser needs no second variable");
  assertSame(await stored("SELECT name FROM _app_migrations"), readdirSync(path.join(template, "prisma", "migrations")).filter((n) => /^\d/.test(n)).map((n) => [n]), "ledger");
});

await check("the first page: heading, badge, empty state, and a way to begin", async () => {
  await show();
  await page.getByRole("heading", { level: 1, name: "Your app is running" }).waitFor();
  assertSame(await page.getByTestId("database-badge").textContent(), "build keys", "badge");
  await browser.shot("empty");
  await page.getByTestId("empty").getByText("No notes yet").waitFor();
  await button("Write the first one").click();
  assert(await field.evaluate((e) => e === document.activeElement), "the field has the focus");
});

const catalogue = page.getByTestId("catalogue");
const prices = () => catalogue.locator("[data-product]").evaluateAll((all) => all.map((li) => [li.dataset.product, li.querySelector("p")?.textContent]));

await check("the catalogue of a fresh database: seeded, in its order, priced; no purchases yet", async () => {
  await catalogue.getByRole("heading", { name: "Catalogue" }).waitFor();
  const seeded = [["day-ticket", "Day ticket€12.00"], ["season-pass", "Season pass€89.00"], ["workshop", "Workshop place€34.50"], ["programme", "Printed programme€6.50"]];
  assertSame(await prices(), seeded, "price list");
  assertSame(await stored('SELECT slug, priceCents FROM "Product" ORDER BY position'), [["day-ticket", 1200n], ["season-pass", 8900n], ["workshop", 3450n], ["programme", 650n]], "rows");
  assertSame(await stored("SELECT name FROM _app_seeds"), [["20261125120000_catalogue"]], "ledger of seeds");
  const answer = await request(`${app.url}/api/products`);
  assertSame([answer.status, answer.json().products.map((p) => p.slug)], [200, seeded.map(([slug]) => slug)], "API");
});

let me;
/** Where one pays: the build's own page. */
const payPage = (url) => url.port === String(PORT_BASE + 4) && url.pathname.startsWith("/b/board-one/c/pay/cs_test_");
await check("whoever signed up has bought nothing yet", async () => {
  await signUp(browser, app, anybody("buyer"));
  await page.getByTestId("no-purchases").getByText("None yet.").waitFor();
  assertSame((await request(`${app.url}/api/purchases`, { headers: await asUser(browser, app) })).json(), { purchases: [], total: 0 }, "API");
  await button("Buy Day ticket").click();
  await page.waitForURL(payPage);
  await show();
  [[me]] = await stored('SELECT buyerId FROM "Purchase"');
  assert(/^user_[0-9A-Za-z]{20,}$/.test(me), `${me}`);
  await daemon.sql(builds.one.env.TURSO_AUTH_TOKEN, 'DELETE FROM "Purchase"');
});

await check("what changes in the catalogue and what is bought is shown; what is no longer sold is not, though its purchases are", async () => {
  const token = builds.one.env.TURSO_AUTH_TOKEN;
  for (const sql of [
    `UPDATE "Product" SET priceCents = 1999, currency = 'usd' WHERE slug = 'workshop'`,
    `UPDATE "Product" SET active = 0 WHERE slug = 'programme'`,
    `INSERT INTO "Product" (slug, name, description, priceCents, currency, position) VALUES ('yen', '<i>Fan</i>', 'Folds & opens', 500, 'jpy', 0)`,
    `INSERT INTO "Purchase" (productId, buyerId, amountCents, currency, status, reference) SELECT id, '${me}', 650, 'eur', 'paid', 'made-up-1' FROM "Product" WHERE slug = 'programme'`,
  ]) await daemon.sql(token, sql);
  await show();
  assertSame(await prices(), [["yen", "<i>Fan</i>JP¥500"], ["day-ticket", "Day ticket€12.00"], ["season-pass", "Season pass€89.00"], ["workshop", "Workshop placeUS$19.99"]], "price list");
  const bought = await catalogue.locator("[data-purchase]").allTextContents();
  assert(bought.length === 1 && bought[0].startsWith("Printed programme€6.50") && bought[0].endsWith("paid"), JSON.stringify(bought));
  const refused = await daemon.sql(token, `DELETE FROM "Product" WHERE slug = 'programme'`).catch((e) => e);
  assert(/FOREIGN KEY/.test(refused.message), `a product that was bought can be deleted: ${refused.message}`);
  const twice = await daemon.sql(token, `INSERT INTO "Purchase" (productId, amountCents, currency, reference) VALUES (1, 1, 'eur', 'made-up-1')`).catch((e) => e);
  assert(/UNIQUE/.test(twice.message), `one payment counts twice: ${twice.message}`);
  for (const sql of [`DELETE FROM "Purchase"`, `DELETE FROM "Product" WHERE slug = 'yen'`, `UPDATE "Product" SET priceCents = 3450, currency = 'eur', active = 1`, `UPDATE "Product" SET priceCents = 1200 WHERE slug = 'day-ticket'`,
    `UPDATE "Product" SET priceCents = 8900 WHERE slug = 'season-pass'`, `UPDATE "Product" SET priceCents = 650 WHERE slug = 'programme'`]) await daemon.sql(token, sql);
  await show();
});

await check("Buy leads to the page where one pays; who goes back has a pending purchase at the price that was shown, and paid nothing", async () => {
  await page.getByTestId("payments-note").getByText("4242 4242 4242 4242").waitFor();
  await button("Buy Season pass").click();
  await page.waitForURL(payPage);
  await page.getByText("Season pass").first().waitFor();
  const [[id, session]] = await stored('SELECT id, reference FROM "Purchase"');
  assert(page.url().endsWith(session), `${page.url()} is the page of ${session}`);
  await page.goto(`${app.url}/?checkout=cancelled`);
  await page.getByTestId("checkout-return").getByText("Nothing was paid.").waitFor();
  await catalogue.locator(`[data-purchase='${id}']`).waitFor();
  const listed = await catalogue.locator("[data-purchase]").allTextContents();
  assert(listed.length === 1 && listed[0].startsWith("Season pass€89.00") && listed[0].endsWith("pending"), JSON.stringify(listed));
  assertSame(await stored('SELECT p.slug, amountCents, b.currency, status, reference, buyerId, paidAt FROM "Purchase" b JOIN "Product" p ON p.id = productId'),
    [["season-pass", 8900n, "eur", "pending", session, me, null]], "rows");
  await browser.shot("purchase");
  await button("Buy Season pass").click();
  await page.waitForURL(payPage);
  assertSame([page.url().endsWith(session), await stored('SELECT id, reference FROM "Purchase"')], [true, [[id, session]]], "who buys it again comes to the same page");
  await show();
  assertSame(await catalogue.locator("[data-purchase]").count(), 1, "after a reload");
});

await check("a price that changed while the page was open: nothing is bought, and the new price is shown", async () => {
  const token = builds.one.env.TURSO_AUTH_TOKEN;
  await daemon.sql(token, `UPDATE "Product" SET priceCents = 9900 WHERE slug = 'season-pass'`);
  await button("Buy Season pass").click();
  await catalogue.getByRole("alert").getByText("The price has changed meanwhile.").waitFor();
  await logged("checkout not begun (409)");
  await catalogue.locator("[data-product='season-pass']").getByText("€99.00").waitFor();
  await daemon.sql(token, `UPDATE "Product" SET priceCents = 8900 WHERE slug = 'season-pass'`);
  await daemon.sql(token, `UPDATE "Product" SET active = 0 WHERE slug = 'programme'`);
  await button("Buy Printed programme").click();
  await logged("checkout not begun (404)");
  await page.waitForFunction(() => document.querySelectorAll("[data-product]").length === 3);
  await daemon.sql(token, `UPDATE "Product" SET active = 1 WHERE slug = 'programme'`);
  assertSame(await stored('SELECT count(*) FROM "Purchase"'), [[1n]], "purchases");
  const said = browser.problems.splice(0);
  assert(said.length === 2 && said.every((t) => /40[49].*\/api\/checkout$/.test(t)), `the browser's own word on the two refusals: ${said}`);
  await show();
});

const bad = { product: "day-ticket", priceCents: 1200, currency: "eur" };
for (const [name, body, headers, status, code] of [
  ["a product that is not there", { ...bad, product: "none" }, {}, 404, "no_product"],
  ["another price", { ...bad, priceCents: 1 }, {}, 409, "other_price"],
  ["another currency", { ...bad, currency: "usd" }, {}, 409, "other_price"],
  ["a price that is none", { ...bad, priceCents: -1 }, {}, 422, "invalid"],
  ["half a cent", { ...bad, priceCents: 0.5 }, {}, 422, "invalid"],
  ["a field of its own", { ...bad, status: "paid" }, {}, 422, "invalid"],
  ["no product", { priceCents: 1200, currency: "eur" }, {}, 422, "invalid"],
  ["another site", bad, { "Sec-Fetch-Site": "cross-site" }, 403, "cross_origin"],
  ["a way back to another site", bad, { Origin: "https://elsewhere.example" }, 400, "no_origin"],
]) {
  await check(`the API refuses a purchase of ${name} (${status}) and writes nothing`, async () => {
    const answer = await request(`${app.url}/api/checkout`, { method: "POST", headers: { "Content-Type": "application/json", Origin: app.url, ...(await asUser(browser, app)), ...headers }, body });
    assertSame([answer.status, answer.json().error.code, await stored('SELECT count(*) FROM "Purchase"')], [status, code, [[1n]]], "answer");
  });
}

await check("so many purchases of one buyer may wait for their payment, then no more; others' do not count", async () => {
  const token = builds.one.env.TURSO_AUTH_TOKEN;
  await daemon.sql(token, `INSERT INTO "Purchase" (productId, buyerId, amountCents, currency) WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 100) SELECT 2, CASE WHEN n < 49 THEN '${me}' ELSE 'user_somebody' END, 1, 'eur' FROM c`);
  const again = async (body) => request(`${app.url}/api/checkout`, { method: "POST", headers: { "Content-Type": "application/json", Origin: app.url, ...(await asUser(browser, app)) }, body });
  assertSame((await again(bad)).status, 201, "the last one");
  const answer = await again({ product: "workshop", priceCents: 3450, currency: "eur" });
  assertSame([answer.status, answer.json().error.code], [409, "too_many_pending"], "answer");
  await show();
  await catalogue.getByText("50 in all").waitFor();
  assertSame(await catalogue.locator("[data-purchase]").count(), 20, "the newest");
  await daemon.sql(token, `DELETE FROM "Purchase"`);
  await signOut(browser); // the notes are everybody's
  await show();
});

await check("an empty note is refused with a sentence, and the field keeps the focus", async () => {
  await field.fill("   ");
  await button("Write a note").click();
  await page.getByRole("alert").getByText("Write something first.").waitFor();
  assert(await field.evaluate((e) => e === document.activeElement && e.getAttribute("aria-invalid") === "true"), "focus and aria-invalid");
  assertSame((await app.health()).database.notes, 0, "rows");
});

await check("a note is written: log line, list, row in the build's own file", async () => {
  await write("Call back about the tiles");
  await logged("note #1 written (201)");
  assertSame(await field.inputValue(), "", "the field is empty again");
  assertSame(await notes(), [1], "list");
  assertSame(await stored('SELECT id, body, pinned FROM "Note"'), [[1n, "Call back about the tiles", 0n]], "row");
});

await check("a reload shows it: it came from the database", async () => {
  await show();
  await page.getByText("Call back about the tiles").waitFor();
});

await check("markup, quotes, lines and other scripts are shown as they were written", async () => {
  const text = `<b>not bold</b> & "it's" ; DROP TABLE Note; --\nzweite Zeile: 日本語 🎟`;
  await write(text);
  await show();
  assertSame(await page.locator("[data-note='2'] p").first().textContent(), text, "text");
  assertSame(await page.locator("[data-note='2'] b").count(), 0, "elements made of a note");
});

await check("a note is edited; Escape gives up, Ctrl + Enter saves", async () => {
  const editor = page.getByRole("textbox", { name: "Text of note 1" });
  await button("Edit note 1").click();
  await editor.fill("given up");
  await editor.press("Escape");
  await page.getByText("Call back about the tiles").waitFor();
  await button("Edit note 1").click();
  await editor.fill("Call back about the blue tiles");
  await editor.press("Control+Enter");
  await logged("note #1 edited (200)");
  assert(await button("Edit note 1").evaluate((e) => e === document.activeElement), "the focus is back on Edit");
  await show();
  await page.getByText("Call back about the blue tiles").waitFor();
  await page.locator("[data-note='1']").getByText(", edited").waitFor();
});

await check("a pinned note goes first and stays there", async () => {
  await button("Pin note 1").click();
  await logged("note #1 pinned (200)");
  assertSame(await notes(), [1, 2], "list");
  await show();
  assertSame(await notes(), [1, 2], "list after a reload");
  await button("Unpin note 1").click();
  await logged("note #1 unpinned (200)");
  assertSame(await notes(), [2, 1], "list");
});

await check("a note is deleted after a second question", async () => {
  await button("Delete note 2").click();
  await button("Keep").click();
  assertSame((await app.health()).database.notes, 2, "kept");
  await button("Delete note 2").click();
  await button("Yes, delete").click();
  await logged("note #2 deleted (204)");
  assertSame(await notes(), [1], "list");
  assertSame(await stored('SELECT id FROM "Note"'), [[1n]], "rows");
});

await check("the keyboard alone writes, edits and deletes, and the focus is always to be seen", async () => {
  await show();
  const focused = () => page.evaluate(() => {
    const e = document.activeElement;
    const style = getComputedStyle(e);
    return { name: e.getAttribute("aria-label") ?? e.labels?.[0]?.textContent ?? e.textContent, seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 };
  });
  const tabTo = async (name, key = "Tab") => {
    for (let i = 0; i < 30; i++) {
      await page.keyboard.press(key);
      const at = await focused();
      if (at.name !== "BODY" && at.name?.length < 60) assert(at.seen, `the focus on "${at.name}" is not to be seen`);
      if (at.name === name) return;
    }
    throw new Error(`Tab does not reach "${name}"`);
  };
  await tabTo("New note");
  await page.keyboard.type("Typed without a mouse");
  await page.keyboard.press("Control+Enter");
  await logged("note #3 written (201)");
  await tabTo("Edit note 3");
  await page.keyboard.press("Enter");
  await page.getByRole("textbox", { name: "Text of note 3" }).waitFor();
  await page.keyboard.type(", and edited");
  await tabTo("Save");
  await page.keyboard.press("Enter");
  await logged("note #3 edited (200)");
  await page.getByText("Typed without a mouse, and edited").waitFor();
  await tabTo("Delete note 3");
  await page.keyboard.press("Enter");
  await button("Keep").waitFor();
  assertSame((await focused()).name, "Keep", "the focus is on the harmless answer");
  await tabTo("Yes, delete", "Shift+Tab");
  await page.keyboard.press("Enter");
  await logged("note #3 deleted (204)");
  await page.waitForFunction(() => document.activeElement?.tagName === "TEXTAREA");
});

await check("more notes than a page holds: the rest comes when asked for, each once, pinned first", async () => {
  for (let i = 0; i < 45; i++) {
    const answer = await request(`${app.url}/api/notes`, { method: "POST", headers: { "Content-Type": "application/json" }, body: { body: `Many ${i}` } });
    assertSame(answer.status, 201, "status");
  }
  for (const id of [1, 10, 30]) await request(`${app.url}/api/notes/${id}`, { method: "PATCH", headers: { "Content-Type": "application/json" }, body: { pinned: true } });
  await show();
  assertSame((await notes()).length, 20, "first page");
  for (const shown of [40, 46]) {
    await button("Show older notes").click();
    await page.waitForFunction((n) => document.querySelectorAll("[data-note]").length === n, shown);
  }
  const all = await notes();
  assertSame(all.slice(0, 3), [30, 10, 1], "pinned");
  assertSame(all.slice(3), all.slice(3).toSorted((a, b) => b - a), "newest first");
  assertSame(new Set(all).size, 46, "each once");
  assertSame(await button("Show older notes").count(), 0, "nothing more to show");
  await daemon.sql(builds.one.env.TURSO_AUTH_TOKEN, 'DELETE FROM "Note" WHERE id > 1');
  await daemon.sql(builds.one.env.TURSO_AUTH_TOKEN, 'UPDATE "Note" SET pinned = 0');
});

await check("no errors in the browser's console until here", expectNoProblems);

const refusals = [
  ["no JSON", "POST", "", "body=x", { "Content-Type": "application/x-www-form-urlencoded" }, 415, "not_json"],
  ["broken JSON", "POST", "", "{", {}, 400, "bad_json"],
  ["an empty note", "POST", "", { body: " \n " }, {}, 422, "invalid"],
  ["a note that is too long", "POST", "", { body: "x".repeat(501) }, {}, 422, "invalid"],
  ["a note that is no text", "POST", "", { body: 7 }, {}, 422, "invalid"],
  ["a field of its own", "POST", "", { body: "x", id: 1 }, {}, 422, "invalid"],
  ["a body without end", "POST", "", { body: "x".repeat(20_000) }, {}, 413, "too_large"],
  ["another site", "POST", "", { body: "x" }, { "Sec-Fetch-Site": "cross-site" }, 403, "cross_origin"],
  ["another site's delete", "DELETE", "/1", undefined, { "Sec-Fetch-Site": "same-site" }, 403, "cross_origin"],
  ["nothing to change", "PATCH", "/1", {}, {}, 422, "invalid"],
  ["a note that is not there", "PATCH", "/999999", { body: "x" }, {}, 404, "no_note"],
  ["a note that is not there", "DELETE", "/999999", undefined, {}, 404, "no_note"],
  ["an id that is none", "DELETE", "/1e9999", undefined, {}, 422, "invalid"],
  ["an id with SQL in it", "PATCH", "/1%3B%20DROP%20TABLE%20Note", { body: "x" }, {}, 422, "invalid"],
  ["a page that is none", "GET", "?after=x'1", undefined, {}, 422, "invalid"],
];
for (const [name, method, target, body, headers, status, code] of refusals) {
  await check(`the API refuses ${name} (${method} ${status}) and changes nothing`, async () => {
    const before = await stored('SELECT * FROM "Note"');
    const answer = await request(`${app.url}/api/notes${target}`, { method, headers: { "Content-Type": "application/json", ...headers }, body });
    assertSame([answer.status, answer.json().error.code], [status, code], "answer");
    assertSame(await stored('SELECT * FROM "Note"'), before, "rows");
  });
}

const SHOWN = [
  "Ask the caterer about the vegetarian menu",
  "Drain and refill the greenhouse tank before the frost. The valve sticks: quarter turn, wait, then another quarter.",
  "Train at 07:42, platform 3",
];
for (const scheme of ["light", "dark"]) {
  await check(`looks: text stands out from its ground (4.5 to 1) and nothing is cut off, ${scheme}`, async () => {
    await page.emulateMedia({ colorScheme: scheme });
    await show();
    if (scheme === "light") for (const text of SHOWN) await write(text);
    if (scheme === "light") await button(`Pin note ${(await notes())[1]}`).click();
    await page.getByRole("img", { name: "Pinned" }).waitFor();
    await page.getByRole("heading", { level: 1 }).click();
    await browser.shot(scheme);
    assertSame(await contrastProblems(page), [], "too little contrast");
    for (const width of [390, 320]) {
      await page.setViewportSize({ width, height: 844 });
      assert(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `wider than ${width} px`);
    }
    await page.setViewportSize({ width: 390, height: 2400 }); // all of it: what is masked and below the fold may be missing in a full-page picture
    await browser.shot(`${scheme}-phone`);
    await page.setViewportSize({ width: 1280, height: 900 });
  });
}
await page.emulateMedia({ colorScheme: "light" });

const other = await new App(daemon, "board-two", PORT_BASE + 12).start();
await check("two builds side by side: neither sees the other's rows", async () => {
  await show(other.url);
  await page.getByText("No notes yet").waitFor();
  await field.fill("Only in board two");
  await button("Write a note").click();
  await logged("note #1 written (201)");
  await show();
  assertSame(await page.getByText("Only in board two").count(), 0, "the other's note");
  assertSame((await other.health()).database.notes, 1, "rows of two");
  assertSame((await app.health()).database.notes, 4, "rows of one");
});

await check("seeds run once a database: what was deleted stays deleted at the next start, and valetkey's own ledger counts", async () => {
  const token = builds.two.env.TURSO_AUTH_TOKEN;
  await daemon.sql(token, `DELETE FROM "Product" WHERE slug = 'season-pass'`);
  // As if `valetkey db apply` had run the migrations: the app's own ledger does not know them.
  await daemon.mustCli(["db", "apply", "board-two", template]);
  await daemon.sql(token, "DELETE FROM _app_migrations");
  assert(await other.stop(), "it ended");
  await other.start();
  await show(other.url);
  assertSame((await prices()).map(([slug]) => slug), ["day-ticket", "workshop", "programme"], "price list");
});

await check("the database away: the page says so, keeps what was typed, and goes on when asked", async () => {
  await show();
  await daemon.stop();
  await field.fill("Typed while it was away");
  await button("Write a note").click();
  await page.getByText(/Not saved; your text is still here\. The database does not answer/).waitFor();
  assertSame(await field.inputValue(), "Typed while it was away", "text");
  await page.getByTestId("database-health").getByText("does not answer").waitFor();
  const health = await app.health();
  assertSame([health.ok, health.database.ok, health.database.error.code], [true, false, "unreachable"], "health");
  await show();
  await page.getByTestId("problem").getByText("Notes could not be read").waitFor();
  await catalogue.getByText("It could not be read from the database.").waitFor();
  await browser.shot("problem");
  await button("Try again").click();
  await logged("notes not read (503)");
  await daemon.start();
  await button("Try again").click();
  await logged("4 notes read (200)");
  await catalogue.getByText("Day ticket").waitFor();
  assertSame((await notes()).length, 4, "list");
});

await check("a revoked key: the page says that the key was refused", async () => {
  await daemon.mustCli(["build", "revoke", "board-two"]);
  assertSame((await other.health()).database.error?.code, "refused", "health");
  await show(other.url);
  await page.getByTestId("problem").getByText("The key was refused").waitFor();
});

await check("other keys in .env.keys count at the next request, and go with the file", async () => {
  const file = path.join(other.folder, ".env.keys");
  writeFileSync(`${file}.new`, `TURSO_DATABASE_URL='file:${path.join(tempFolder(), "own.db")}'\nTURSO_AUTH_TOKEN=\n`);
  renameSync(`${file}.new`, file);
  await show(other.url);
  await page.getByText("No notes yet").waitFor();
  assertSame(await page.getByTestId("database-badge").textContent(), "your keys", "badge");
  writeFileSync(`${file}.new`, "TURSO_DATABASE_URL=\n");
  renameSync(`${file}.new`, file);
  await show(other.url);
  await page.getByTestId("problem").getByText("No database is set", { exact: true }).waitFor();
  assertSame(await page.getByTestId("database-badge").textContent(), "not set", "badge");
  rmSync(file);
  assertSame((await other.health()).database.error?.code, "refused", "the build's keys again");
});

await check("the app's log holds no key", () => {
  for (const secret of secrets) assert(!`${app.log}${other.log}`.includes(secret), "a key is in the log");
});

await check("nothing but this machine was asked for anything", () => assertSame(browser.foreign, [], "addresses"));

await check("no key is in anything that the browser got, nor in what was built for it", async () => {
  const got = await Promise.all(browser.texts);
  assert(got.length > 50 && got.some((t) => t.includes("Your app is running")), "responses were kept");
  const built = readdirSync(path.join(template, ".next", "static"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile()).map((entry) => readFileSync(path.join(entry.parentPath ?? entry.path, entry.name), "latin1"));
  assert(built.length > 3, "built files were read");
  const shown = [builds.one.env.NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY, `:${PORT_BASE + 1}/`];
  assert(shown.every((text) => got.some((t) => t.includes(text)) && !built.some((t) => t.includes(text))), "what browsers get of sign-in comes at run time");
  for (const text of [...got, ...built]) for (const secret of [...secrets, builds.one.env.TURSO_DATABASE_URL]) assert(!text.includes(secret), `found in: ${text.slice(0, 120)}`);
});

// Clerk's SDK (56 kB) is as large as it is; React's and Next's 130 kB are in this.
const SCRIPTS_MAX = 180_000;
await check("each page's scripts: at most 180 kB gzipped without Clerk's SDK, and nothing of the server's libraries", async () => {
  for (const route of ["/", "/files", "/settings", "/sign-in", "/sign-up", "/profile"]) {
    const html = (await request(app.url + route)).text.replace(/<script[^>]*noModule[^>]*>/gi, "");
    const names = [...new Set(html.match(/\/_next\/static\/chunks\/[^"\\]+\.js/g))];
    const scripts = await Promise.all(names.map(async (name) => (await request(app.url + name)).text));
    assert(scripts.length > 5 && scripts.some((text) => text.includes("react-dom")), `${route}: ${names}`);
    const size = scripts.filter((text) => !/@clerk\/|clerkJSUrl/.test(text)).reduce((sum, text) => sum + gzipSync(text).length, 0);
    assert(size > 100_000 && size <= SCRIPTS_MAX, `${route}: ${size} bytes`);
    assertSame(scripts.flatMap((text) => text.match(/PrismaClient|AWS4-HMAC-SHA256|libsql|constructEvent|ZodError/g) ?? []), [], route);
  }
});

await browser.stop();
same(await other.stop(), true, "the second app ends with its command and leaves its port");
same(await app.stop(), true, "the app ends with its command and leaves its port");
await daemon.stop();
