// Everything that can go wrong between a platform and the daemon, with a scripted server in the daemon's place.
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { inspect } from "node:util";
import { portBase, root, sleep, tempFolder } from "../lib/daemon.mjs";
import { assert, assertSame, check } from "../lib/tap.mjs";
import { failureOf, Scripted, send, withEnv } from "./scripted.mjs";

const load = (name) => import(path.join(root, "packages", name, "dist", name, "src", "index.js"));
const { getEnvVarsForBuild, ValetkeyError } = await load("org-keys");
const { provisionDatabase } = await load("database-provisioner");

const TOKEN = "admin-token-for-tests-0123456789";
const ENV = { TURSO_DATABASE_URL: "http://127.0.0.1:1", TURSO_AUTH_TOKEN: "valet-for-tests", OTHER: "x" };
const BUILD = { id: "b1", state: "active", env: ENV };
const LATE_PORT = await portBase();

async function against(answer, use) {
  const server = await new Scripted(answer).start();
  try {
    return await withEnv({ VALETKEY_URL: server.url, VALETKEY_ADMIN_TOKEN: TOKEN }, () => use(server));
  } finally {
    await server.stop();
  }
}

const expectError = (error, want) => {
  assert(error.name === "ValetkeyError" && error instanceof Error, `not a ValetkeyError: ${inspect(error)}`);
  for (const [field, value] of Object.entries(want)) assertSame(error[field], value, field);
  assert(!inspect(error, { depth: 9 }).includes(TOKEN), "the admin token is in the error");
};

// Takes as long as the limit of a call, so it runs beside the others.
const silent = await new Scripted(() => {}).start();
const silence = withEnv({ VALETKEY_URL: silent.url, VALETKEY_ADMIN_TOKEN: TOKEN }, () => failureOf(getEnvVarsForBuild("b1")));
await sleep(50);

await check("a call creates the build: method, path, body, token, idempotency key", () =>
  against((res) => send(res, 201, BUILD), async (server) => {
    assertSame(await getEnvVarsForBuild("b1"), ENV, "result");
    const [{ method, url, headers, body }] = server.asked;
    assertSame([method, url, JSON.parse(body)], ["POST", "/api/v1/builds", { id: "b1" }], "request");
    assertSame([headers.authorization, headers["content-type"]], [`Bearer ${TOKEN}`, "application/json"], "headers");
    assert(/^[0-9a-f-]{36}$/.test(headers["idempotency-key"]), "an idempotency key");
  }));

await check("provisionDatabase gives the address and the token, nothing else", () =>
  against((res) => send(res, 200, BUILD), async () => {
    assertSame(await provisionDatabase("b1"), { url: ENV.TURSO_DATABASE_URL, token: ENV.TURSO_AUTH_TOKEN }, "result");
  }));

await check("a build without a libSQL database is said to have none", () =>
  against((res) => send(res, 200, { ...BUILD, env: { OTHER: "x" } }), async () => {
    expectError(await failureOf(provisionDatabase("b1")), { code: "no_database" });
  }));

await check("503 is tried again, with the same idempotency key and not sooner than Retry-After", () =>
  against((res, n) => (n < 3 ? send(res, 503, { error: { code: "starting", message: "Starting." } }, { "retry-after": "1" }) : send(res, 201, BUILD)), async (server) => {
    const started = Date.now();
    assertSame(await getEnvVarsForBuild("b1"), ENV, "result");
    assertSame(new Set(server.asked.map((r) => r.headers["idempotency-key"])).size, 1, "idempotency keys");
    assert(Date.now() - started >= 1900, "it waited");
  }));

await check("503 for ever ends, with the daemon's own code", () =>
  against((res) => send(res, 503, { error: { code: "busy", message: "All workers are busy." } }), async (server) => {
    expectError(await failureOf(getEnvVarsForBuild("b1")), { code: "busy", status: 503 });
    assertSame(server.asked.length, 6, "attempts");
  }));

