// The packages against the real daemon.
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
