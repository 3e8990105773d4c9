// The files page: what goes to the storage from the browser and from the server, who gets it back, and what is refused. The
// storage has one address for the app and another for browsers, so what is signed for them must name the second.
import { randomBytes } from "node:crypto";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Daemon, plain, portBase, request } from "../lib/daemon.mjs";
import { assert, assertSame, check, same } from "../lib/tap.mjs";
import { contrastProblems } from "./contrast.mjs";
import { App, Browser } from "./harness.mjs";
import { anybody, asUser, fillAddress, signUp } from "./people.mjs";

const PORT_BASE = await portBase();
const forBrowsers = `http://localhost:${PORT_BASE + 3}`;
const daemon = await new Daemon({ portBase: PORT_BASE, args: ["--url-browser", `storage=${forBrowsers}`] }).start();
const one = await daemon.createBuild("files-one", ["--origin", `http://localhost:${PORT_BASE + 11}`]);
const two = await daemon.createBuild("files-two", ["--origin", `http://localhost:${PORT_BASE + 12}`]);
const secrets = [one, two].flatMap(({ env }) => [env.R2_SECRET_ACCESS_KEY, env.TURSO_AUTH_TOKEN, env.CLERK_SECRET_KEY]);
const [app, other, owner, buyer] = await Promise.all([
  new App(daemon, "files-one", PORT_BASE + 11).start(),
  new App(daemon, "files-two", PORT_BASE + 12).start(),
  Browser.open(),
  Browser.open(),
]);
await Promise.all([signUp(owner, app, anybody("owner"), "/files"), signUp(buyer, app, anybody("buyer"), "/files")]);

const LARGE = { name: "Übersicht (Plan) 日本.pdf", mimeType: "text/html", buffer: randomBytes(3_000_000) };
const SMALL = { name: "season notes.txt", mimeType: "text/plain", buffer: Buffer.from("Only for who paid.\n") };
const stored = async (sql, build = one) => (await daemon.sql(build.env.TURSO_AUTH_TOKEN, sql)).rows.map((row) => row.map(plain));
const show = async ({ page }, url = `${app.url}/files`) => {
  await page.goto(url);
  await page.getByTestId("storage-badge").waitFor();
};
const logged = ({ page }, text) => page.getByRole("log").getByText(text, { exact: true }).first().waitFor();
const button = ({ page }, name) => page.getByRole("button", { name, exact: true });
const choose = ({ page }, file) => page.getByTestId("file").setInputFiles(file);
const names = ({ page }) => page.locator("[data-file] .price-line > span:first-child").allTextContents();
const row = ({ page }, name) => page.locator("[data-file]").filter({ hasText: name });
const download = async (who, { name }) => {
  const [got] = await Promise.all([who.page.waitForEvent("download"), button(who, `Download ${name}`).click()]);
  return { name: got.suggestedFilename(), bytes: readFileSync(await got.path()), url: got.url() };
};
/** As the owner, or as whoever `headers` say. */
const ask = async (method, target, body, headers = {}, who = owner) =>
  request(`${app.url}${target}`, { method, headers: { ...(body === undefined || Buffer.isBuffer(body) ? {} : { "Content-Type": "application/json" }), ...(await asUser(who, app)), ...headers }, body });
const refusedBy = (answer) => [answer.status, answer.json().error?.code];

await check("the storage has another address for browsers, and only then a variable for it", async () => {
  assertSame([one.env.R2_ENDPOINT, one.env.R2_BROWSER_ENDPOINT], [`http://127.0.0.1:${PORT_BASE + 3}`, forBrowsers], "addresses");
  const shared = Object.entries(one.env).filter(([name]) => name.startsWith("NEXT_PUBLIC_"));
  for (const [name, value] of shared) assert(!secrets.includes(value), `${name} carries a secret`);
});

await check("the files page of a fresh build: empty, on the build's own keys", async () => {
  await show(owner);
  assertSame(await owner.page.getByTestId("storage-badge").textContent(), "build keys", "badge");
  await owner.page.getByTestId("empty").getByText("No files yet.").waitFor();
  await button(owner, "Upload").click();
  await owner.page.getByRole("alert").getByText("Choose a file first.").waitFor();
});

