// The shop: a card that is declined, one that is taken, the way back, and that only what the payments service signed makes a purchase paid.
import { createHmac } from "node:crypto";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Daemon, plain, portBase, request, sleep } from "../lib/daemon.mjs";
import { assert, assertSame, check, same } from "../lib/tap.mjs";
import { contrastProblems } from "./contrast.mjs";
import { App, Browser } from "./harness.mjs";
import { anybody, asUser, signUp } from "./people.mjs";

const PORT_BASE = await portBase();
const daemon = await new Daemon({ portBase: PORT_BASE }).start();
const one = await daemon.createBuild("shop-one", ["--origin", `http://localhost:${PORT_BASE + 11}`]);
const secrets = ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "CLERK_SECRET_KEY", "TURSO_AUTH_TOKEN"].map((name) => one.env[name]);
const [app, buyer] = await Promise.all([new App(daemon, "shop-one", PORT_BASE + 11).start(), Browser.open()]);
const { page } = buyer;

const sql = (text) => daemon.sql(one.env.TURSO_AUTH_TOKEN, text);
const stored = async (text) => (await sql(text)).rows.map((row) => row.map(plain));
const button = (name) => page.getByRole("button", { name, exact: true });
const catalogue = page.getByTestId("catalogue");
const back = page.getByTestId("checkout-return");
const bought = () => catalogue.locator("[data-purchase]").evaluateAll((all) => all.map((li) => `${li.querySelector("span").textContent} ${li.querySelector("p:last-child > span:last-child").textContent}`));
const onPayPage = () => page.waitForURL((url) => url.port === String(PORT_BASE + 4) && url.pathname.startsWith("/b/shop-one/c/pay/cs_test_"));
const pay = async (card) => {
  await page.locator("#email").fill("buyer@example.com");
  await page.locator("#cardNumber").fill(card);
  await page.locator("#cardExpiry").fill("12 / 34");
  await page.locator("#cardCvc").fill("123");
  await page.locator("#billingName").fill("Ada Büyer ☕"); // the events are not ASCII
  await page.getByTestId("hosted-payment-submit-button").click();
};
const stripe = async (method, target, body) =>
  request(`${one.env.STRIPE_API_BASE}${target}`, { method, headers: { Authorization: `Bearer ${one.env.STRIPE_SECRET_KEY}`, ...(body && { "Content-Type": "application/x-www-form-urlencoded" }) }, body });
const health = async (want) => {
  for (let tries = 0; ; tries++) {
    const { payments } = await app.health();
    if (tries === 20 || payments.error?.code === want) return assertSame(payments.error?.code, want, "health");
    await sleep(200);
  }
};

await signUp(buyer, app, anybody("buyer"));
const FILE = "/api/files/content?name=programme.txt&product=season-pass";
const owner = await Browser.open();
await signUp(owner, app, anybody("owner"));

await check("the shop of a fresh build takes payments: badge, answer, and which card", async () => {
  assertSame(await page.getByTestId("payments-badge").textContent(), "build keys", "badge");
  await page.getByTestId("payments-health").filter({ hasText: /answers in/ }).waitFor();
  await catalogue.getByText("4242 4242 4242 4242").waitFor();
});

await check("a card that is declined: the page of the payment says so, and nothing is bought", async () => {
  const put = await request(`${app.url}${FILE}`, { method: "POST", headers: { ...(await asUser(owner, app)), "Content-Type": "application/octet-stream" }, body: Buffer.from("Only for who paid.\n") });
  assertSame(put.status, 201, "a file comes with the product");
  await button("Buy Season pass").click();
  await onPayPage();
  await page.getByText("€89.00").first().waitFor();
  await page.setViewportSize({ width: 360, height: 800 });
  assert(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "wider than a phone");
  await buyer.shot("checkout-pay-phone", { fullPage: true });
  await page.setViewportSize({ width: 1280, height: 900 });
  await pay("4000000000000002");
  await page.getByRole("alert").getByText("Your card was declined.").waitFor();
  assertSame(await page.locator("button[hidden]").evaluateAll((all) => all.filter((e) => e.getClientRects().length).length), 0, "what is hidden is not drawn");
  await buyer.shot("checkout-declined");
  assertSame(await stored('SELECT status, paidAt FROM "Purchase"'), [["pending", null]], "row");
  buyer.problems.splice(0); // the browser's own word on the 402
});

