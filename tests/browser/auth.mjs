// Sign-in as people use it: who gets in, what belongs to whom, what holds when keys are others, and what the app says without any.
import { generateKeyPairSync, sign } from "node:crypto";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Daemon, plain, portBase, request, sleep } from "../lib/daemon.mjs";
import { assert, assertSame, check, same } from "../lib/tap.mjs";
import { contrastProblems } from "./contrast.mjs";
import { App, Browser } from "./harness.mjs";
import { account, anybody, asUser, fillAddress, fillPassword, fillSignUp, openMenu, sentCode, signOut, signUp, typeCode } from "./people.mjs";

const PORT_BASE = await portBase();
const daemon = await new Daemon({ portBase: PORT_BASE }).start();
const one = await daemon.createBuild("people-one", ["--origin", `http://localhost:${PORT_BASE + 11}`]);
const secrets = ["CLERK_SECRET_KEY", "CLERK_ENCRYPTION_KEY", "R2_SECRET_ACCESS_KEY", "TURSO_AUTH_TOKEN", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"].map((name) => one.env[name]);
const [app, ada, ben] = await Promise.all([new App(daemon, "people-one", PORT_BASE + 11).start(), Browser.open(), Browser.open()]);
const ADA = "ada@example.com";
const BEN = anybody("ben");
const { page } = ada;

const stored = async (sql) => (await daemon.sql(one.env.TURSO_AUTH_TOKEN, sql)).rows.map((row) => row.map(plain));
const ask = (method, target, { body, headers } = {}) => request(`${app.url}${target}`, { method, headers: { ...(body && { "Content-Type": "application/json" }), ...headers }, body });
const refusedBy = (answer) => [answer.status, answer.json().error?.code];
const button = (name) => page.getByRole("button", { name, exact: true });
const names = ({ page }, list) => page.getByRole("region", { name: list }).locator("[data-file] .price-line > span:first-child").allTextContents();
const upload = async (file, audience) => {
  await page.getByTestId("file").setInputFiles({ name: file, mimeType: "text/plain", buffer: Buffer.from(`This is ${file}.\n`) });
  await page.getByRole("combobox").selectOption(audience);
  await button("Upload").click();
  await page.getByRole("log").getByText(`uploaded ${file} (200)`, { exact: true }).waitFor();
};
const openProfile = async () => {
  await page.goto(`${app.url}/profile`);
  await page.getByText("Profile details").waitFor();
};
/** The browser's own word on answers that were refused on purpose. */
const expectRefusals = (browser, ...patterns) => {
  const said = browser.problems.splice(0);
  assert(said.length === patterns.length && said.every((text, i) => patterns[i].test(text)), `in the console: ${said.join(" | ")}`);
};

await check("signed out: what is public is there, what belongs to somebody asks for sign-in", async () => {
  await page.goto(app.url);
  await account(ada, "out");
  await page.getByRole("link", { name: "Buy Day ticket: sign in first" }).waitFor();
  await page.getByTestId("no-purchases").getByText("Sign in").waitFor();
  assertSame(await page.getByTestId("auth-badge").textContent(), "build keys", "badge");
  await page.getByTestId("auth-health").filter({ hasText: /answers in/ }).waitFor();
  for (const protectedPage of ["/profile", "/files"]) {
    await page.goto(`${app.url}${protectedPage}`);
    const at = new URL(page.url());
    assertSame([at.pathname, at.searchParams.get("redirect_url")], ["/sign-in", `${app.url}${protectedPage}`], protectedPage);
  }
  const answers = await Promise.all([["GET", "/api/files"], ["POST", "/api/files"], ["POST", "/api/files/content?name=a.txt"], ["DELETE", "/api/files/1"], ["POST", "/api/files/1/done"],
    ["POST", "/api/files/1/link"], ["GET", "/api/purchases"], ["POST", "/api/checkout"]].map(async ([method, target]) => [target, ...refusedBy(await ask(method, target))]));
  for (const [target, ...answer] of answers) assertSame(answer, [401, "signed_out"], target);
  assertSame([(await ask("GET", "/api/notes")).status, (await ask("GET", "/api/products")).status], [200, 200], "what is public");
});

await check("sign-up from a protected page: a wrong code is refused, the outbox's one leads back to that page", async () => {
  await page.locator("input[name=identifier]").waitFor();
  await page.getByRole("main").getByRole("link", { name: "Sign up" }).click();
  await page.locator("input[name=emailAddress]").waitFor();
  await ada.shot("sign-up");
  assertSame(await contrastProblems(page), [], "contrast");
  await fillSignUp(ada, ADA);
  await page.getByText("Verify your email").waitFor();
  const { code } = await sentCode(daemon, "people-one", ADA);
  assert(/^\d{6}$/.test(code), "a code of six digits");
  await typeCode(ada, code === "111111" ? "222222" : "111111");
  await page.getByTestId("form-feedback-error").getByText("Incorrect code").waitFor();
  await ada.shot("wrong-code");
  await account(ada, "out");
  await typeCode(ada, code);
  await page.waitForURL(`${app.url}/files`);
  await page.getByRole("heading", { level: 1, name: "Files" }).waitFor();
  expectRefusals(ada, /422.*attempt_verification/);
});

let id;
await check("the server knows the user by the id of the sign-in service", async () => {
  const found = await request(`${one.env.CLERK_API_URL}/v1/users?email_address=${encodeURIComponent(ADA)}`, { headers: { Authorization: `Bearer ${one.env.CLERK_SECRET_KEY}` } });
  [{ id }] = found.json();
  await upload("only-ada.txt", "me");
  await upload("for-all.txt", "everybody");
  assertSame(await stored('SELECT name, ownerId, shared FROM "StoredFile" ORDER BY id'), [["only-ada.txt", id, 0n], ["for-all.txt", id, 1n]], "rows");
  await page.goto(app.url);
  await button("Buy Day ticket").click();
  await page.waitForURL((url) => url.port === String(PORT_BASE + 4));
  await page.goto(app.url);
  assertSame(await stored('SELECT buyerId FROM "Purchase"'), [[id]], "purchase");
});

await check("the user menu: address, links, Escape closes it; the profile shows what the server was told", async () => {
  await openMenu(ada);
  await page.getByText(ADA).waitFor();
  await ada.shot("menu");
  await page.keyboard.press("Escape");
  await page.getByText("Sign out", { exact: true }).waitFor({ state: "hidden" });
  await openMenu(ada);
  await page.getByText("Manage account", { exact: true }).click();
  await page.waitForURL(`${app.url}/profile`);
  await page.getByText("Profile details").waitFor();
  assertSame([await page.getByTestId("profile-email").textContent(), await page.getByTestId("profile-files").textContent(), await page.getByTestId("profile-purchases").textContent()], [ADA, "2", "1"], "profile");
  await page.getByRole("button", { name: "Security" }).click();
  await page.getByText("Active devices").waitFor();
  assertSame(new URL(page.url()).pathname, "/profile/security", "a section has an address");
});

await check("somebody else sees neither the other's files nor purchases, and can do nothing with them", async () => {
  await signUp(ben, app, BEN, "/files");
  await ben.page.getByTestId("empty").waitFor();
  assertSame([await names(ben, "Your files"), await names(ben, "From others")], [[], ["for-all.txt"]], "files");
  const headers = await asUser(ben, app);
  const listed = (await ask("GET", "/api/files", { headers })).json();
  assertSame([listed.mine, listed.others.map((f) => [f.name, f.mine])], [[], [["for-all.txt", false]]], "the list by the API");
  assertSame((await ask("GET", "/api/purchases", { headers })).json(), { purchases: [], total: 0 }, "purchases");
  for (const [method, target] of [["POST", "/api/files/1/link"], ["POST", "/api/files/1/done"], ["DELETE", "/api/files/1"], ["DELETE", "/api/files/2"]])
    assertSame(refusedBy(await ask(method, target, { headers })), [404, "no_file"], `${method} ${target}`);
  assertSame(await stored('SELECT count(*) FROM "StoredFile"'), [[2n]], "rows");
  await ben.page.goto(app.url);
  await ben.page.getByTestId("no-purchases").getByText("None yet.").waitFor();
});

await check("a shared file needs no sign-in, the others do", async () => {
  assertSame(refusedBy(await ask("POST", "/api/files/1/link")), [401, "signed_out"], "ada's own");
  const { url } = (await ask("POST", "/api/files/2/link")).json();
  assertSame((await request(url)).text, "This is for-all.txt.\n", "the shared one");
  assertSame(refusedBy(await ask("POST", "/api/files/99/link")), [401, "signed_out"], "one that is not there tells as much");
});

await check("a session that the service did not sign counts for nothing, and headers of the app's own inside neither", async () => {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const { Cookie } = await asUser(ada, app);
  const token = /(?:^|; )__session=([^;]+)/.exec(Cookie)?.[1] ?? "";
  const [head, body, signature] = token.split(".");
  assert(signature, "there is a session");
  const real = await ask("GET", "/api/files", { headers: { Cookie } });
  assertSame([real.status, real.json().mine.length], [200, 2], "the real one");
  const forged = `${head}.${body}.${sign("sha256", Buffer.from(`${head}.${body}`), privateKey).toString("base64url")}`;
  const none = `${Buffer.from('{"alg":"none","typ":"JWT"}').toString("base64url")}.${body}.`;
  for (const value of [forged, none, `${head}.${body}.`]) assertSame(refusedBy(await ask("GET", "/api/files", { headers: { Cookie: Cookie.replaceAll(token, value) } })), [401, "signed_out"], value.slice(-20));
  const inside = { "x-clerk-auth-status": "signed-in", "x-clerk-auth-token": token, "x-clerk-auth-signature": "0".repeat(40), "x-middleware-subrequest": "src/proxy:src/proxy:src/proxy:src/proxy:src/proxy", "x-clerk-auth-reason": "" };
  assertSame(refusedBy(await ask("GET", "/api/files", { headers: inside })), [401, "signed_out"], "headers");
});

await check("another site's page changes nothing with a signed-in browser", async () => {
  const headers = { ...(await asUser(ada, app)), "Sec-Fetch-Site": "cross-site" };
  assertSame(refusedBy(await ask("DELETE", "/api/files/1", { headers })), [403, "cross_origin"], "answer");
});

await check("a reload and a second tab are still signed in", async () => {
  await page.goto(`${app.url}/files`);
  assertSame(await names(ada, "Your files"), ["for-all.txt", "only-ada.txt"], "files");
  await page.reload();
  assertSame(await names(ada, "Your files"), ["for-all.txt", "only-ada.txt"], "files after a reload");
  const tab = await ada.context.newPage();
  await tab.goto(`${app.url}/profile`);
  await tab.getByTestId("profile-email").getByText(ADA).waitFor();
  await tab.close();
});

for (const scheme of ["light", "dark"])
  await check(`looks: the profile and the forms, ${scheme}, also as wide as a phone`, async () => {
    await page.emulateMedia({ colorScheme: scheme });
    await openProfile();
    await ada.shot(`profile-${scheme}`);
    assertSame(await contrastProblems(page), [], "contrast of the profile");
    await page.setViewportSize({ width: 360, height: 800 });
    await page.getByText("Profile details").waitFor();
    assert(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "the profile is wider than a phone");
    await ada.shot(`profile-${scheme}-phone`, { fullPage: true });
    await page.setViewportSize({ width: 1280, height: 900 });
  });

await check("sign-out: the page is the public one, protected pages are closed, the API refuses", async () => {
  await signOut(ada);
  await page.waitForURL(`${app.url}/`);
  await page.getByTestId("no-purchases").getByText("Sign in").waitFor();
  assertSame(refusedBy(await ask("GET", "/api/files", { headers: await asUser(ada, app) })), [401, "signed_out"], "API");
  await page.goto(`${app.url}/files`);
  assertSame(new URL(page.url()).pathname, "/sign-in", "protected page");
});

await check("sign-in: an unknown address and a wrong password are refused; the right one leads back, and everything is there", async () => {
  await page.locator("input[name=identifier]").waitFor();
  await ada.shot("sign-in-dark");
  assertSame(await contrastProblems(page), [], "contrast in the dark");
  await page.setViewportSize({ width: 360, height: 800 });
  assert(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "the form is wider than a phone");
  await ada.shot("sign-in-dark-phone");
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
  await fillAddress(ada, "nobody@example.com");
  await page.getByTestId("form-feedback-error").getByText("Couldn't find your account.").waitFor();
  await fillAddress(ada, ADA);
  await fillPassword(ada, "wrong horse 9 battery");
  await page.getByTestId("form-feedback-error").getByText(/Password is incorrect/).waitFor();
  await fillPassword(ada);
  await page.waitForURL(`${app.url}/files`);
  assertSame(await names(ada, "Your files"), ["for-all.txt", "only-ada.txt"], "files");
  expectRefusals(ada, /422.*sign_ins/, /422.*sign_ins/);
});

await check("an address that is taken is refused at sign-up", async () => {
  await ben.page.goto(app.url);
  await signOut(ben);
  await ben.page.goto(`${app.url}/sign-up`);
  await fillSignUp(ben, BEN.toUpperCase());
  await ben.page.getByTestId("form-feedback-error").getByText("That email address is taken").waitFor();
  expectRefusals(ben, /422.*sign_ups/);
});

const keys = path.join(app.folder, ".env.keys");
const set = (lines) => (writeFileSync(`${keys}.new`, Object.entries(lines).map(([name, value]) => `${name}=${value}\n`).join("")), renameSync(`${keys}.new`, keys));
const html = async (target = "/") => (await request(`${app.url}${target}`)).text;
const keyOf = (text) => /data-clerk-key="([^"]+)"/.exec(text)?.[1];
const OWN = { NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY: `pk_test_${Buffer.from("own-1.clerk.accounts.dev$").toString("base64")}`, CLERK_SECRET_KEY: `sk_test_${"own".repeat(12)}` };

