// The API of the settings page, asked as the page asks it and as nobody should.
import { spawnSync } from "node:child_process";
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { Daemon, plain, portBase, request, sleep, tempFolder } from "../lib/daemon.mjs";
import { assert, assertSame, check, skip } from "../lib/tap.mjs";
import { OwnApp, Page, refusal } from "./app.mjs";
import { CLERK_HOST, Vendors } from "./vendors.mjs";

const PORT_BASE = await portBase();
const daemon = await new Daemon({ portBase: PORT_BASE }).start();
const build = (name, n) => daemon.createBuild(name, ["--origin", `http://localhost:${PORT_BASE + n}`]);
const [one, second, owned] = [await build("shop-one", 11), await build("shop-two", 12), await build("owned", 13)];
const vendors = await new Vendors({ url: daemon.databaseUrl, token: owned.env.TURSO_AUTH_TOKEN }).start();
const app = await new OwnApp(daemon, "shop-one", PORT_BASE + 11).start({ env: vendors.env });
const SECRET = ["TURSO_AUTH_TOKEN", "CLERK_SECRET_KEY", "CLERK_ENCRYPTION_KEY", "R2_SECRET_ACCESS_KEY", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "SETTINGS_TOKEN", "SETTINGS_ENCRYPTION_KEY"];
const own = [vendors.clerk.CLERK_SECRET_KEY, vendors.turso.TURSO_AUTH_TOKEN, vendors.stripe.STRIPE_SECRET_KEY, vendors.webhookSecret];
const holdsNone = (text, values, where) => {
  for (const value of values) assert(!text.includes(value), `a secret is in ${where}`);
};
const secretsOf = ({ env }) => SECRET.map((name) => env[name]).filter(Boolean);
const states = (view) => Object.fromEntries(view.services.map(({ id, keys }) => [id, keys]));
const ROUTES = [["GET", "keys"], ["POST", "keys"], ["DELETE", "session"], ["POST", "owner"], ["POST", "env"], ["POST", "host"]];
const nothingWritten = () => assertSame([app.keys(), readdirSync(app.folder).filter((name) => name.startsWith(".env"))], [null, []], "files of keys");

const page = app.page();
/** Another process of the app: how often something may happen is counted anew, and a session goes on. */
const restart = async (env = {}, wrapper) => {
  await app.stop();
  await app.start({ env: { ...vendors.env, ...env }, wrapper });
};

// ---- the door

await check("health says whose keys each service runs on", async () =>
  assertSame((await app.health()).services, ["clerk", "database", "storage", "stripe"].map((id) => ({ id, keys: "build keys", mode: id === "clerk" || id === "stripe" ? "test" : null })), "services"));

await check("locked: every route is, and nothing of it may be kept by a cache", async () => {
  for (const [method, name] of ROUTES) {
    const answer = await page.ask(method, `/api/settings/${name}`, method === "GET" ? undefined : {});
    assertSame([...refusal(answer), answer.headers["cache-control"]], [401, "locked", "no-store"], `${method} ${name}`);
  }
});

await check("wrong tokens open nothing", async () => {
  const right = app.env.SETTINGS_TOKEN;
  for (const wrong of ["", right.slice(0, -1), `${right} `, right.toUpperCase()]) {
    const answer = await page.unlock(wrong);
    assertSame([...refusal(answer), answer.headers["set-cookie"]], [401, "wrong_token", undefined], wrong);
    assertSame(answer.json().error.message, "That token is not right.", "sentence");
  }
});

await check("the token gives a session that is none of the token's, for this site alone", async () => {
  const answer = await page.unlock();
  assertSame([answer.status, Object.keys(answer.json())], [200, ["csrf"]], "answer");
  const line = page.cookieLine;
  for (const part of ["HttpOnly", "SameSite=strict", "Path=/", "Max-Age=28800"]) assert(line.toLowerCase().includes(part.toLowerCase()), `${part}: ${line}`);
  assert(!/secure/i.test(line) && !line.includes(app.env.SETTINGS_TOKEN), line);
  const other = app.page();
  await other.unlock();
  assert(other.cookie !== page.cookie && other.csrf !== page.csrf, "each session is its own");
  const secure = app.page();
  await secure.unlock(undefined, { headers: { origin: "https://shop.example.com", "x-forwarded-host": "shop.example.com" } });
  assert(/; secure/i.test(secure.cookieLine), secure.cookieLine);
});