const link = async (file = 1) => (await request(`${app.url}/api/files/${file}/link`, { method: "POST", headers: await asUser(buyer, app) })).status;
let session;
await check("then a card that is taken: back in the app the purchase is there, paid by the service's word, and opens its file", async () => {
  assertSame(await link(), 403, "before");
  await pay("4242424242424242");
  await page.waitForURL(`${app.url}/?checkout=success&session_id=cs_test_**`);
  session = new URL(page.url()).searchParams.get("session_id");
  await back.and(page.locator("[data-state=paid]")).getByText("Season pass, €89.00: it is paid, and yours.").waitFor();
  assertSame(await bought(), ["Season pass paid"], "list");
  const [[status, reference, paidAt]] = await stored('SELECT status, reference, paidAt FROM "Purchase"');
  assertSame([status, reference, paidAt !== null], ["paid", session, true], "row");
  assertSame(await link(), 200, "the file");
});

await check("the service told it once, to the build's origin, and the app answered 2xx", async () => {
  const { events } = (await daemon.admin("GET", "/api/v1/builds/shop-one/services/payments/events")).json();
  const told = events.filter((e) => e.type === "checkout.session.completed");
  assertSame(told.map((e) => e.deliveries.map((d) => [d.state, d.tries, d.status])), [[["delivered", 1, 200]]], "deliveries");
  const where = (await daemon.admin("GET", "/api/v1/builds/shop-one/services/payments/webhook")).json();
  assert(JSON.stringify(where).includes(`${app.url}/api/webhooks/stripe`), JSON.stringify(where));
  const sold = (await stripe("GET", `/v1/checkout/sessions/${session}`)).json();
  const [[me]] = await stored('SELECT buyerId FROM "Purchase"');
  assertSame([sold.payment_status, sold.amount_total, sold.currency, sold.client_reference_id, sold.metadata.purchase], ["paid", 8900, "eur", me, "1"], "session");
});

await check("looks: the way back, light and dark, also as wide as a phone", async () => {
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.goto(`${app.url}/?checkout=success&session_id=${session}`);
    await page.getByTestId("payments-health").filter({ hasText: /answers in/ }).waitFor();
    await buyer.shot(`checkout-paid-${scheme}`);
    assertSame(await contrastProblems(page), [], "contrast");
    await page.setViewportSize({ width: 360, height: 800 });
    assert(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "wider than a phone");
    await buyer.shot(`checkout-paid-${scheme}-phone`, { fullPage: true });
    await page.setViewportSize({ width: 1280, height: 900 });
  }
  await page.emulateMedia({ colorScheme: "light" });
});

await check("who goes back without paying is told so; an address with somebody else's payment says nothing", async () => {
  await page.goto(app.url);
  await button("Buy Workshop place").click();
  await onPayPage();
  await page.getByRole("link", { name: /back/i }).first().click();
  await page.waitForURL(`${app.url}/?checkout=cancelled`);
  await back.getByText("Nothing was paid.").waitFor();
  await buyer.shot("checkout-cancelled");
  assertSame(await contrastProblems(page), [], "contrast");
  assertSame(await bought(), ["Workshop place pending", "Season pass paid"], "list");
  await owner.page.goto(`${app.url}/?checkout=success&session_id=${session}`);
  await owner.page.getByTestId("no-purchases").waitFor();
  assertSame(await owner.page.getByTestId("checkout-return").textContent(), "", "somebody else's");
});

// ---- the webhook, as somebody who is not the service would call it, and as the service may

const signed = (body, { secret = one.env.STRIPE_WEBHOOK_SECRET, at = Math.floor(Date.now() / 1000) } = {}) =>
  `t=${at},v1=${createHmac("sha256", secret).update(`${at}.${body}`).digest("hex")}`;
const tell = async (event, { signature, ...how } = {}) => {
  const body = typeof event === "string" ? event : JSON.stringify(event);
  const headers = { "Content-Type": "application/json", ...(signature !== null && { "Stripe-Signature": signature ?? signed(body, how) }) };
  return (await request(`${app.url}/api/webhooks/stripe`, { method: "POST", headers, body })).status;
};
const [[place, me, waitingFor]] = await stored(`SELECT id, buyerId, reference FROM "Purchase" WHERE status = 'pending'`);
const event = (change = {}, type = "checkout.session.completed") => ({
  id: "evt_made_up", object: "event", api_version: "2026-10-28.endive", created: 1, livemode: false, pending_webhooks: 1, request: null, type,
  data: { object: { id: waitingFor, object: "checkout.session", mode: "payment", status: "complete", payment_status: "paid", amount_total: 3450, currency: "eur", client_reference_id: me, metadata: { purchase: String(place) }, ...change } },
});
const placeIs = async () => (await stored(`SELECT status FROM "Purchase" WHERE id = ${place}`))[0][0];

