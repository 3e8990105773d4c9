// The same app on a host that keeps its files as they are: the page shows what to paste there, and the next deployment runs on it. In the namespace.
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { assert, assertSame, check, finish } from "../lib/tap.mjs";
import { cleanUp } from "../lib/daemon.mjs";
import { APP, HOSTS, PORTS } from "./street.mjs";
import { KeysPage } from "./keys.mjs";
import { file, look, uploadAndDownload, writeNote } from "./use.mjs";
import { World } from "./world.mjs";

const world = await World.make({ cert: process.env.HANDOVER_CERT, key: process.env.HANDOVER_KEY });
process.env.CHROMIUM = world.browser();
const { App, Browser, stopAll } = await import("../browser/harness.mjs");
const { anybody, signUp } = await import("../browser/people.mjs");

process.env.VERCEL = "1"; // as that host tells its apps
const app = new App(world.valet, "shop", PORTS.app);
app.url = APP;
const env = await world.environment("shop", app.folder);
await app.start();
const browser = await Browser.open();
const { page } = browser;
page.setDefaultTimeout(60_000); // whoever else uses the machine
const settings = new KeysPage(browser);
const blocks = [];

await check("hosted: the page opens by the setup token", async () => {
  await settings.open();
  await settings.unlock(env.SETTINGS_TOKEN);
  await settings.unlocked();
});
for (const service of ["database", "storage"])
  await check(`hosted: the owner's keys of ${service} are right, and the page says what to paste and that it takes a new build`, async () => {
    const { status, answer } = await settings.send(service, world.own[service]);
    assertSame([status, answer.saved, answer.report.valid, answer.rebuild], [200, false, true, true], JSON.stringify(answer.report));
    const shown = settings.card(service).getByTestId("paste-block");
    const block = await shown.getByRole("textbox").inputValue();
    for (const [name, value] of Object.entries(world.own[service])) assert(block.split("\n").includes(`${name}=${value}`), `${name} is not there as it is`);
    await shown.getByText("deploy again, with a new build").waitFor();
    blocks.push(block);
  });
await check("hosted: nothing is written, and the app runs on what it has", async () => {
  assertSame(existsSync(path.join(app.folder, ".env.keys")), false, "a file");
  assertSame([...new Set(Object.values(await look(browser)))], ["build keys"], "badges");
});
await check("hosted: with that in its environment the app runs on the owner's keys, and on the build's for the rest", async () => {
  await page.goto("about:blank");
  assertSame(await app.stop(), true, "the former deployment ended");
  writeFileSync(path.join(app.folder, "pasted"), blocks.join(""), { mode: 0o600 });
  app.command = [...app.command.slice(0, app.command.indexOf("--") + 1), "sh", "-c", `set -a; . ./pasted; set +a; exec npm start -- -p ${PORTS.app}`];
  await app.start();
  assertSame(await look(browser), { database: "your keys", auth: "build keys", storage: "your keys", payments: "build keys" }, "badges");
  await signUp(browser, app, anybody("hosted"));
  await writeNote(browser, "Written from a host");
  assertSame(await uploadAndDownload(browser, file("hosted.txt")), HOSTS.storage, "where it lies");
});
await check("hosted: no error in the browser's console", () => assertSame(browser.problems, [], "problems"));

await app.stop();
await stopAll();
await world.stop();
await cleanUp();
finish();