await check("the owner's keys in .env.keys count at the next request, and no page names the build's sign-in any more", async () => {
  assertSame(keyOf(await html()), one.env.NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY, "before");
  set(OWN);
  const own = await html();
  assertSame([keyOf(own), /data-testid="auth-badge"[^>]*>([^<]*)/.exec(own)?.[1]], [OWN.NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY, "your keys"], "after");
  const authPort = `:${PORT_BASE + 1}`;
  assert(!own.includes(authPort) && own.includes("https://own-1.clerk.accounts.dev/npm/@clerk/clerk-js@6/"), "the scripts come from the owner's");
  const asPage = await ask("GET", "/", { headers: { Accept: "text/html", "Sec-Fetch-Dest": "document" } });
  assertSame([asPage.status, new URL(asPage.headers.location).origin], [307, "https://own-1.clerk.accounts.dev"], "the handshake");
  assertSame(refusedBy(await ask("GET", "/api/files", { headers: await asUser(ada, app) })), [401, "signed_out"], "a session of the build's");
  rmSync(keys);
  assertSame([keyOf(await html()), (await ask("GET", "/api/files", { headers: await asUser(ada, app) })).status], [one.env.NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY, 200], "and back");
});

for (const [name, lines, code, sentence] of [
  ["no keys at all", { NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY: "", CLERK_SECRET_KEY: "", CLERK_ENCRYPTION_KEY: "" }, "auth_not_set", "No sign-in is set."],
  ["no secret key", { CLERK_SECRET_KEY: "" }, "auth_not_set", "CLERK_SECRET_KEY is missing"],
  ["a new publishable key with an old secret", { NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY: OWN.NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY }, "auth_mixed", "do not belong together"],
  ["a live key with a test key", { ...OWN, CLERK_SECRET_KEY: `sk_live_${"own".repeat(12)}` }, "auth_mixed", "do not belong together"],
  ["a key that is cut off", { ...OWN, NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY: "pk_test_b3du" }, "auth_bad_key", "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY is not a key"],
])
  await check(`${name}: pages, API and health say what to do, and the rest works`, async () => {
    set(lines);
    const health = await app.health();
    assertSame([health.auth.ok, health.auth.error?.code, health.database.ok, health.storage.ok], [false, code, true, true], "health");
    assert(health.auth.error.message.includes(sentence), health.auth.error.message);
    for (const target of ["/sign-in", "/sign-up", "/profile", "/files"]) {
      const text = (await html(target)).replaceAll("&#x27;", "'");
      assert(text.includes(`data-code="${code}"`) && text.includes(health.auth.error.message), target);
    }
    const headers = { ...(await asUser(ada, app)), "x-clerk-auth-status": "signed-in" };
    assertSame(refusedBy(await ask("GET", "/api/files", { headers })), [503, code], "API");
    assertSame((await ask("POST", "/api/notes", { body: { body: "Without sign-in" } })).status, 201, "a note");
  });