await check("a daemon that starts late is found", () =>
  withEnv({ VALETKEY_URL: `http://127.0.0.1:${LATE_PORT}`, VALETKEY_ADMIN_TOKEN: TOKEN }, async () => {
    const call = getEnvVarsForBuild("b1");
    await sleep(500);
    const server = await new Scripted((res) => send(res, 201, BUILD)).start(LATE_PORT);
    try {
      assertSame(await call, ENV, "result");
    } finally {
      await server.stop();
    }
  }));

await check("no daemon: the error says where it was looked for and what to do, and the wait is bounded", () =>
  withEnv({ VALETKEY_URL: `http://127.0.0.1:${LATE_PORT}`, VALETKEY_ADMIN_TOKEN: TOKEN }, async () => {
    const started = Date.now();
    const error = await failureOf(getEnvVarsForBuild("b1"));
    expectError(error, { code: "unreachable", status: 0 });
    assert(error.message.includes(`127.0.0.1:${LATE_PORT}`) && error.hint.includes("valetkey serve"), error.message);
    assert(Date.now() - started < 8000, "bounded");
  }));

for (const [status, code] of [[400, "invalid_id"], [401, "unauthorized"], [403, "forbidden"], [409, "exists"], [422, "invalid"], [429, "limit"], [500, "internal"]]) {
  await check(`${status} is not tried again and comes with code, status and message`, () =>
    against((res) => send(res, status, { error: { code, message: "Not this way." } }), async (server) => {
      const error = await failureOf(getEnvVarsForBuild("b1"));
      expectError(error, { code, status });
      assert(error.message.startsWith("Not this way."), error.message);
      assertSame(server.asked.length, 1, "attempts");
    }));
}

const notOurs = [
  ["a page of another program", 200, "<html>hello</html>"],
  ["a list", 200, []],
  ["no environment", 200, { id: "b1" }],
  ["an empty environment", 200, { id: "b1", env: {} }],
  ["a value that is no text", 200, { id: "b1", env: { A: 1 } }],
  ["an error without a code", 502, "Bad gateway"],
  ["an answer without end", 200, "x".repeat(1024 * 1024 + 1)],
];
for (const [name, status, body] of notOurs) {
  await check(`${name} is not taken for valetkey's answer`, () =>
    against((res) => send(res, status, body), async () => {
      expectError(await failureOf(getEnvVarsForBuild("b1")), { code: "bad_answer", status });
    }));
}

await check("a redirection is not followed, so the token goes nowhere else", async () => {
  const thief = await new Scripted((res) => send(res, 200, BUILD)).start();
  await against((res) => send(res, 307, "", { location: `${thief.url}/api/v1/builds` }), async () => {
    expectError(await failureOf(getEnvVarsForBuild("b1")), { code: "unreachable" });
    assertSame(thief.asked.length, 0, "requests elsewhere");
  });
  await thief.stop();
});

for (const state of ["revoked", "expired", "deleting"]) {
  await check(`a ${state} build is an error, not an environment`, () =>
    against((res) => send(res, 200, { ...BUILD, state }), async () => {
      const error = await failureOf(getEnvVarsForBuild("b1"));
      expectError(error, { code: "build_not_active" });
      assert(error.message.includes(state), error.message);
    }));
}

await check("a build id that is none is refused without a call", () =>
  against((res) => send(res, 201, BUILD), async (server) => {
    for (const id of ["", "A", "a_b", "-a", "a-", "../x", "a".repeat(33), "a/b", "ä", undefined, null, 7, ["a"], { id: "a" }])
      expectError(await failureOf(getEnvVarsForBuild(id)), { code: "invalid" });
    assertSame(server.asked.length, 0, "calls");
  }));

