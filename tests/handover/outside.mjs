// The same keys, accounts and programs, where the guard, the names or the authority are not the ones of the street: nothing comes into effect.
// HANDOVER_VERDICT and HANDOVER_SAY: what each service's report then has (a regular expression). In a namespace.
import { existsSync } from "node:fs";
import path from "node:path";
import { assert, assertSame, check, finish } from "../lib/tap.mjs";
import { cleanUp, request } from "../lib/daemon.mjs";
import { PORTS } from "./street.mjs";
import { World } from "./world.mjs";
import { App, stopAll } from "../browser/harness.mjs";

const { HANDOVER_WHERE: where, HANDOVER_VERDICT: verdict, HANDOVER_SAY: say } = process.env;
const world = await World.make({ cert: process.env.HANDOVER_CERT, key: process.env.HANDOVER_KEY });
const app = await new App(world.valet, "shop", PORTS.app).start();
const env = await world.environment("shop", app.folder);

const headers = { "Content-Type": "application/json", Origin: app.url, "Sec-Fetch-Site": "same-origin" };
const opened = await request(`${app.url}/api/settings/session`, { method: "PUT", headers, body: JSON.stringify({ token: env.SETTINGS_TOKEN }) });
const session = { ...headers, Cookie: opened.headers["set-cookie"]?.map((line) => line.split(";")[0]).join("; "), "x-settings-csrf": opened.json().csrf };

for (const [service, values] of Object.entries(world.own))
  await check(`${where}: the owner's keys of ${service} are refused`, async () => {
    const answer = await request(`${app.url}/api/settings/keys`, { method: "POST", headers: session, body: JSON.stringify({ service, values, save: true }), timeout: 60_000 });
    const { report, saved } = answer.json();
    assertSame([answer.status, saved, report.valid, existsSync(path.join(app.folder, ".env.keys"))], [422, false, false, false], JSON.stringify(report));
    assert(report.checks.some((one) => one.call && new RegExp(`^${verdict}$`).test(one.verdict) && new RegExp(say).test(one.say)), JSON.stringify(report.checks));
  });
await check(`${where}: nothing came to a vendor with a key`, () => assertSame(world.came(), [], "requests"));

await app.stop();
await stopAll();
await world.stop();
await cleanUp();
finish();