for (const [name, go, status] of [
  ["without a signature", () => tell(event(), { signature: null }), 400],
  ["with an empty signature", () => tell(event(), { signature: "t=1,v1=" }), 400],
  ["signed with another secret", () => tell(event(), { secret: "whsec_valet_made_up_by_somebody" }), 400],
  ["signed ten minutes ago", () => tell(event(), { at: Math.floor(Date.now() / 1000) - 600 }), 400],
  ["with a signature of something else", () => tell(event(), { signature: signed(JSON.stringify(event({ amount_total: 1 }))) }), 400],
  ["in other bytes than were signed, of one meaning", () => tell(JSON.stringify(event(), null, 2), { signature: signed(JSON.stringify(event())) }), 400],
  ["with a byte behind what was signed", () => tell(`${JSON.stringify(event())} `, { signature: signed(JSON.stringify(event())) }), 400],
  ["that is no JSON", () => tell("paid"), 400],
  ["about another buyer", () => tell(event({ client_reference_id: "user_somebody" })), 200],
  ["about another amount", () => tell(event({ amount_total: 1 })), 200],
  ["about another currency", () => tell(event({ currency: "usd" })), 200],
  ["about a purchase that is not there", () => tell(event({ metadata: { purchase: "999" } })), 200],
  ["about something that is not this app's", () => tell(event({ metadata: {}, client_reference_id: null })), 200],
  ["of a payment that takes days", () => tell(event({ payment_status: "unpaid" })), 200],
  ["of a kind that is not known", () => tell(event({}, "invoice.made_up")), 200],
])
  await check(`an event ${name} (${status}) makes nothing paid`, async () => assertSame([await go(), await placeIs()], [status, "pending"], "answer"));

await check("an event that comes twice counts once; one that is late undoes nothing", async () => {
  assertSame([await tell(event()), await placeIs()], [200, "paid"], "first");
  const when = await stored(`SELECT paidAt FROM "Purchase" WHERE id = ${place}`);
  assertSame([await tell(event()), await stored(`SELECT paidAt FROM "Purchase" WHERE id = ${place}`)], [200, when], "second");
  assertSame([await tell(event({ status: "expired" }, "checkout.session.expired")), await placeIs()], [200, "paid"], "it expired, says a late one");
  assertSame(await stored('SELECT count(*) FROM "Purchase"'), [[2n]], "rows");
});

await check("a session that expires ends the purchase; the product can be bought anew", async () => {
  await page.goto(app.url);
  await button("Buy Day ticket").click();
  await onPayPage();
  const [[id, reference]] = await stored(`SELECT id, reference FROM "Purchase" WHERE status = 'pending'`);
  assertSame((await stripe("POST", `/v1/checkout/sessions/${reference}/expire`)).status, 200, "expire");
  for (let tries = 0; tries < 100 && (await stored(`SELECT status FROM "Purchase" WHERE id = ${id}`))[0][0] === "pending"; tries++) await sleep(100);
  assertSame(await stored(`SELECT status FROM "Purchase" WHERE id = ${id}`), [["cancelled"]], "row");
  await page.goto(app.url);
  await button("Buy Day ticket").click();
  await onPayPage();
  assertSame(await stored(`SELECT count(*) FROM "Purchase" WHERE productId = 1`), [[2n]], "another purchase");
});

await check("what is refunded is not paid any more, and its file is closed", async () => {
  const { payment_intent } = (await stripe("GET", `/v1/checkout/sessions/${session}`)).json();
  assertSame((await stripe("POST", "/v1/refunds", `payment_intent=${payment_intent}`)).status, 200, "refund");
  for (let tries = 0; tries < 100 && (await stored('SELECT status FROM "Purchase" WHERE id = 1'))[0][0] === "paid"; tries++) await sleep(100);
  assertSame(await stored('SELECT status FROM "Purchase" WHERE id = 1'), [["refunded"]], "row");
  assertSame(await link(), 403, "the file");
});

const overlay = path.join(app.folder, ".env.keys");
const setKeys = (lines) => {
  writeFileSync(`${overlay}.new`, lines);
  renameSync(`${overlay}.new`, overlay);
};
const toldOf = async (id) => {
  const { events } = (await daemon.admin("GET", "/api/v1/builds/shop-one/services/payments/events")).json();
  return events.find((e) => e.type === "checkout.session.completed" && JSON.stringify(e).includes(id));
};