await check("open: what is shown of each key, and no secret of any", async () => {
  const answer = await page.view();
  assertSame(answer.status, 200, "status");
  holdsNone(answer.text, secretsOf(app), "what is shown");
  const view = answer.json();
  assertSame([view.csrf, view.platform, view.owner, view.migrated, view.allOwn], [page.csrf, "disk", { set: false, canClaim: false }, 0, false], "view");
  assertSame(states(view), { clerk: "build keys", database: "build keys", storage: "build keys", stripe: "build keys" }, "states");
  const [clerk, database] = view.services;
  assertSame(clerk.values, { NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY: { set: true, shown: app.env.NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY }, CLERK_SECRET_KEY: { set: true, shown: `••••${app.env.CLERK_SECRET_KEY.slice(-4)}` } }, "clerk");
  assertSame([clerk.mode, clerk.changedAt, database.mode], ["test", null, null], "mode");
});

await check("another site's pages get nowhere, with the session or without", async () => {
  const foreign = [
    { "sec-fetch-site": "cross-site" }, { "sec-fetch-site": "same-site" }, { "sec-fetch-site": "cross-site", origin: app.url },
    { "sec-fetch-site": null, origin: "http://evil.example" }, { "sec-fetch-site": null, origin: "null" }, { "sec-fetch-site": null, origin: `${app.url}.evil.example` },
  ];
  for (const [method, name] of [...ROUTES, ["PUT", "session"]])
    for (const headers of method === "GET" ? foreign.slice(0, 5) : [...foreign, { "sec-fetch-site": null, origin: null }, { "sec-fetch-site": "none", origin: null }]) {
      const answer = await page.ask(method, `/api/settings/${name}`, method === "GET" ? undefined : {}, { headers });
      assertSame(refusal(answer), [403, "cross_origin"], `${method} ${name} ${JSON.stringify(headers)}`);
    }
  for (const headers of [{ "sec-fetch-site": null }, { origin: null }, { "sec-fetch-site": "none", origin: null }]) assertSame((await page.ask("GET", "/api/settings/keys", undefined, { headers })).status, 200, "this site's own");
});

await check("a request without the page's mark changes nothing, nor does another session's mark", async () => {
  const other = app.page();
  await other.unlock();
  for (const mark of [null, "", "x", page.csrf.slice(0, -1), other.csrf])
    for (const [method, name] of ROUTES.slice(1)) assertSame(refusal(await page.ask(method, `/api/settings/${name}`, {}, { headers: { "x-settings-csrf": mark } })), [403, "csrf"], `${method} ${name}`);
  assertSame((await page.view()).status, 200, "the session is there still");
});

await check("a session that was not given out is none", async () => {
  const [id, ends, mac] = page.cookie.slice("settings=".length).split(".");
  const flip = (text) => (text[0] === "A" ? "B" : "A") + text.slice(1);
  for (const forged of ["", "x", "..", "a.b.c", `${flip(id)}.${ends}.${mac}`, `${id}.${Number(ends) + 3600}.${mac}`, `${id}.${ends}.${flip(mac)}`, `${id}.${ends}`, `${id}.${ends}.${mac}.x`, `${id}.${ends}.`, `${id}.-1.${mac}`, app.env.SETTINGS_TOKEN]) {
    const answer = await new Page(app, { headers: { cookie: `settings=${forged}` } }).view();
    assertSame(refusal(answer), [401, "locked"], forged);
  }
});

await check("a session that was ended is over, wherever its cookie is kept", async () => {
  const other = app.page();
  await other.unlock();
  const kept = other.cookie;
  assertSame((await other.ask("DELETE", "/api/settings/session")).status, 200, "end");
  assertSame(other.cookie, undefined, "the browser forgets it");
  assertSame(refusal(await new Page(app, { headers: { cookie: kept } }).view()), [401, "locked"], "kept elsewhere");
  assertSame((await page.view()).status, 200, "others go on");
});

// ---- what is typed