await check("a file goes from the browser straight to the storage, with progress, under a key that the server chose", async () => {
  const puts = [];
  owner.page.on("request", (r) => r.method() === "PUT" && puts.push(r));
  await owner.page.evaluate(() => {
    globalThis.seen = [];
    new MutationObserver(() => document.querySelectorAll("progress").forEach((p) => globalThis.seen.push(p.value))).observe(document.body, { subtree: true, childList: true, attributes: true });
  });
  await choose(owner, LARGE);
  await owner.page.getByRole("combobox").selectOption("everybody");
  await button(owner, "Upload").click();
  await logged(owner, `uploaded ${LARGE.name} (200)`);
  assertSame([puts.length, new URL(puts[0].url()).origin], [1, forBrowsers], "where it went");
  assertSame(new URL(puts[0].url()).searchParams.get("X-Amz-SignedHeaders"), "content-length;content-type;host", "what is signed");
  assertSame((await puts[0].allHeaders())["content-type"], "application/pdf", "by its name, whatever the browser calls it");
  assertSame(await owner.page.evaluate(() => globalThis.seen.at(-1)), LARGE.buffer.length, "progress");
  const [[key, ...rest]] = await stored('SELECT key, name, contentType, size, state, productId FROM "StoredFile"');
  assertSame(rest, [LARGE.name, "application/pdf", BigInt(LARGE.buffer.length), "ready", null], "row");
  assert(new RegExp(`^${one.env.R2_PREFIX}files/[0-9a-f-]{36}/[\\w.-]+\\.pdf$`).test(key), key);
});

await check("a small file goes through the app, for those who paid for a product", async () => {
  await choose(owner, SMALL);
  await owner.page.getByRole("radio", { name: /Through the app/ }).check();
  await owner.page.getByRole("combobox").selectOption("with season-pass");
  await button(owner, "Upload").click();
  await logged(owner, `uploaded ${SMALL.name} (201)`);
  await show(owner);
  assertSame(await names(owner), [SMALL.name, LARGE.name], "list after a reload");
  assertSame(await row(owner, SMALL.name).getByTestId("terms").textContent(), "with Season pass, €89.00, yours", "terms");
});

await check("both come back with their names and bytes", async () => {
  for (const file of [LARGE, SMALL]) {
    const got = await download(owner, file);
    assertSame([got.name, got.bytes.equals(file.buffer)], [file.name, true], file.name);
  }
});

await check("a file for everybody is everybody's; one that was not paid is refused with a sentence, also when its purchase is pending", async () => {
  await show(buyer);
  assert((await download(buyer, LARGE)).bytes.equals(LARGE.buffer), "the free one");
  const refused = async () => {
    await button(buyer, `Download ${SMALL.name}`).click();
    await row(buyer, SMALL.name).getByRole("alert").getByText("This file comes with “Season pass”. Buy it in the catalogue; once it is paid, the file is yours.").waitFor();
    await logged(buyer, `no link to ${SMALL.name} (403)`);
  };
  assertSame(await row(buyer, SMALL.name).getByTestId("terms").textContent(), "with Season pass, €89.00, not paid", "terms");
  await refused();
  await buyer.shot("files-refused");
  await buyer.page.goto(app.url);
  await button(buyer, "Buy Season pass").click();
  await buyer.page.waitForURL((url) => url.port === String(PORT_BASE + 4));
  await show(buyer);
  await refused();
  const said = buyer.problems.splice(0);
  assert(said.length === 2 && said.every((t) => /403.*\/link$/.test(t)), `the browser's own word on the two refusals: ${said}`);
});

await check("somebody else's payment opens nothing; one's own does", async () => {
  const set = (sql) => daemon.sql(one.env.TURSO_AUTH_TOKEN, `UPDATE "Purchase" SET ${sql}`);
  const [[me]] = await stored('SELECT buyerId FROM "Purchase"');
  assert(/^user_[0-9A-Za-z]{20,}$/.test(me), `${me}`);
  await set("status = 'paid', buyerId = 'user_somebody'");
  await show(buyer);
  assertSame(await row(buyer, SMALL.name).getByTestId("terms").textContent(), "with Season pass, €89.00, not paid", "terms");
  await set(`buyerId = '${me}'`);
  await show(buyer);
  assertSame(await row(buyer, SMALL.name).getByTestId("terms").textContent(), "with Season pass, €89.00, paid", "terms");
  const got = await download(buyer, SMALL);
  assertSame([got.name, got.bytes.equals(SMALL.buffer)], [SMALL.name, true], "file");
});