await check("organisation keys that cannot be are refused: no call, and no field of them anywhere", () =>
  against((res) => send(res, 201, BUILD), async (server) => {
    const config = {
      clerk: { publishableKey: "mark-clerk-public", secretKey: "mark-clerk-secret" },
      turso: { orgToken: "mark-turso-token", createDatabaseEndpoint: "mark-turso-endpoint" },
      r2: { accessKeyId: "mark-r2-id", secretAccessKey: "mark-r2-secret", bucket: "mark-r2-bucket", endpoint: "mark-r2-endpoint" },
      stripe: { publishableKey: "mark-stripe-public", secretKey: "mark-stripe-secret" },
    };
    const good = { ...config, turso: { ...config.turso, createDatabaseEndpoint: "https://api.turso.tech/v1/organizations/acme/databases" } };
    const wrong = [config, {}, null, 7, "mark-", { ...good, clerk: undefined }, { ...good, r2: { ...good.r2, bucket: "" } },
      { ...good, stripe: { ...good.stripe, secretKey: "mark-\n" } }, { ...good, clerk: { ...good.clerk, secretKey: "mark-ä" } }];
    for (const given of wrong) {
      const error = await failureOf(getEnvVarsForBuild("b1", given));
      expectError(error, { code: "invalid" });
      assert(!inspect(error, { depth: 9, showHidden: true }).includes("mark-"), "a field of config is in the error");
    }
    assertSame(server.asked.length, 0, "calls");
  }));

const badAddresses = ["nonsense", "ftp://127.0.0.1", "file:///etc/passwd", "http://user:password-mark@127.0.0.1:1", "http://192.0.2.1:4500", "http://valetkey.test:4500"];
for (const url of badAddresses) {
  await check(`VALETKEY_URL=${url.replace(/\/\/.*@/, "//…@")} is refused before anything is sent`, () =>
    withEnv({ VALETKEY_URL: url, VALETKEY_ADMIN_TOKEN: TOKEN }, async () => {
      const error = await failureOf(getEnvVarsForBuild("b1"));
      expectError(error, { code: "invalid" });
      assert(error.message.includes("VALETKEY_URL") && !error.message.includes("password-mark"), error.message);
    }));
}

await check("the token comes from the data folder, named or beside the caller, when none is given", () =>
  against((res) => send(res, 201, BUILD), async (server) => {
    const home = tempFolder();
    const data = path.join(home, ".valetkey");
    mkdirSync(data);
    writeFileSync(path.join(data, "admin.token"), `${TOKEN}\n`);
    await withEnv({ VALETKEY_ADMIN_TOKEN: undefined, VALETKEY_DATA: data }, () => getEnvVarsForBuild("b1"));
    const before = process.cwd();
    process.chdir(home);
    try {
      await withEnv({ VALETKEY_ADMIN_TOKEN: undefined, VALETKEY_DATA: undefined }, () => getEnvVarsForBuild("b1"));
    } finally {
      process.chdir(before);
    }
    assertSame(server.asked.map((r) => r.headers.authorization), [`Bearer ${TOKEN}`, `Bearer ${TOKEN}`], "tokens");
  }));

await check("no token and a token that cannot be one are refused without a call", () =>
  against((res) => send(res, 201, BUILD), async (server) => {
    const data = tempFolder();
    await withEnv({ VALETKEY_ADMIN_TOKEN: undefined, VALETKEY_DATA: data }, async () => {
      const missing = await failureOf(getEnvVarsForBuild("b1"));
      expectError(missing, { code: "no_token" });
      assert(missing.message.includes(path.join(data, "admin.token")), missing.message);
      writeFileSync(path.join(data, "admin.token"), "two words\nand a line");
      expectError(await failureOf(getEnvVarsForBuild("b1")), { code: "no_token" });
    });
    await withEnv({ VALETKEY_ADMIN_TOKEN: "a\r\nx-injected: 1" }, async () => {
      expectError(await failureOf(getEnvVarsForBuild("b1")), { code: "no_token" });
    });
    assertSame(server.asked.length, 0, "calls");
  }));

await check("a daemon that takes the call and never answers is given up", async () => {
  const error = await silence;
  expectError(error, { code: "timeout", status: 0 });
  assertSame(silent.asked.length, 1, "attempts");
  assert(error instanceof ValetkeyError, "class");
});
await silent.stop();
