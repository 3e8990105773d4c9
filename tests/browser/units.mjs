// The template's parts that need no browser: the statement splitter, the key file, the migration runner, names of files.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { root, tempFolder } from "../lib/daemon.mjs";
import { assert, assertSame, check } from "../lib/tap.mjs";

const template = path.join(root, "template");
const PARTS = ["sql-split", "env-file", "config-core", "migrate", "db-error", "clerk-keys", "auth-error", "file-names", "file-types", "storage-error", "payments-error"];

/** The sources as CommonJS modules in a folder of their own. */
function compileParts() {
  const out = tempFolder("valetkey-template");
  writeFileSync(path.join(out, "package.json"), '{"type":"commonjs"}');
  const { status, stdout, stderr } = spawnSync(
    path.join(template, "node_modules", ".bin", "tsc"),
    ["--ignoreConfig", "--outDir", out, "--module", "commonjs", "--moduleResolution", "bundler", "--target", "es2024", "--strict",
      "--skipLibCheck", "--types", "node", ...PARTS.map((part) => path.join("src", "lib", `${part}.ts`))],
    { cwd: template, encoding: "utf8" },
  );
  if (status !== 0) throw new Error(`tsc: exit ${status}\n${stdout}${stderr}`);
  return createRequire(path.join(out, "package.json"));
}

const SPLITS = [
  ["nothing", "", []],
  ["only comments", "-- a;\n/* b; */ ;;", []],
  ["two statements, the last without a semicolon", "SELECT 1; SELECT 2", ["SELECT 1", "SELECT 2"]],
  ["semicolons and quotes in strings", "SELECT 'a;''b;'; SELECT \";\", `;`, [;]", ["SELECT 'a;''b;'", 'SELECT ";", `;`, [;]']],
  ["a quote in a comment", "SELECT 1 -- it's; here\n; SELECT 2", ["SELECT 1 -- it's; here", "SELECT 2"]],
  ["a comment between statements stays with the next one", "SELECT 1;\n-- next\nSELECT 2;", ["SELECT 1", "-- next\nSELECT 2"]],
  ["a trigger with a body", "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE b SET c = 1; DELETE FROM d; END; SELECT 1;",
    ["CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE b SET c = 1; DELETE FROM d; END", "SELECT 1"]],
  ["CASE … END in a trigger", "create trigger if not exists t after insert on a when case new.x when 1 then 1 end begin select case 1 when 1 then 2 end; select 2; end; select 3",
    ["create trigger if not exists t after insert on a when case new.x when 1 then 1 end begin select case 1 when 1 then 2 end; select 2; end", "select 3"]],
  ["END inside a name or a string is no end", "CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN SELECT 'END;', \"end\", weekend, end_at; END; SELECT 1",
    ["CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN SELECT 'END;', \"end\", weekend, end_at; END", "SELECT 1"]],
  ["BEGIN as a statement is one", "BEGIN; SELECT 1; END; SELECT 2", ["BEGIN", "SELECT 1", "END", "SELECT 2"]],
  ["a string that does not end", "SELECT 'a; b", ["SELECT 'a; b"]],
];

let load;
if (await check("the template's parts compile", () => void (load = compileParts()))) {
  const { splitSql } = load("./sql-split.js");
  for (const [name, sql, want] of SPLITS) await check(`SQL splitter: ${name}`, () => assertSame(splitSql(sql), want, "statements"));
  await keyFile(load("./env-file.js"), load("./config-core.js"));
  await errors(load("./db-error.js"));
  await migrations(load("./migrate.js"));
  await fileNames(load("./file-names.js"), load("./file-types.js"));
  await storageErrors(load("./storage-error.js"));
  await paymentsErrors(load("./payments-error.js"));
  await clerkKeys(load("./clerk-keys.js"), load("./auth-error.js"));
  await setAside();
}