await check("hostile requests: each is refused, and nothing is written", async () => {
  const good = JSON.stringify({ service: "database", values: vendors.turso, save: true });
  const post = (raw, headers) => page.ask("POST", "/api/settings/keys", undefined, { raw, headers });
  for (const [what, raw, want, headers] of [
    ["a form", "service=database", [415, "not_json"], { "content-type": "application/x-www-form-urlencoded" }],
    ["text", good, [415, "not_json"], { "content-type": "text/plain" }],
    ["nothing", "", [400, "bad_json"]],
    ["half of it", good.slice(0, 20), [400, "bad_json"]],
    ["too much", JSON.stringify({ service: "database", values: { TURSO_AUTH_TOKEN: "x".repeat(20_000) }, save: true }), [413, "too_large"]],
    ["a list", "[]", [400, "bad_request"]],
    ["null", "null", [400, "bad_request"]],
    ["deep", "[".repeat(8000), [400, "bad_json"]],
    ["another service", JSON.stringify({ service: "__proto__", values: {}, save: true }), [400, "bad_request"]],
    ["a member that is none", JSON.stringify({ service: "database", values: {}, save: true, admin: true }), [400, "bad_request"]],
    ["save as text", JSON.stringify({ service: "database", values: {}, save: "true" }), [400, "bad_request"]],
    ["a number as value", JSON.stringify({ service: "database", values: { TURSO_AUTH_TOKEN: 1 }, save: true }), [400, "bad_request"]],
    ["values in values", JSON.stringify({ service: "database", values: { TURSO_AUTH_TOKEN: { a: 1 } }, save: true }), [400, "bad_request"]],
    ["a long value", JSON.stringify({ service: "database", values: { TURSO_AUTH_TOKEN: "x".repeat(4097) }, save: true }), [400, "bad_request"]],
    ...["NODE_OPTIONS", "PATH", "SETTINGS_OWNER", "SETTINGS_TOKEN", "CLERK_SECRET_KEY", "CLERK_API_URL", "R2_ENDPOINT", "A=B", "A\nB", "constructor"].map((name) => [`the name ${JSON.stringify(name)}`, JSON.stringify({ service: "database", values: { ...vendors.turso, [name]: "x" }, save: true }), [400, "bad_request"]]),
    ["__proto__ as a name", good.replace('"values":{', '"values":{"__proto__":"x",'), undefined],
  ]) {
    const answer = await post(raw, headers);
    if (want) assertSame(refusal(answer), want, what);
    else assert(answer.status === 400 || (answer.status === 200 && answer.json().saved), `${what}: ${answer.status}`);
    holdsNone(answer.text, own, `the answer to ${what}`);
    if (want) nothingWritten();
  }
  await restart();
  assertSame((await page.view()).status, 200, "the session goes on");
  if (app.keys()) rmSync(app.keysFile); // __proto__ is no name at all, so the rest of that request may count
  for (const value of ["libsql://own-shop.turso.example\nNODE_OPTIONS=--inspect", "libsql://own-shop.turso.example\0", "libsql://own-shop.turso.example\u2028X=1", "libsql://own-shop.turso.example?authToken=x", "file:/etc/passwd", "http://127.0.0.1:1", "https://127.0.0.1", "https://169.254.169.254", "https://localhost", "https://[::1]"]) {
    const answer = await page.save("database", { ...vendors.turso, TURSO_DATABASE_URL: value });
    assertSame([answer.status, answer.json().saved, answer.json().report.valid], [422, false, false], JSON.stringify(value));
    nothingWritten();
  }
});

await check("what is not whole, not right or not tried is not saved", async () => {
  await restart();
  const [pk, sk] = Object.entries(vendors.clerk);
  for (const [what, service, values] of [
    ["nothing typed", "database", {}],
    ["blanks", "clerk", { [pk[0]]: "", [sk[0]]: "" }],
    ["a new publishable key without its secret one", "clerk", { [pk[0]]: pk[1] }],
    ["a secret key alone", "clerk", { [sk[0]]: sk[1] }],
    ["a key that the vendor does not know", "clerk", { ...vendors.clerk, CLERK_SECRET_KEY: `${sk[1].slice(0, -2)}xx` }],
    ["another host's publishable key", "clerk", { ...vendors.clerk, [pk[0]]: `pk_live_${Buffer.from("clerk.other.example$").toString("base64")}` }],
    ["a Stripe key in Clerk's field", "clerk", { ...vendors.clerk, CLERK_SECRET_KEY: vendors.stripe.STRIPE_SECRET_KEY }],
    ["a token that the database does not know", "database", { ...vendors.turso, TURSO_AUTH_TOKEN: "own.wrong.token" }],
    ["a host that is not there", "database", { ...vendors.turso, TURSO_DATABASE_URL: "libsql://nowhere.invalid" }],
  ]) {
    const answer = await page.save(service, values);
    const { saved, report } = answer.json();
    assertSame([answer.status, saved, report.valid], [422, false, false], what);
    assert(report.checks.length > 0 && (report.error || report.unverified), what);
    holdsNone(answer.text, [sk[1], vendors.turso.TURSO_AUTH_TOKEN, vendors.stripe.STRIPE_SECRET_KEY], what);
  }
  nothingWritten();
});