await check("without sign-in the pages are readable and lead to the one that says what to do", async () => {
  set({ NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY: "", CLERK_SECRET_KEY: "", CLERK_ENCRYPTION_KEY: "" });
  await page.goto(app.url);
  await account(ada, "not set");
  assertSame(await page.getByTestId("auth-badge").textContent(), "not set", "badge");
  await page.getByRole("link", { name: "Sign-in is not set" }).click();
  await page.getByTestId("auth-problem").getByText("No sign-in is set.").waitFor();
  assertSame(await contrastProblems(page), [], "contrast");
  await ada.shot("auth-not-set");
  rmSync(keys);
});

/** Health as soon as it reports `want`; the services are asked once a second at most. */
const healthWith = async (want) => {
  for (let tries = 0; ; tries++) {
    const { auth, storage, database, payments } = await app.health();
    const got = [auth, storage, database, payments].map((service) => service.error?.code);
    if (tries === 8 || JSON.stringify(got) === JSON.stringify(want)) return assertSame(got, want, "health");
    await sleep(300);
  }
};

await check("a build that was revoked: health says that the sign-in service and the storage refuse", async () => {
  await daemon.mustCli(["build", "revoke", "people-one"]);
  await healthWith(["auth_refused", "storage_refused", "refused", "payments_refused"]);
});