await check("an app with another webhook secret refuses what the service itself sends: back from paying, nothing is paid and no file is opened", async () => {
  const put = await request(`${app.url}/api/files/content?name=ticket.txt&product=day-ticket`, { method: "POST", headers: { ...(await asUser(owner, app)), "Content-Type": "application/octet-stream" }, body: Buffer.from("Let in.\n") });
  assertSame(put.status, 201, "a file comes with the product");
  const { STRIPE_SECRET_KEY, STRIPE_API_BASE } = one.env;
  setKeys(`STRIPE_SECRET_KEY=${STRIPE_SECRET_KEY}\nSTRIPE_API_BASE=${STRIPE_API_BASE}\nSTRIPE_WEBHOOK_SECRET=whsec_valet_made_up_by_somebody\n`);
  await pay("4242424242424242");
  await page.waitForURL(`${app.url}/?checkout=success&session_id=cs_test_**`);
  session = new URL(page.url()).searchParams.get("session_id");
  await back.and(page.locator("[data-state=waits]")).getByText("Day ticket, €12.00: waiting for the word").waitFor();
  let sent;
  for (let tries = 0; tries < 100 && !sent?.deliveries?.[0]?.tries; tries++) (await sleep(100), (sent = await toldOf(session)));
  const [{ state, status }] = sent.deliveries;
  assertSame([state, status], ["retrying", 400], "delivery");
  assertSame(await stored(`SELECT status, paidAt FROM "Purchase" WHERE reference = '${session}'`), [["pending", null]], "row");
  assertSame(await link(2), 403, "the file");
});

await check("with the right one again, the same event pays; sent once more, and replayed as it came, it is one purchase", async () => {
  rmSync(overlay);
  const { id } = await toldOf(session);
  await daemon.mustCli(["payments", "resend", "shop-one", id]);
  await back.and(page.locator("[data-state=paid]")).waitFor(); // the page looks by itself
  await page.getByRole("link", { name: "Your purchases" }).click();
  const when = await stored('SELECT count(*), max(paidAt) FROM "Purchase"');
  assertSame(await link(2), 200, "the file");
  await daemon.mustCli(["payments", "resend", "shop-one", id]);
  const was = (await stripe("GET", `/v1/events/${id}`)).text;
  assert(was.includes("Ada Büyer ☕"), "not ASCII");
  assertSame(await tell(was), 200, "replayed");
  for (let tries = 0; tries < 100 && (await toldOf(session)).deliveries.some((d) => d.state !== "delivered"); tries++) await sleep(100);
  assertSame((await toldOf(session)).deliveries.filter((d) => d.status !== 200), [], "deliveries");
  assertSame(await stored('SELECT count(*), max(paidAt) FROM "Purchase"'), when, "rows");
});

await check("no keys, or those of two places: the shop says so, and sells nothing", async () => {
  for (const [lines, note] of [["STRIPE_SECRET_KEY=\n", "no key"], ["STRIPE_SECRET_KEY=sk_test_valet_somebody_elses\n", "a new key with the former webhook's secret"]]) {
    setKeys(lines);
    await health("payments_not_set");
    await page.goto(app.url);
    assertSame(await page.getByTestId("payments-badge").textContent(), "not set", note);
    await page.getByTestId("payments-note").getByText("takes no payments").waitFor();
    await button("Buy Printed programme").click();
    await catalogue.getByRole("alert").getByText("No payments are set.").waitFor();
    assertSame(await tell(event({}, "invoice.made_up")), 503, "webhook");
  }
  rmSync(overlay);
  await health(undefined);
  const said = buyer.problems.splice(0);
  assert(said.length === 2 && said.every((t) => /503.*checkout$/.test(t)), `${said}`);
});

await check("no secret is in anything that a browser got, nor in the app's log; nothing but this machine was asked", async () => {
  const got = await Promise.all([...buyer.texts, ...owner.texts]);
  assert(secrets.every(Boolean) && got.length > 50, "responses were kept");
  for (const text of [...got, app.log]) for (const secret of secrets) assert(!text.includes(secret), `found in: ${text.slice(0, 120)}`);
  assertSame([...buyer.foreign, ...owner.foreign], [], "other addresses");
  assertSame([...buyer.problems, ...owner.problems], [], "errors in the browsers' consoles");
});

await buyer.stop();
await owner.stop();
same(await app.stop(), true, "the app of the shop ends with its command");
await daemon.stop();