await check("validating alone saves nothing", async () => {
  const answer = await page.ask("POST", "/api/settings/keys", { service: "database", values: vendors.turso, save: false });
  assertSame([answer.status, answer.json().saved, answer.json().report.valid], [200, false, true], "answer");
  nothingWritten();
});

await check("keys of a build are refused: this one's and another one's, and nobody is asked", async () => {
  const before = vendors.calls.length;
  const group = (env, names) => Object.fromEntries(names.map((name) => [name, env[name]]));
  const NAMES = {
    clerk: ["NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY", "CLERK_SECRET_KEY"],
    storage: ["R2_ACCOUNT_ID", "R2_BUCKET", "R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY"],
    stripe: ["NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"],
  };
  for (const [whose, { env }] of [["this build's", app], ["another build's", second]]) {
    for (const [service, names] of Object.entries(NAMES)) {
      const answer = await page.save(service, group(env, names));
      const { report, saved } = answer.json();
      assertSame([answer.status, saved, report.valid, report.checks.find(({ rung }) => rung === "ours")?.verdict], [422, false, false, "fail"], `${whose} ${service}`);
    }
    const database = await page.save("database", { ...vendors.turso, TURSO_AUTH_TOKEN: env.TURSO_AUTH_TOKEN });
    assertSame([database.status, database.json().report.checks.find(({ rung }) => rung === "ours")?.verdict], [422, "fail"], `${whose} database`);
    const bare = { R2_ACCOUNT_ID: "0".repeat(32), R2_BUCKET: "my-own-bucket", R2_ACCESS_KEY_ID: app.env.R2_ACCESS_KEY_ID, R2_SECRET_ACCESS_KEY: "f".repeat(64) };
    assertSame((await page.save("storage", bare)).json().report.checks.find(({ rung }) => rung === "ours")?.verdict, "fail", "hex of this build, known by its mark alone");
  }
  assertSame(vendors.calls.length, before, "calls to vendors");
  nothingWritten();
});

// ---- what takes effect

await restart();
const stored = async (sql) => (await daemon.sql(owned.env.TURSO_AUTH_TOKEN, sql)).rows.map((row) => row.map(plain));

await check("keys that are good and that the app cannot use: those before are in effect again, and the file is as it was", async () => {
  const { env } = await daemon.createBuild("taken");
  await daemon.sql(env.TURSO_AUTH_TOKEN, 'CREATE TABLE "Note" (somebody TEXT, elses TEXT)');
  writeFileSync(app.keysFile, "# mine\nOTHER=kept\n", { mode: 0o600 });
  vendors.database.token = env.TURSO_AUTH_TOKEN;
  const answer = await page.save("database", vendors.turso);
  vendors.database.token = owned.env.TURSO_AUTH_TOKEN;
  assertSame([...refusal(answer), /in effect again\.$/.test(answer.json().error.message)], [409, "not_usable", true], answer.text);
  assertSame(app.keys().text, "# mine\nOTHER=kept\n", "the file");
  assertSame([states((await page.view()).json()).database, (await app.health()).database.ok], ["build keys", true], "state");
  rmSync(app.keysFile);
});

await check("database: saved sealed, in effect with the next request, the tables made by themselves", async () => {
  const answer = await page.save("database", vendors.turso);
  assertSame([answer.status, answer.json().saved, answer.json().report.valid], [200, true, true], "answer");
  const { text, mode } = app.keys();
  assertSame(mode, 0o600, "mode");
  holdsNone(text, [vendors.turso.TURSO_AUTH_TOKEN, "own-shop"], "the file");
  assert(/^TURSO_AUTH_TOKEN=v1\.[\w-]+$/m.test(text) && /^DATABASE_URL=v1\./m.test(text), text);
  const note = await request(`${app.url}/api/notes`, { method: "POST", headers: { "content-type": "application/json", "sec-fetch-site": "same-origin" }, body: { body: "on my own" } });
  assertSame(note.status, 201, note.text);
  assertSame(await stored('SELECT body FROM "Note"'), [["on my own"]], "rows of the new database");
  assertSame((await daemon.sql(one.env.TURSO_AUTH_TOKEN, 'SELECT count(*) FROM "Note"')).rows.map((row) => row.map(plain)), [[0n]], "rows of the former");
  const view = (await page.view()).json();
  assertSame([states(view).database, view.migrated, view.allOwn], ["your keys", 1, false], "view");
  assert(Date.now() - Date.parse(view.services[1].changedAt) < 60_000, "changedAt");
  assertSame(view.services[1].values.TURSO_DATABASE_URL.shown, vendors.turso.TURSO_DATABASE_URL, "shown");
});

