// What is made at vendors: waited for, told, and what could not be made.
import path from "node:path";
import { root } from "../lib/daemon.mjs";
import { assert, assertSame, check } from "../lib/tap.mjs";
import { failureOf, Scripted, send, withEnv } from "./scripted.mjs";

const load = (name) => import(path.join(root, "packages", name, "dist", name, "src", "index.js"));
const { getEnvVarsForBuild } = await load("org-keys");
const { provisionDatabase } = await load("database-provisioner");

const ENV = { TURSO_DATABASE_URL: "libsql://build-b1-abc2de3f-acme.example.org", TURSO_AUTH_TOKEN: "valet-for-tests" };
const resource = (state, more = {}) => ({ build: "b1", service: "database", vendor: "turso", state, step: "create the database", step_n: 1, steps: 3, why: "", ...more });

async function against(answer, use) {
  const server = await new Scripted(answer).start();
  try {
    return await withEnv({ VALETKEY_URL: server.url, VALETKEY_ADMIN_TOKEN: "admin-token-for-tests-0123456789" }, () => use(server));
  } finally {
    await server.stop();
  }
}

await check("202: waited for, each change told once, and the environment in the end", () => {
  let looks = 0;
  return against((res, n, req) => {
    if (req.method === "POST") return send(res, looks ? 200 : 202, looks ? { id: "b1", state: "active", env: ENV } : { id: "b1", state: "active", new: true, resources: [resource("making")] });
    looks++;
    return send(res, 200, { resources: [resource(looks < 3 ? "making" : "ready")], complete: looks >= 3 });
  }, async (server) => {
    const told = [];
    assertSame(await provisionDatabase("b1", { driver: "turso", delivery: "direct", onProgress: (p) => told.push(p[0].state) }), { url: ENV.TURSO_DATABASE_URL, token: ENV.TURSO_AUTH_TOKEN });
    assertSame(told, ["making", "ready"]);
    assertSame(JSON.parse(server.asked[0].body), { id: "b1", drivers: { database: { driver: "turso", resource: { delivery: "direct" } } } });
    assertSame(server.asked.filter((a) => a.method === "GET").map((a) => a.url), Array(3).fill("/api/v1/builds/b1/resources"));
  });
});

await check("what could not be made is an error that says why", () =>
  against((res) => send(res, 202, { id: "b1", state: "active", new: true, resources: [resource("failed", { why: "The plan allows no more databases." })] }), async () => {
    const error = await failureOf(getEnvVarsForBuild("b1", undefined, { drivers: { database: "turso" } }));
    assertSame([error.name, error.code], ["ValetkeyError", "provision_failed"]);
    assert(/The plan allows no more databases/.test(error.message), error.message);
  }));

await check("waiting can be ended", () =>
  against((res, n, req) => send(res, req.method === "POST" ? 202 : 200, { id: "b1", state: "active", resources: [resource("making")], complete: false }), async () => {
    const stop = new AbortController();
    const error = await failureOf(provisionDatabase("b1", { signal: stop.signal, onProgress: () => stop.abort() }));
    assertSame(error.name, "AbortError");
  }));