await check("a file is its owner's to delete, and not when somebody paid for it", async () => {
  assertSame(await buyer.page.getByRole("button", { name: /^Delete/ }).count(), 0, "the buyer's buttons");
  assertSame(await buyer.page.evaluate(async () => (await fetch("/api/files/1", { method: "DELETE" })).status), 404, "the buyer's request");
  await button(owner, `Delete ${SMALL.name}`).click();
  await button(owner, "Yes, delete").click();
  await owner.page.getByRole("alert").getByText("Somebody paid for this file, so it stays.").waitFor();
  assertSame(await stored('SELECT id FROM "StoredFile" ORDER BY id'), [[1n], [2n]], "rows");
  await owner.shot("files");
  assertSame(await contrastProblems(owner.page), [], "contrast");
  await owner.page.setViewportSize({ width: 360, height: 800 });
  await owner.shot("files-phone");
  const right = (all) => Math.max(...all.map((e) => e.getBoundingClientRect().right));
  assert((await owner.page.locator("main *").evaluateAll(right)) <= 340, "something is wider than a phone's page");
  await owner.page.setViewportSize({ width: 1280, height: 900 });
  await owner.page.emulateMedia({ colorScheme: "dark" });
  assertSame(await contrastProblems(owner.page), [], "contrast in the dark");
  await owner.page.emulateMedia({ colorScheme: "light" });
  buyer.problems.splice(0);
  owner.problems.splice(0);
});

await check("too large: the page says so and sends nothing", async () => {
  const sent = [];
  owner.page.on("request", (r) => sent.push(r.url()));
  await owner.page.getByRole("radio", { name: /Through the app/ }).check();
  await choose(owner, { ...LARGE, name: "large.pdf" });
  await button(owner, "Upload").click();
  await owner.page.getByRole("alert").getByText("This file is too large: 3 MB. At most 1 MB can be uploaded through the app.").waitFor();
  assertSame(sent, [], "requests");
});

const begin = (fields, headers) => ask("POST", "/api/files", { name: "a.txt", size: 5, product: null, shared: false, ...fields }, headers);
for (const [name, go, want] of [
  ["one byte too much, straight", () => begin({ size: 25_000_001 }), [413, "too_large"]],
  ["one byte too much, through the app", () => ask("POST", "/api/files/content?name=a.txt", Buffer.alloc(1_000_001)), [413, "too_large"]],
  ["nothing", () => begin({ size: 0 }), [422, "invalid"]],
  ["a page", () => begin({ name: "a.html" }), [415, "wrong_kind"]],
  ["a picture that runs", () => begin({ name: "a.svg" }), [415, "wrong_kind"]],
  ["a name with a path", () => begin({ name: "../../a.txt" }), [422, "invalid"]],
  ["a key of the browser's choice", () => begin({ key: "builds/files-two/a.txt" }), [422, "invalid"]],
  ["a product that is not there", () => begin({ product: "none" }), [404, "no_product"]],
  ["a file for everybody and for buyers at once", () => begin({ product: "day-ticket", shared: true }), [422, "invalid"]],
  ["an owner of the browser's choice", () => begin({ ownerId: "user_somebody" }), [422, "invalid"]],
  ["another site's page", () => begin({}, { "Sec-Fetch-Site": "cross-site" }), [403, "cross_origin"]],
])
  await check(`an upload of ${name} is refused, and no row is written`, async () => assertSame([...refusedBy(await go()), await stored('SELECT count(*) FROM "StoredFile"')], [...want, [[2n]]], "answer"));

await check("a signed address takes the file that was announced and no other, and counts only when it came", async () => {
  const begun = await begin({ name: "exact.txt", size: 5 });
  const { id, upload } = begun.json();
  const put = (body, type = "text/plain") => request(upload.url, { method: "PUT", headers: { "Content-Type": type }, body });
  const done = (who) => ask("POST", `/api/files/${id}/done`, undefined, {}, who);
  assertSame([(await put("123456")).status, (await put("12345", "text/html")).status], [403, 403], "another size, another type");
  assertSame(refusedBy(await done()), [409, "not_uploaded"], "before it came");
  assertSame(refusedBy(await ask("POST", `/api/files/${id}/link`)), [404, "no_file"], "a link before it came");
  assertSame([(await put("12345")).status, refusedBy(await done(buyer))], [200, [404, "no_file"]], "somebody else says that it came");
  const finished = await done();
  assertSame([finished.status, finished.json().mine], [200, true], "it came");
  assertSame([refusedBy(await ask("POST", `/api/files/${id}/link`, undefined, {}, buyer)), (await ask("POST", `/api/files/${id}/link`)).status], [[404, "no_file"], 200], "a link, for somebody else and for the owner");
  assertSame((await ask("DELETE", `/api/files/${id}`)).status, 204, "delete");
});

