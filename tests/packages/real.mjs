// The packages against the real daemon.
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import path from "node:path";
import { binary, Daemon, int, plain, portBase, root, sleep } from "../lib/daemon.mjs";
import { assert, assertSame, check } from "../lib/tap.mjs";
import { failureOf, withEnv } from "./scripted.mjs";

const load = (name) => import(path.join(root, "packages", name, "dist", name, "src", "index.js"));
const { getEnvVarsForBuild } = await load("org-keys");
const { provisionDatabase } = await load("database-provisioner");
const PORT_BASE = await portBase();

if (await check("the daemon is built", () => assert(existsSync(binary), `${binary} does not exist: build it, or set VALETKEY_BIN`))) {
  const daemon = new Daemon({ portBase: PORT_BASE });
  const settings = { VALETKEY_URL: daemon.adminUrl, VALETKEY_DATA: daemon.data, VALETKEY_ADMIN_TOKEN: undefined };
  await check("the daemon starts", async () => void (await daemon.start()));
  await withEnv(settings, () => checks(daemon));
  await daemon.stop();
}

async function checks(daemon) {
  await check("the environment of a new build is what `valetkey env` prints, and stays the same", async () => {
    const env = await getEnvVarsForBuild("org-one");
    assertSame(env, JSON.parse(await daemon.mustCli(["env", "org-one", "--format", "json"])), "env");
    assertSame(await getEnvVarsForBuild("org-one"), env, "asked again");
  });

  await check("many at once for one new build get the same environment", async () => {
    const all = await Promise.all(Array.from({ length: 12 }, () => getEnvVarsForBuild("org-race")));
    for (const env of all) assertSame(env, all[0], "env");
  });

  await check("the provisioned database stores rows and is not another build's", async () => {
    const [one, two] = [await provisionDatabase("db-one"), await provisionDatabase("db-two")];
    assertSame(one.url, daemon.databaseUrl, "url");
    assert(one.token !== two.token, "two builds have one token");
    await daemon.sql(one.token, "CREATE TABLE t (a)");
    await daemon.sql(one.token, "INSERT INTO t VALUES (?)", [int(41)]);
    const rows = (await daemon.sql(one.token, "SELECT a FROM t")).rows;
    assertSame(plain(rows[0][0]), 41n, "row");
    const error = await failureOf(daemon.sql(two.token, "SELECT a FROM t"));
    assert(/no such table/.test(error.message), error.message);
  });

  await check("an organisation's keys go into the vault once, sealed, and come back nowhere", async () => {
    const letters = (n) => randomBytes(n).toString("hex").slice(0, n);
    const config = {
      clerk: { publishableKey: `pk_test_${Buffer.from("a.clerk.accounts.dev$").toString("base64")}`, secretKey: `sk_test_${letters(42)}` },
      turso: { orgToken: `eyJ${letters(20)}.${letters(40)}.${letters(30)}`, createDatabaseEndpoint: "https://api.turso.tech/v1/organizations/acme/databases" },
      r2: { accessKeyId: letters(32), secretAccessKey: letters(64), bucket: "builds", endpoint: `https://${letters(32)}.r2.cloudflarestorage.com` },
      stripe: { publishableKey: `pk_test_51${letters(40)}`, secretKey: `sk_test_51${letters(40)}` },
    };
    const secrets = [config.clerk.secretKey, config.turso.orgToken, config.r2.secretAccessKey, config.stripe.secretKey];
    const listed = async () => JSON.parse(await daemon.mustCli(["keys", "list", "--json"])).keys;
    const env = await getEnvVarsForBuild("org-keys", config);
    for (const s of secrets) assert(!JSON.stringify(env).includes(s), "a secret is in the environment");
    const first = await listed();
    assertSame(first.map((k) => [k.vendor, k.state, k.build]), ["clerk", "turso", "r2", "stripe"].map((v) => [v, "ready", ""]), "vault");
    for (const s of secrets) assert(!JSON.stringify(first).includes(s), "a secret is listed");
    assertSame(await getEnvVarsForBuild("org-keys", config), env, "asked again");
    assertSame((await listed()).map((k) => k.version), first.map((k) => k.version), "nothing was written again");
    await getEnvVarsForBuild("org-keys", { ...config, stripe: { ...config.stripe, secretKey: `rk_test_51${letters(40)}` } });
    assertSame((await listed()).map((k, i) => k.version > first[i].version), [false, false, false, true], "what is new was written");
    await withEnv({ VALETKEY_FINGERPRINT: `SHA256:${"A".repeat(43)}` }, async () => {
      const error = await failureOf(getEnvVarsForBuild("org-keys", config));
      assertSame(error.code, "forbidden", error.message);
    });
  });

  await check("a wrong admin token is refused with the daemon's own code", () =>
    withEnv({ VALETKEY_ADMIN_TOKEN: "wrong-token-of-some-length" }, async () => {
      const error = await failureOf(getEnvVarsForBuild("org-two"));
      assertSame([error.name, error.status], ["ValetkeyError", 401], "error");
      assert(/^[a-z_]+$/.test(error.code), error.code);
    }));

  await check("a revoked build gives no environment", async () => {
    await getEnvVarsForBuild("org-revoked");
    await daemon.mustCli(["build", "revoke", "org-revoked"]);
    assertSame((await failureOf(getEnvVarsForBuild("org-revoked"))).name, "ValetkeyError", "error");
  });

  await check("a call made while the daemon starts again succeeds", async () => {
    const before = await getEnvVarsForBuild("org-one");
    await daemon.stop();
    const call = getEnvVarsForBuild("org-one");
    await sleep(300);
    await daemon.start();
    assertSame(await call, before, "env");
  });
}