await check("two who save at once: both count", async () => {
  const stripe = { ...vendors.stripe, STRIPE_WEBHOOK_SECRET: vendors.webhookSecret };
  const answers = await Promise.all([page.save("clerk", vendors.clerk), page.save("stripe", stripe), page.save("database", vendors.turso), page.save("stripe", stripe)]);
  for (const answer of answers) assertSame([answer.status, answer.json().saved], [200, true], answer.text);
  assertSame(states((await page.view()).json()), { clerk: "your keys", database: "your keys", storage: "build keys", stripe: "your keys" }, "states");
  assertSame(readdirSync(app.folder).filter((name) => name.startsWith(".env")), [".env.keys"], "files");
  for (const name of [...Object.keys(vendors.clerk), ...Object.keys(vendors.stripe), ...Object.keys(vendors.turso)]) assertSame(app.keys().text.match(new RegExp(`^${name}=`, "gm"))?.length, 1, name);
});

await check("after it, no address of the build is left: pages name the vendor, and what was asked went to the vendor", async () => {
  for (const name of ["CLERK_API_URL", "NEXT_PUBLIC_CLERK_PROXY_URL", "NEXT_PUBLIC_CLERK_JS_URL", "NEXT_PUBLIC_CLERK_UI_URL", "STRIPE_API_BASE"]) assert(app.keys().text.includes(`${name}=\n`), name);
  const html = (await request(`${app.url}/`)).text;
  assert(html.includes(`data-clerk-key="${vendors.clerk.NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY}"`), "key");
  assert(!html.includes(`:${PORT_BASE + 1}`) && html.includes(CLERK_HOST), "the address of the build's sign-in is in the page");
  holdsNone(html, [...own, ...secretsOf(app)], "the page");
  const before = vendors.calls.length;
  await sleep(1100); // health asks once a second at most
  const health = await app.health();
  assertSame([health.auth.ok, health.payments.ok, health.database.ok, health.storage.ok], [true, true, true, true], JSON.stringify(health));
  const asked = vendors.calls.slice(before).map(({ host, url }) => host + url);
  assert(asked.includes("api.clerk.com/v1/jwks") && asked.some((call) => call.startsWith("api.stripe.com/v1/balance")), asked.join(" "));
});

// ---- payments' webhook

await check("payments: without a signing secret nothing is saved, and it says what to do", async () => {
  const keys = app.keys().text;
  const fresh = vendors.stripe;
  const at = (origin) => ({ headers: { origin, "x-forwarded-host": new URL(origin).host } });
  const local = await page.save("stripe", fresh, { webhook: true });
  assertSame([local.status, local.json().saved, local.json().webhook.created, local.json().report.valid], [422, false, false, true], local.text);
  assert(/public https address/.test(local.json().webhook.say) && local.json().webhook.say.includes(app.url), local.json().webhook.say);
  for (const origin of ["http://shop.example.com", "https://10.1.2.3", "https://shop.local"]) assertSame((await page.save("stripe", fresh, { webhook: true }, at(origin))).json().webhook?.created, false, origin);
  const none = await page.save("stripe", fresh, { webhook: false, keepWebhook: false });
  assertSame([none.status, none.json().saved, none.json().webhook.created], [422, false, false], none.text);
  assertSame([app.keys().text, vendors.webhooks], [keys, []], "nothing changed");
  const kept = await page.save("stripe", fresh, { webhook: false });
  assertSame([kept.status, kept.json().saved, kept.json().webhook], [200, true, { created: false, say: "The webhook's signing secret stays what it was." }], kept.text);
  // Another account's events are signed with another secret.
  const mine = vendors.stripe.STRIPE_SECRET_KEY;
  const [pk, sk] = ["pk", "sk"].map((kind) => `${kind}_live_5${[...mine.slice(9, 25)].reverse().join("")}${mine.slice(25)}`);
  vendors.stripe = { ...fresh, STRIPE_SECRET_KEY: sk };
  const moved = await page.save("stripe", { NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY: pk, STRIPE_SECRET_KEY: sk }, { webhook: false });
  vendors.stripe = fresh;
  assertSame([moved.status, moved.json().saved, moved.json().report.valid, /another account/.test(moved.json().webhook?.say)], [422, false, true, true], moved.text);
});