await check("a deleted file is gone: the list, the row, and the object behind an address that was signed before", async () => {
  await show(owner);
  const { url } = await download(owner, LARGE);
  assertSame((await request(url)).status, 200, "before");
  await button(owner, `Delete ${LARGE.name}`).click();
  await button(owner, "Yes, delete").click();
  await logged(owner, `deleted ${LARGE.name} (204)`);
  assertSame([await names(owner), await stored('SELECT name FROM "StoredFile"'), (await request(url)).status], [[SMALL.name], [[SMALL.name]], 404], "after");
});

await check("another build's app knows neither its users nor its files, and cannot reach them", async () => {
  await owner.page.goto(`${other.url}/sign-in`);
  await fillAddress(owner, anybody("owner"));
  await owner.page.getByTestId("form-feedback-error").getByText("Couldn't find your account.").waitFor();
  const said = owner.problems.splice(0);
  assert(said.length === 1 && /422.*sign_ins/.test(said[0]), `${said}`);
  await signUp(owner, other, anybody("owner"), "/files");
  await owner.page.getByTestId("empty").waitFor();
  // Signed in to two builds in one browser, on one host: each keeps its own.
  await show(owner);
  assertSame(await names(owner), [SMALL.name], "files of the first");
  await show(owner, `${other.url}/files`);
  assertSame(await owner.page.locator("[data-file]").count(), 0, "files");
  const there = async (method, target, body) => request(`${other.url}${target}`, { method, headers: { ...(await asUser(owner, other)), ...(body && { "Content-Type": "application/json" }) }, body });
  assertSame(refusedBy(await there("POST", "/api/files/2/link")), [404, "no_file"], "a link by number");
  // Even when its database is made to name the object, its keys do not open it.
  const [[key]] = await stored('SELECT key FROM "StoredFile"');
  await daemon.sql(two.env.TURSO_AUTH_TOKEN, `INSERT INTO "StoredFile" (key, name, contentType, size, state, ownerId, shared) VALUES ('${key}', 'theirs.txt', 'text/plain', 19, 'ready', 'x', 1)`);
  const { url } = (await there("POST", "/api/files/1/link")).json();
  const got = await request(url);
  assert([403, 404].includes(got.status) && !got.text.includes("Only for who paid"), `${got.status} ${got.text.slice(0, 200)}`);
});

await check("the storage's keys move in .env.keys: a browser's address goes with the app's, and one that is away is a sentence", async () => {
  const file = path.join(other.folder, ".env.keys");
  const set = (text) => (writeFileSync(`${file}.new`, text), renameSync(`${file}.new`, file));
  const body = { name: "a.txt", size: 5, product: null };
  const signedFor = async () =>
    new URL((await request(`${other.url}/api/files`, { method: "POST", headers: { "Content-Type": "application/json", ...(await asUser(owner, other)) }, body })).json().upload.url).origin;
  assertSame(await signedFor(), forBrowsers, "before");
  const away = `http://127.0.0.1:${PORT_BASE + 97}`;
  set(`R2_ENDPOINT=${away}\n`);
  assertSame(await signedFor(), away, "the build's address for browsers stays out of it");
  await show(owner, `${other.url}/files`);
  await owner.page.getByRole("radio", { name: /Through the app/ }).check();
  await choose(owner, SMALL);
  await button(owner, "Upload").click();
  await owner.page.getByRole("alert").getByText("Not uploaded. The storage does not answer. Check that it runs, then try again.").waitFor();
  await owner.page.getByRole("radio", { name: /Straight/ }).check();
  await button(owner, "Upload").click();
  await owner.page.getByRole("alert").getByText("Not uploaded. The storage does not answer this browser.").waitFor();
  set("R2_BUCKET=\n");
  await show(owner, `${other.url}/files`);
  assertSame(await owner.page.getByTestId("storage-badge").textContent(), "not set", "badge");
  rmSync(file);
  assertSame(await signedFor(), forBrowsers, "after");
  owner.problems.splice(0);
});

await check("no secret of the storage or the database is in anything that a browser got, nor in the apps' logs", async () => {
  const got = await Promise.all([...owner.texts, ...buyer.texts]);
  assert(got.length > 50 && got.some((t) => t.includes("X-Amz-Signature")), "responses were kept");
  for (const text of [...got, app.log, other.log]) for (const secret of secrets) assert(!text.includes(secret), `found in: ${text.slice(0, 120)}`);
  assertSame([...owner.foreign, ...buyer.foreign], [], "other addresses");
  assertSame([...owner.problems, ...buyer.problems], [], "errors in the browsers' consoles");
});

await owner.stop();
await buyer.stop();
same(await app.stop(), true, "the app of the files ends with its command");
same(await other.stop(), true, "the other one too");
await daemon.stop();