await check("the services away: health says so, and the sign-in page too", async () => {
  await daemon.stop();
  await healthWith(["auth_unreachable", "storage_unreachable", "unreachable", "payments_unreachable"]);
  await ben.page.clock.install();
  await ben.page.goto(`${app.url}/sign-in`);
  await ben.page.getByRole("status").getByText("The form is on its way").waitFor();
  await ben.page.clock.runFor(5_000);
  await ben.page.getByRole("alert").getByText("The sign-in service does not answer this browser.").waitFor();
  ben.problems.splice(0);
});

await check("no secret of sign-in is in anything that a browser got, nor in the app's log; nothing but this machine was asked", async () => {
  const got = await Promise.all([...ada.texts, ...ben.texts]);
  assert(secrets.every(Boolean) && got.length > 50 && got.some((t) => t.includes(one.env.NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY)), "responses were kept");
  for (const text of [...got, app.log]) for (const secret of secrets) assert(!text.includes(secret), `found in: ${text.slice(0, 120)}`);
  for (const text of got) assert(!/x-clerk-request-data|x-middleware-request/.test(text.split("\n")[1] ?? ""), "what the proxy tells the pages is in no answer");
  assertSame([...ada.foreign, ...ben.foreign], [], "other addresses");
  assertSame([...ada.problems, ...ben.problems], [], "errors in the browsers' consoles");
});

await ada.stop();
await ben.stop();
same(await app.stop(), true, "the app of the people ends with its command");