await check("payments: the webhook is made with the owner's key, and its secret is told to nobody", async () => {
  const origin = "https://shop.example.com";
  const answer = await page.save("stripe", vendors.stripe, { webhook: true }, { headers: { origin, "x-forwarded-host": "shop.example.com" } });
  assertSame([answer.status, answer.json().saved, answer.json().webhook.created], [200, true, true], answer.text);
  const [made, ...more] = vendors.webhooks;
  assertSame([made.url, made.enabled_events.sort(), more.length], [`${origin}/api/webhooks/stripe`, ["charge.refunded", "checkout.session.async_payment_failed", "checkout.session.async_payment_succeeded", "checkout.session.completed", "checkout.session.expired"], 0], "webhook");
  holdsNone(answer.text + app.keys().text, [made.secret], "the answer and the file");
  assertSame((await page.view()).json().services[3].values.STRIPE_WEBHOOK_SECRET.shown, `••••${made.secret.slice(-4)}`, "shown");
  const again = await page.save("stripe", vendors.stripe, { webhook: true }, { headers: { origin, "x-forwarded-host": "shop.example.com" } });
  assert(/Another one has the same address/.test(again.json().webhook.say), again.json().webhook.say);
});

// ---- what leaves

await check("the file for the next host has the owner's keys alone, in every dialect", async () => {
  for (const format of ["next", "dotenv", "node", "shell", "docker", "systemd", "json"]) {
    const answer = await page.ask("POST", "/api/settings/env", { format });
    assertSame([answer.status, answer.headers["cache-control"]], [200, "no-store"], format);
    assert(/^attachment; filename="\.?env\.production(\.json)?"$/.test(answer.headers["content-disposition"]), answer.headers["content-disposition"]);
    holdsNone(answer.text, secretsOf(app).concat(app.env.R2_ACCESS_KEY_ID, app.env.R2_BUCKET), format);
    for (const value of [...Object.values(vendors.clerk), ...Object.values(vendors.turso), ...Object.values(vendors.stripe)]) assert(answer.text.includes(value), format);
    if (format !== "json") assert(/^# .*still on a build key.*R2_BUCKET/m.test(answer.text), `${format} says what is missing`);
    assert(/CLERK_ENCRYPTION_KEY/.test(answer.text), "sign-in would not be complete");
  }
  for (const body of [{}, { format: "yaml" }, { format: "next", more: 1 }]) assertSame(refusal(await page.ask("POST", "/api/settings/env", body)), [400, "bad_request"], JSON.stringify(body));
});

await check("a host's settings: what would change, then the owner's keys and no others; the token is nowhere", async () => {
  const [token, project] = [vendors.vercelToken, "own-shop"];
  const push = (more) => page.ask("POST", "/api/settings/host", { host: "vercel", token, project, ...more });
  vendors.variables = [{ id: "v1", key: "CLERK_API_URL", target: ["production"], value: "x" }, { id: "v2", key: "CLERK_SECRET_KEY", target: ["production"], value: "x" }, { id: "v3", key: "R2_BUCKET", target: ["production"], value: "kept" }];
  const before = structuredClone(vendors.variables);
  const plan = (await push({})).json();
  assertSame([plan.applied, vendors.variables], [false, before], "a dry run, unless it was said otherwise");
  const names = Object.fromEntries(plan.plan.map(({ name, action }) => [name, action]));
  assertSame([names.CLERK_API_URL, names.CLERK_SECRET_KEY, names.TURSO_AUTH_TOKEN, names.DATABASE_URL, names.STRIPE_WEBHOOK_SECRET], ["remove", "replace", "add", "add", "add"], "plan");
  assertSame(Object.keys(names).filter((name) => /R2|AWS|ENCRYPTION|TOKEN$/.test(name)), ["TURSO_AUTH_TOKEN"], "names");
  const done = await push({ dryRun: false });
  assertSame([done.status, done.json()], [200, { plan: plan.plan, applied: true }], done.text);
  const there = Object.fromEntries(vendors.variables.map(({ key, value, type }) => [key, [value, type]]));
  assertSame([there.CLERK_SECRET_KEY, there.CLERK_API_URL, there.R2_BUCKET, there.TURSO_DATABASE_URL], [[vendors.clerk.CLERK_SECRET_KEY, "sensitive"], undefined, ["kept", undefined], [vendors.turso.TURSO_DATABASE_URL, "encrypted"]], "variables");
  for (const [what, more, want] of [["another token", { token: "not-the-token-1234" }, [422, "host_refused"]], ["another project", { project: "other" }, [422, "host_not_found"]], ["a path", { project: "../.." }, [400, "bad_request"]]]) {
    const answer = await push(more);
    assertSame(refusal(answer), want, what);
    holdsNone(answer.text, [token, "not-the-token-1234"], what);
  }
  holdsNone(app.log + app.keys().text, [token], "the log and the file");
});

// ---- the owner

const as = (user) => new Page(app, { headers: { authorization: `Bearer ${vendors.token(user)}` } });

await check("the owner: a session and a user of the own sign-in make one, once; then the token is void", async () => {
  assertSame(refusal(await page.ask("POST", "/api/settings/owner", {})), [401, "signed_out"], "nobody is signed in");
  const [ada, eve] = [as("user_ada"), as("user_eve")];
  await ada.unlock();
  assertSame((await ada.view()).json().owner, { set: false, canClaim: true }, "before");
  assertSame((await ada.ask("POST", "/api/settings/owner", {})).status, 200, "claim");
  assertSame((await ada.view()).json().owner, { set: true, canClaim: false }, "after");
  assertSame(refusal(await page.view()), [401, "locked"], "the former session");
  assertSame(refusal(await app.page().unlock()), [401, "token_void"], "the token");
  assertSame(refusal(await app.page().unlock(null)), [401, "signed_out"], "nobody");
  assertSame(refusal(await eve.unlock()), [403, "not_owner"], "somebody else with the token");
  assertSame(refusal(await eve.unlock(null)), [403, "not_owner"], "somebody else");
  const stolen = as("user_eve");
  stolen.cookie = ada.cookie;
  assertSame(refusal(await stolen.view()), [401, "locked"], "the owner's session with another user");
  const again = as("user_ada");
  assertSame((await again.unlock(null)).status, 200, "the owner, without a token");
  assertSame((await again.view()).status, 200, "and in");
  assertSame((await again.ask("POST", "/api/settings/env", { format: "next" })).text.includes("SETTINGS_OWNER=user_ada"), true, "goes along");
});

await check("whose own sign-in is gone takes the owner's line out of the file, or clears the name there: the token is good again", async () => {
  const { text } = app.keys();
  for (const line of ["", "SETTINGS_OWNER=\n"]) {
    writeFileSync(app.keysFile, text.replace(/^SETTINGS_OWNER=.*\n/m, line));
    assertSame([(await app.page().unlock()).status, refusal(await app.page().unlock(null))], [200, [401, "wrong_token"]], line);
  }
  writeFileSync(app.keysFile, text);
  assertSame(refusal(await app.page().unlock()), [401, "token_void"], "with the line again");
});

await check("the app's log has no secret", () => holdsNone(app.log, [...own, ...secretsOf(app), vendors.clerk.CLERK_SECRET_KEY], "the log"));

await check("a restart with another sealing key: what was sealed counts as not set, health says so, and no build key comes back", async () => {
  await restart({ SETTINGS_ENCRYPTION_KEY: "ab".repeat(32) });
  const health = await app.health();
  assertSame(Object.fromEntries(health.services.map(({ id, keys }) => [id, keys])), { clerk: "not set", database: "not set", storage: "build keys", stripe: "not set" }, "services");
  assertSame([refusal(await app.page().unlock())[1], refusal(await app.page().unlock(null))[1]], ["token_void", "signed_out"], "nor does the setup token come back");
  assert(health.keys.code === "keys_sealed" && /TURSO_AUTH_TOKEN/.test(health.keys.message) && /SETTINGS_ENCRYPTION_KEY/.test(health.keys.message), JSON.stringify(health.keys));
  await restart();
  assertSame([(await app.health()).keys, (await app.health()).services.filter(({ keys }) => keys === "your keys").length], [undefined, 3], "with the right one");
});

await check("whoever tries tokens is stopped after five, and the right one waits then too", async () => {
  rmSync(app.keysFile);
  await restart();
  for (let i = 0; i < 5; i++) assertSame(refusal(await app.page().unlock(`${"wrong".repeat(8)}${i}`)), [401, "wrong_token"], `try ${i}`);
  const answer = await app.page().unlock();
  assertSame(refusal(answer), [429, "too_often"], "the sixth, which is right");
  assert(Number(answer.headers["retry-after"]) > 0 && Number(answer.headers["retry-after"]) <= 60, answer.headers["retry-after"]);
});

await check("validations are limited, and the limit comes before the body", async () => {
  await restart();
  const busy = app.page();
  await busy.unlock();
  const seen = [];
  for (let i = 0; i < 31; i++) seen.push((await busy.ask("POST", "/api/settings/keys", undefined, { raw: "{" })).status);
  assertSame([seen.slice(0, 30).every((status) => status === 400), seen[30]], [true, 429], "statuses");
});

await check("no setup token: nobody gets in, and it says what to do", async () => {
  await restart({ SETTINGS_TOKEN: "short" });
  const answer = await app.page().unlock("short");
  assertSame(refusal(answer), [503, "no_token"], answer.text);
});

// ---- hosts that are no disk

for (const [name, platform] of [["VERCEL", "vercel"], ["NETLIFY", "netlify"]])
  await check(`on ${platform}: a block to paste, and no file`, async () => {
    await restart({ [name]: "1" });
    const there = app.page();
    await there.unlock();
    assertSame((await there.view()).json().platform, platform, "platform");
    const answer = await there.save("clerk", vendors.clerk);
    const { saved, block, rebuild } = answer.json();
    assertSame([answer.status, saved, rebuild], [200, false, true], answer.text);
    for (const line of [...Object.entries(vendors.clerk).map(([key, value]) => `${key}=${value}`), "CLERK_API_URL=", "NEXT_PUBLIC_CLERK_PROXY_URL="]) assert(block.split("\n").includes(line), `${line} in\n${block}`);
    nothingWritten();
  });

const namespaces = spawnSync("unshare", ["-m", "true"]).status === 0;
const inMount = (script) => ["unshare", "-m", "sh", "-c", `${script} && cd "$PWD" && exec "$@"`, "sh"];

if (!namespaces) skip("a folder that is read-only, and a disk that is full", "no mount namespace may be made here");
else {
  await check("a folder that is read-only: a block to paste, and a page that says so", async () => {
    await restart({}, inMount(`mount --bind "${app.folder}" "${app.folder}" && mount -o remount,bind,ro "${app.folder}"`));
    const there = app.page();
    await there.unlock();
    assertSame((await there.view()).json().platform, "read-only", "platform");
    const answer = await there.save("database", vendors.turso);
    assertSame([answer.status, answer.json().saved, answer.json().block.includes(`TURSO_AUTH_TOKEN=${vendors.turso.TURSO_AUTH_TOKEN}\n`)], [200, false, true], answer.text);
    nothingWritten();
  });

  await check("a disk that is full: 507, the keys before it stay in effect, and a webhook made for it is taken away again", async () => {
    vendors.webhooks = [];
    const small = tempFolder("valetkey-small");
    const script = `mount -t tmpfs -o size=2m none "${small}" && cp -a "${app.folder}/." "${small}/" && mount --bind "${small}" "${app.folder}" && ! head -c 4000000 /dev/zero 2>/dev/null >"${app.folder}/filler"`;
    await restart({}, inMount(script));
    const there = app.page();
    await there.unlock();
    const answer = await there.save("stripe", vendors.stripe, { webhook: true }, { headers: { origin: "https://shop.example.com", "x-forwarded-host": "shop.example.com" } });
    assertSame(refusal(answer), [507, "keys_disk_full"], answer.text);
    assertSame(vendors.webhooks, [], "webhooks");
    assert(vendors.calls.some(({ method, url }) => method === "DELETE" && url.startsWith("/v1/webhook_endpoints/")), "it was made, and taken away");
    assertSame(states((await there.view()).json()).stripe, "build keys", "state");
    assert((await request(`${app.url}/`)).status === 200, "the app goes on");
  });
}
await app.stop();
await vendors.stop();
await daemon.stop();