await check("the lists for builders' tools name files that are there, and none that may hold a key is left open", () => {
  const files = readdirSync(template, { recursive: true }).filter((file) => !/^(node_modules|\.next)\//.test(file));
  const pattern = (glob) => new RegExp(`^${glob.split("**").map((part) => part.split("*").map((text) => text.replaceAll(".", "\\.")).join("[^/]*")).join(".+")}$`);
  const list = (name) => JSON.parse(readFileSync(path.join(template, name), "utf8"));
  for (const name of [".important_files.json", ".donttouch_files.json"])
    for (const glob of list(name)) assert(files.some((file) => pattern(glob).test(file)), `${name}: ${glob} is no file`);
  const hidden = list(".redacted_files.json").map(pattern);
  for (const file of [".env", ".env.local", ".env.production", ".env.keys"]) assert(hidden.some((glob) => glob.test(file)), `${file} is not redacted`);
});

// What every browser gets may be named so; a new one is added here by whoever made sure that it is no secret.
const PUBLIC_NAMES = new Set([...["PUBLISHABLE_KEY", "PROXY_URL", "JS_URL", "UI_URL", "TELEMETRY_DISABLED", "KEYLESS_DISABLED", ""].map((name) => `NEXT_PUBLIC_CLERK_${name}`), "NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY"]);

await check("keys: only config-core reads the process environment, and no NEXT_PUBLIC_ name is one that nobody allowed", () => {
  const files = readdirSync(path.join(template, "src"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath ?? entry.path, entry.name)).filter((file) => !file.includes("generated"));
  assert(files.length > 30, "sources were read");
  for (const file of [...files, path.join(template, ".env.example"), path.join(template, "next.config.ts")]) {
    const text = readFileSync(file, "utf8").replace(/^\s*(\/\/|#).*$/gm, "");
    for (const [name] of text.matchAll(/NEXT_PUBLIC_\w+/g)) assert(PUBLIC_NAMES.has(name), `${name} in ${file}`);
    // next.config.ts runs before everything, and only moves names.
    if (!/(config-core|next\.config)\.ts$/.test(file)) assert(!/process\s*\.\s*env\b/.test(text), `process.env in ${file}`);
    if (/^"use client"/.test(text)) assert(!/@\/lib\/(config|config-core|clerk-keys|storage|stripe|checkout|shop|files|db|user|health)"|from "stripe"|aws-sdk|@clerk\/nextjs\/server/.test(text), `the server's part in the browser's: ${file}`);
  }
});

async function fileNames({ kindOf, safeName, contentDisposition }, { bytes, tooLarge, SMALL_MAX, UPLOAD_MAX }) {
  await check("files: the kind is that of the name's end, and what runs in a browser is none", () =>
    assertSame(["a.pdf", "A.JPEG", "a.html", "a.svg", "a.pdf.exe", "pdf", ".pdf", "a."].map((name) => kindOf(name)?.type),
      ["application/pdf", "image/jpeg", undefined, undefined, undefined, undefined, undefined, undefined], "types"));
  await check("files: a key's last part is plain, whatever the name", () =>
    assertSame(["Über sicht.pdf", "../../etc/passwd", "a..b.txt", "日本.pdf", "日本", `${"x".repeat(100)}.png`, "a?b=c&d%2e.txt"].map(safeName),
      ["Uber-sicht.pdf", "etc-passwd", "a.b.txt", "pdf", "file", `${"x".repeat(76)}.png`, "a-b-c-d-2e.txt"], "names"));
  await check("files: a download's name is quoted twice, and ends no header", () =>
    assertSame(contentDisposition('a "b" \\ (é).pdf\r\nX: y'), "attachment; filename=\"a _b_ _ (_).pdf__X: y\"; filename*=UTF-8''a%20%22b%22%20%5C%20%28%C3%A9%29.pdf%0D%0AX%3A%20y", "header"));
  await check("files: sizes as people read them", () => {
    assertSame([1, 999, 1000, 1500, 999_949, 999_950, 25_000_000].map(bytes), ["1 B", "999 B", "1 kB", "1.5 kB", "999.9 kB", "1 MB", "25 MB"], "sizes");
    assertSame([tooLarge(2e6, SMALL_MAX), tooLarge(3e7, UPLOAD_MAX)],
      ["This file is too large: 2 MB. At most 1 MB can be uploaded through the app.", "This file is too large: 30 MB. At most 25 MB can be uploaded."], "sentences");
  });
}

async function storageErrors({ toStorageError, isMissingObject, describeStorageError }) {
  const answered = (httpStatusCode, name = "X") => Object.assign(new Error("k-mark"), { name, $metadata: { httpStatusCode } });
  for (const [name, error, want] of [
    ["refused connection", Object.assign(new Error("x"), { code: "ECONNREFUSED" }), "storage_unreachable"],
    ["deadline", Object.assign(new Error("x"), { name: "TimeoutError" }), "storage_timeout"],
    ["a wrong signature", answered(403, "SignatureDoesNotMatch"), "storage_refused"],
    ["a key that is over", answered(400, "ExpiredToken"), "storage_refused"],
    ["a full quota", answered(403, "QuotaExceeded"), "storage_full"],
    ["no space", answered(507), "storage_full"],
    ["slow down", answered(503, "SlowDown"), "storage_busy"],
    ["no bucket", answered(404, "NoSuchBucket"), "storage_failed"],
    ["no error at all", undefined, "storage_failed"],
  ]) await check(`storage errors: ${name} is "${want}"`, () => assertSame(toStorageError(error).code, want, "code"));
  await check("storage errors: no object is no error; the log gets names and numbers only", () =>
    assertSame([isMissingObject(answered(404, "NotFound")), isMissingObject(answered(404, "NoSuchBucket")), isMissingObject(answered(403)), describeStorageError(answered(403, "AccessDenied"))],
      [true, false, false, "AccessDenied 403"], "answers"));
}

async function paymentsErrors({ toPaymentsError, describePaymentsError }) {
  const said = (type, more) => Object.assign(new Error("k-mark"), { type, ...more });
  for (const [name, error, want] of [
    ["refused connection", said("StripeConnectionError", { detail: { code: "ECONNREFUSED" } }), "payments_unreachable"],
    ["deadline", said("StripeConnectionError", { detail: { code: "ETIMEDOUT" } }), "payments_timeout"],
    ["a key that is not known", said("StripeAuthenticationError", { statusCode: 401 }), "payments_refused"],
    ["a key that may not", said("StripePermissionError", { statusCode: 403 }), "payments_refused"],
    ["slow down", said("StripeRateLimitError", { statusCode: 429 }), "payments_busy"],
    ["not now", said("StripeAPIError", { statusCode: 503 }), "payments_busy"],
    ["an amount that is too small", said("StripeInvalidRequestError", { statusCode: 400 }), "payments_failed"],
    ["no error at all", undefined, "payments_failed"],
  ]) await check(`payments errors: ${name} is "${want}"`, () => assertSame(toPaymentsError(error).code, want, "code"));
  await check("payments errors: the log gets names and numbers only", () =>
    assertSame(describePaymentsError(said("StripeInvalidRequestError", { code: "amount_too_small", param: "amount", statusCode: 400, requestId: "req_1" })), "StripeInvalidRequestError amount_too_small amount 400 req_1", "line"));
}

async function clerkKeys({ clerkState, publishableHost }, { authErrorOf, authErrorOfStatus }) {
  const pk = (host, mode = "test") => `pk_${mode}_${Buffer.from(`${host}$`).toString("base64").replace(/=+$/, "")}`;
  await check("sign-in: a publishable key names its host, and what is none is told apart", () =>
    assertSame([pk("b1.vk_accounts.dev"), `${pk("b1.vk_accounts.dev")}=`, pk("nohost"), pk("a.b$"), "pk_test_", "sk_test_abc", pk("a.b", "new"), "pk_test_YS5i"].map(publishableHost),
      ["b1.vk_accounts.dev", "b1.vk_accounts.dev", null, null, null, null, null, null], "hosts"));

  const ENV = {
    NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY: pk("b1.vk_accounts.dev"), CLERK_SECRET_KEY: "sk_test_valet", CLERK_ENCRYPTION_KEY: "e",
    VALETKEY_CLERK_API_URL: "http://127.0.0.1:1/bapi", VALETKEY_CLERK_PROXY_URL: "http://127.0.0.1:1/b", NEXT_PUBLIC_CLERK_JS_URL: "http://127.0.0.1:1/js", VALETKEY_CLERK_UI_URL: "http://127.0.0.1:1/ui",
  };
  const before = { cwd: process.cwd(), env: { ...process.env } };
  const state = (environment, overlay) => {
    for (const name of Object.keys(process.env)) if (/CLERK_/.test(name)) delete process.env[name];
    Object.assign(process.env, environment);
    process.chdir(tempFolder());
    if (overlay) writeFileSync(".env.keys", Object.entries(overlay).map(([name, value]) => `${name}=${value}\n`).join(""));
    const { keys, problem } = clerkState();
    return keys ? [keys.publishableKey, keys.secretKey, keys.apiUrl, keys.proxyUrl, keys.jsUrl, keys.uiUrl] : problem.code;
  };
  const without = (name) => Object.fromEntries(Object.entries(ENV).filter(([one]) => one !== name));
  const own = { NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY: pk("own.clerk.accounts.dev"), CLERK_SECRET_KEY: "sk_test_own" };
  const cases = [
    ["a build's keys, under either name", ENV, null, [pk("b1.vk_accounts.dev"), "sk_test_valet", "http://127.0.0.1:1/bapi", "http://127.0.0.1:1/b", "http://127.0.0.1:1/js", "http://127.0.0.1:1/ui"]],
    ["the owner's leave the build's addresses aside", ENV, own, [own.NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY, "sk_test_own", "https://api.clerk.com", undefined, undefined, undefined]],
    ["the owner's with an address of their own", ENV, { ...own, NEXT_PUBLIC_CLERK_PROXY_URL: "https://own/p" }, [own.NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY, "sk_test_own", "https://api.clerk.com", "https://own/p", undefined, undefined]],
    ["nothing", {}, null, "auth_not_set"],
    ["no encryption key", without("CLERK_ENCRYPTION_KEY"), null, "auth_not_set"],
    ["an encryption key that came too late for the SDK", without("CLERK_ENCRYPTION_KEY"), { CLERK_ENCRYPTION_KEY: "e" }, "auth_not_set"],
    ["half of the owner's", ENV, { CLERK_SECRET_KEY: "sk_test_own" }, "auth_mixed"],
    ["live and test", ENV, { ...own, CLERK_SECRET_KEY: "sk_live_own" }, "auth_mixed"],
    ["the two exchanged", ENV, { NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY: "sk_test_own", CLERK_SECRET_KEY: pk("own.clerk.accounts.dev") }, "auth_bad_key"],
    ["a secret that is none", ENV, { ...own, CLERK_SECRET_KEY: "own" }, "auth_bad_key"],
  ];
  try {
    for (const [name, environment, overlay, want] of cases) await check(`sign-in: ${name}`, () => assertSame(state(environment, overlay), want, "state"));
  } finally {
    process.chdir(before.cwd);
    for (const name of Object.keys(process.env)) if (!(name in before.env)) delete process.env[name];
    Object.assign(process.env, before.env);
  }
  await check("sign-in: what a failed question means", () =>
    assertSame([401, 403, 429, 503, 500].map(authErrorOfStatus).concat(authErrorOf(Object.assign(new Error("x"), { name: "TimeoutError" })), authErrorOf(new TypeError("fetch failed"))),
      ["auth_refused", "auth_refused", "auth_busy", "auth_busy", "auth_failed", "auth_timeout", "auth_unreachable"], "codes"));
}

async function setAside() {
  await check("next.config.ts: the build finds nothing of sign-in in the environment, and nothing is lost", () => {
    const folder = tempFolder();
    writeFileSync(path.join(folder, "package.json"), '{"type":"commonjs"}');
    const { status, stdout, stderr } = spawnSync(path.join(template, "node_modules", ".bin", "tsc"), ["--ignoreConfig", "--outDir", folder, "--module", "commonjs", "--moduleResolution", "bundler", "--target", "es2024", "--skipLibCheck", "--types", "node", "next.config.ts"], { cwd: template, encoding: "utf8" });
    assert(status === 0, `${stdout}${stderr}`);
    const env = { PATH: process.env.PATH, CLERK_API_URL: "a", NEXT_PUBLIC_CLERK_PROXY_URL: "p", NEXT_PUBLIC_CLERK_JS_URL: "", VALETKEY_CLERK_UI_URL: "u", NEXT_PUBLIC_CLERK_UI_URL: "other", CLERK_SECRET_KEY: "s", CLERK_ENCRYPTION_KEY: "e", NEXT_PUBLIC_OTHER: "o" };
    const shown = spawnSync(process.execPath, ["-e", `import(${JSON.stringify(path.join(folder, "next.config.js"))}).then(() => console.log(JSON.stringify(Object.entries(process.env).filter(([name]) => /CLERK|OTHER/.test(name)).sort())))`], { env, encoding: "utf8" });
    assertSame(Object.fromEntries(JSON.parse(shown.stdout)), {
      CLERK_ENCRYPTION_KEY: "e", CLERK_SECRET_KEY: "s", NEXT_PUBLIC_CLERK_KEYLESS_DISABLED: "1", NEXT_PUBLIC_CLERK_TELEMETRY_DISABLED: "1", NEXT_PUBLIC_OTHER: "o",
      VALETKEY_CLERK_API_URL: "a", VALETKEY_CLERK_JS_URL: "", VALETKEY_CLERK_PROXY_URL: "p", VALETKEY_CLERK_UI_URL: "u",
    }, "environment");
  });
}

async function keyFile({ parseEnvFile }, { cfg, cfgSource }) {
  await check("key file: names, quotes, comments, later lines win", () => {
    const text = "# c\r\nA=1\r\nexport B = two words \nC='it'\\''s # not a comment'\nD=\"a\\nb\\\"c\" \nE=x # comment\nF=\nbad line\nA=2\nG='#'\n1X=no";
    assertSame([...parseEnvFile(text)],
      [["A", "2"], ["B", "two words"], ["C", "it's # not a comment"], ["D", 'a\nb"c'], ["E", "x"], ["F", ""], ["G", "#"]], "values");
  });

  await check("cfg: the overlay wins, is read again when it changes, and clears with an empty value", () => {
    const before = process.cwd();
    const folder = tempFolder();
    process.chdir(folder);
    process.env.VK_TEST_KEY = "from the process";
    const write = (text) => {
      writeFileSync(".env.keys.new", text);
      renameSync(".env.keys.new", ".env.keys");
    };
    const seen = () => [cfg("VK_TEST_KEY"), cfgSource("VK_TEST_KEY")];
    try {
      assertSame(seen(), ["from the process", "environment"], "without a file");
      write("VK_TEST_KEY=one\n");
      assertSame(seen(), ["one", "overlay"], "with a file");
      write("VK_TEST_KEY=two\n");
      assertSame(seen(), ["two", "overlay"], "changed, same size");
      write("VK_TEST_KEY=\n");
      assertSame(seen(), [undefined, undefined], "cleared");
      rmSync(".env.keys");
      assertSame(seen(), ["from the process", "environment"], "file gone");
    } finally {
      process.chdir(before);
      delete process.env.VK_TEST_KEY;
    }
  });
}

async function errors({ toDatabaseError, describeError, isMissingTable }) {
  const wrapped = (cause) => new Error("query failed", { cause });
  const coded = (code, message = "x") => Object.assign(new Error(message), { code });
  const cases = [
    ["refused connection", wrapped(Object.assign(new TypeError("fetch failed"), { cause: coded("ECONNREFUSED") })), "unreachable"],
    ["deadline", wrapped(Object.assign(new Error("x"), { name: "TimeoutError" })), "timeout"],
    ["401", wrapped(new Error("Server returned HTTP status 401")), "refused"],
    ["a key that is over", wrapped({ kind: "sqlite", message: "AUTH_JWT_INVALID: This valet key was revoked" }), "refused"],
    ["a statement that is not allowed", coded("SQLITE_AUTH", "SQLite error: authorization denied"), "failed"],
    ["503", wrapped(new Error("Server returned HTTP status 503")), "busy"],
    ["too many requests", coded("TRANSACTION_BUSY"), "busy"],
    ["locked", coded("SQLITE_BUSY"), "busy"],
    ["bad address", coded("URL_INVALID"), "bad_address"],
    ["bad SQL", coded("SQLITE_ERROR"), "failed"],
    ["no error at all", undefined, "failed"],
  ];
  for (const [name, error, want] of cases)
    await check(`database errors: ${name} is "${want}"`, () => assertSame(toDatabaseError(error).code, want, "code"));

  await check("database errors: the app's log holds no key and no password of an address", () => {
    const text = describeError(wrapped(new Error("POST https://me:pw-mark@host/?authToken=q-mark key k-mark")), ["k-mark", undefined]);
    assert(!/mark/.test(text) && text.includes("[secret]"), text);
  });
  await check("database errors: a missing table is found inside what wraps it", () =>
    assert(isMissingTable({ code: "P2021" }) && isMissingTable(wrapped(new Error("SQLite error: no such table: Note"))) && !isMissingTable(new Error("x"))));
}

async function migrations({ migrate }) {
  const { createClient } = createRequire(path.join(template, "package.json"))("@libsql/client");
  const folder = tempFolder();
  const add = (name, sql) => {
    mkdirSync(path.join(folder, name));
    writeFileSync(path.join(folder, name, "migration.sql"), sql);
  };
  const seeds = path.join(folder, "no-such-folder");
  const url = `file:${path.join(tempFolder(), "app.db")}`;
  const client = createClient({ url });
  const names = async () => (await client.execute("SELECT name FROM _app_migrations ORDER BY name")).rows.map((row) => row.name);
  const count = async (table) => Number((await client.execute(`SELECT count(*) AS n FROM ${table}`)).rows[0].n);

  await check("migrations: all in name order, once", async () => {
    add("2_second", "INSERT INTO a VALUES (1); CREATE TRIGGER t AFTER INSERT ON a BEGIN INSERT INTO b VALUES (new.x); SELECT 1; END;");
    add("1_first", "CREATE TABLE a (x); CREATE TABLE b (y);");
    writeFileSync(path.join(folder, "migration_lock.toml"), "");
    assertSame(await migrate(client, folder, seeds), ["1_first", "2_second"], "first run");
    assertSame(await migrate(client, folder, seeds), [], "second run");
    await client.execute("INSERT INTO a VALUES (2)");
    assertSame([await count("a"), await count("b")], [2, 1], "rows");
  });
  await check("migrations: one that fails leaves nothing behind and runs when it is mended", async () => {
    add("3_third", "CREATE TABLE c (z); INSERT INTO nowhere VALUES (1);");
    let failed = false;
    await migrate(client, folder, seeds).catch(() => void (failed = true));
    assert(failed, "it did not fail");
    assertSame(await names(), ["1_first", "2_second"], "ledger");
    writeFileSync(path.join(folder, "3_third", "migration.sql"), "CREATE TABLE c (z);");
    assertSame(await migrate(client, folder, seeds), ["3_third"], "mended");
  });
  await check("migrations: two instances at once on a new database", async () => {
    const fresh = `file:${path.join(tempFolder(), "app.db")}`;
    const clients = [createClient({ url: fresh }), createClient({ url: fresh })];
    for (const c of clients) await c.execute("PRAGMA busy_timeout = 3000");
    const ran = await Promise.all(clients.map((c) => migrate(c, folder, seeds)));
    assertSame(ran.flat().sort(), ["1_first", "2_second", "3_third"], "each ran once");
    for (const c of clients) c.close();
  });
  await check("seeds: after the migrations, once, in name order; a new one later", async () => {
    const seedFolder = tempFolder();
    writeFileSync(path.join(seedFolder, "2_b.sql"), "INSERT INTO c VALUES ('two; seeds');");
    writeFileSync(path.join(seedFolder, "1_a.sql"), "INSERT INTO c VALUES (1);");
    writeFileSync(path.join(seedFolder, "README.md"), "no SQL");
    assertSame(await migrate(client, folder, seedFolder), ["1_a", "2_b"], "first run");
    await client.execute("DELETE FROM c");
    writeFileSync(path.join(seedFolder, "3_c.sql"), "INSERT INTO c VALUES (3);");
    assertSame(await migrate(client, folder, seedFolder), ["3_c"], "second run");
    assertSame(await count("c"), 1, "rows");
  });
  await check("migrations: those that `valetkey db apply` ran are not run again", async () => {
    add("4_fourth", "CREATE TABLE d (x);");
    await client.execute("CREATE TABLE _valetkey_migrations (name TEXT PRIMARY KEY, checksum TEXT NOT NULL, applied_at TEXT NOT NULL)");
    await client.execute("INSERT INTO _valetkey_migrations VALUES ('4_fourth', '', '')");
    assertSame(await migrate(client, folder, seeds), [], "nothing ran");
    assertSame(await names(), ["1_first", "2_second", "3_third", "4_fourth"], "ledger");
  });
  client.close();
}
