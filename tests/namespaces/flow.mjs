import { spawn } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { assert, assertSame, check, note } from "../lib/tap.mjs";
import { Daemon, binary, root, run, sleep, tempFolder } from "../lib/daemon.mjs";
import { Authority } from "../tls/certs.mjs";

const AUTH = "https://vk.test:4501";
const DB = "https://vk.test:4502";
const STORAGE = "https://vk.test:4503";
const PAYMENTS = "https://vk.test:4504";
const PAGES = "https://pay.vk.test:4504"; // of payments, as browsers reach them
const PREVIEW = "https://preview.vk.test:8443";

export async function flow(network) {
  const inside = (space, command, args, options) => run(network.enter(space)[0], [...network.enter(space).slice(1), command, ...args], options);
  const dir = tempFolder("valetkey-names");
  const authority = await Authority.make(dir);
  const preview = await authority.issue("preview", { names: "DNS:preview.vk.test" });

  // The browser lives in its namespace, and trusts the certificates of the preview and of the daemon by their keys, and nothing else.
  const spki = (file) => createHash("sha256").update(new X509Certificate(readFileSync(file)).publicKey.export({ type: "spki", format: "der" })).digest("base64");
  const real = process.env.CHROMIUM ?? (await run("sh", ["-c", "command -v chromium || command -v chromium-browser || command -v google-chrome"])).stdout.trim();
  if (!real) throw new Error("there is no Chromium in PATH: install it (tools/install test), or set CHROMIUM to one");
  const wrapper = path.join(dir, "chromium");
  const trust = (...certs) => {
    writeFileSync(wrapper, `#!/bin/sh\nexec ${network.enter("browser").join(" ")} ${real} --ignore-certificate-errors-spki-list=${certs.map(spki).join(",")} "$@"\n`);
    chmodSync(wrapper, 0o755);
  };
  process.env.CHROMIUM = wrapper;
  const { App, Browser, prepare, stopAll } = await import("../browser/harness.mjs");
  const { account, anybody, signUp } = await import("../browser/people.mjs");
  await check("the template is installed and built", () => prepare(note));

  const daemon = new Daemon({
    portBase: 4500, tls: true, wrapper: network.enter("daemon"),
    env: { SSL_CERT_FILE: authority.cert }, // what the preview's certificate is from
    args: ["--egress-allow", `${network.address("app")}/32`, "--egress-ports", "8443", "--listen", `${network.address("daemon")} tls`, "--tls-self-signed", ...["--url-sandbox", "--url-browser"].flatMap((flag) => [flag, `auth=${AUTH}`, flag, `database=${DB}`, flag, `storage=${STORAGE}`, flag, `payments=${flag === "--url-browser" ? PAGES : PAYMENTS}`])],
  });
  const proxies = [];
  try {
    await daemon.start();
    await check("the daemon is on its own address, with TLS on every listener", async () => {
      assert(daemon.ready.includes(`console https://${network.address("daemon")}:4500, auth https://${network.address("daemon")}:4501, database https://${network.address("daemon")}:4502, storage https://${network.address("daemon")}:4503, payments https://${network.address("daemon")}:4504`), daemon.ready);
      const doctor = await inside("daemon", binary, ["doctor", "--json", "--data", daemon.data]);
      const checks = JSON.parse(doctor.stdout).checks;
      assertSame([doctor.code, checks.filter((c) => /^port|certificate/.test(c.check)).map((c) => c.result)], [0, ["ok", "ok", "ok", "ok", "ok", "ok"]], doctor.stdout);
    });
    const { env } = await daemon.createBuild("board", ["--origin", PREVIEW]);
    await check("the environment names the daemon's addresses and what to trust", () => {
      assertSame([env.CLERK_API_URL, env.TURSO_DATABASE_URL, env.R2_ENDPOINT, env.STRIPE_API_BASE, env.NODE_EXTRA_CA_CERTS], [`${AUTH}/b/board/bapi`, DB, STORAGE, PAYMENTS, path.join(daemon.data, "tls/cert.pem")]);
    });
    trust(preview.cert, path.join(daemon.data, "tls/cert.pem"));

    // `valetkey run` in the app's namespace: it asks the daemon by the socket in the data folder, the app by the network.
    class Inside extends App {
      async start() {
        const [command, ...args] = [...network.enter("app"), binary, "run", this.build, "--app", this.folder, "--data", this.daemon.data, "--", "npm", "start", "--", "-p", String(this.port)];
        const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(CLERK_|NEXT_PUBLIC_|TURSO_|LIBSQL_|DATABASE_URL|VALETKEY_|NODE_|PORT$)/.test(name)));
        this.process = spawn(command, args, { cwd: this.folder, env: clean, detached: true, stdio: ["ignore", "pipe", "pipe"] });
        proxies.push(this.process);
        for (const s of [this.process.stdout, this.process.stderr]) s.setEncoding("utf8").on("data", (d) => (this.log += d));
        for (let i = 0; i < 150; i++) {
          if (this.process.exitCode !== null) throw new Error(`the app ended (${this.process.exitCode}):\n${this.log}`);
          if ((await inside("app", "curl", ["-s", "-o", "/dev/null", `http://127.0.0.1:${this.port}/icon.svg`])).code === 0) return this;
          await sleep(200);
        }
        throw new Error(`the app did not answer within 30 s:\n${this.log}`);
      }
    }
    const app = await new Inside(daemon, "board", 3000).start();
    const [command, ...args] = [...network.enter("app"), process.execPath, path.join(root, "tests/namespaces/preview.mjs"), preview.cert, preview.key, network.address("app"), "8443", "3000"];
    const proxy = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"], detached: true });
    proxies.push(proxy);
    await new Promise((resolve, reject) => (proxy.stdout.once("data", resolve), proxy.once("close", () => reject(new Error("the preview's proxy ended")))));

    await check("nobody reaches another's loopback, and nobody without the certificate's trust gets in", async () => {
      assertSame((await inside("app", "curl", ["-s", "http://127.0.0.1:4502/health"])).code, 7, "the daemon on the app's loopback");
      assertSame((await inside("browser", "curl", ["-s", `${DB}/health`])).code, 60, "without trust");
      assertSame((await inside("browser", "curl", ["-s", "--cacert", path.join(daemon.data, "tls/cert.pem"), `${DB}/health`])).stdout, "ok", "with it");
      assertSame((await inside("browser", "curl", ["-s", "-o", "/dev/null", "-w", "%{http_code}", `http://vk.test:4502/health`])).stdout, "400", "in plain");
      assertSame((await inside("browser", "curl", ["-s", "-o", "/dev/null", "-w", "%{http_code}", "-k", `https://${network.address("daemon")}:4502/health`])).stdout, "200", "by its address");
      assertSame((await inside("browser", "curl", ["-s", "-o", "/dev/null", "-w", "%{http_code}", "-k", "-H", "Host: elsewhere.test", `${DB}/health`])).stdout, "421", "by another's name");
    });

    const changes = network.watch("browser");
    const browser = await Browser.open();
    const { page } = browser;
    page.setDefaultTimeout(60_000); // whoever else uses the machine
    await check("the page comes by https from the preview's name, and shows that every service answers", async () => {
      await page.goto(PREVIEW);
      await page.getByRole("heading", { level: 1, name: "Your app is running" }).waitFor();
      for (const service of ["database", "auth", "storage", "payments"]) await page.getByTestId(`${service}-health`).filter({ hasText: /answers in/ }).waitFor();
      assertSame(await page.evaluate(() => [location.origin, isSecureContext]), [PREVIEW, true]);
    });
    const text = "Written from another network";
    await check("a note is written in the browser", async () => {
      await page.getByRole("textbox", { name: "New note" }).fill(text);
      await page.getByRole("button", { name: "Write a note", exact: true }).click();
      await page.getByRole("log").getByText("note #1 written (201)", { exact: true }).first().waitFor();
    });
    await check("a reload shows it: it came from the database", async () => {
      await page.goto(PREVIEW);
      await page.getByText(text).first().waitFor();
      assertSame([browser.problems, browser.foreign.filter((url) => ![PREVIEW, AUTH].some((at) => url.startsWith(`${at}/`)))], [[], []], "problems and foreign requests");
    });
    await check("somebody signs up by https, uploads a file straight to the storage, and is still there after a reload", async () => {
      await signUp(browser, { url: PREVIEW }, anybody("board"), "/files");
      await page.getByTestId("file").setInputFiles({ name: "far.txt", mimeType: "text/plain", buffer: Buffer.from("From another network.\n") });
      await page.getByRole("button", { name: "Upload", exact: true }).click();
      await page.getByRole("log").getByText("uploaded far.txt (200)", { exact: true }).waitFor();
      await page.reload();
      await account(browser, "in");
      await page.getByText("far.txt").waitFor();
      assertSame([browser.problems, browser.foreign.filter((url) => ![PREVIEW, AUTH, STORAGE].some((at) => url.startsWith(`${at}/`)))], [[], []], "problems and foreign requests");
    });
    await check("somebody buys: pays on the page at the browser's address of payments, and the app hears it by a webhook from the daemon's network", async () => {
      await page.goto(PREVIEW);
      await page.getByRole("button", { name: "Buy Day ticket", exact: true }).click();
      await page.waitForURL((url) => url.origin === PAGES && url.pathname.startsWith("/b/board/c/pay/cs_test_"));
      assertSame(await page.evaluate(() => isSecureContext), true);
      const card = { email: "buyer@example.com", cardNumber: "4242424242424242", cardExpiry: "12 / 34", cardCvc: "123", billingName: "Ada Buyer" };
      for (const [id, value] of Object.entries(card)) await page.locator(`#${id}`).fill(value);
      await page.getByTestId("hosted-payment-submit-button").click();
      await page.waitForURL(`${PREVIEW}/?checkout=success&session_id=cs_test_**`);
      await page.locator('[data-testid="checkout-return"][data-state="paid"]').getByText("Day ticket, €12.00: it is paid, and yours.").waitFor();
      const told = await inside("daemon", binary, ["payments", "events", "board", "--type", "checkout.session.completed", "--json", "--data", daemon.data]);
      const [{ deliveries }] = JSON.parse(told.stdout).events;
      assertSame(deliveries.map((d) => [d.endpoint, d.state, d.tries, d.status]), [["default", "delivered", 1, 200]], told.stdout);
      assertSame([browser.problems, browser.foreign.filter((url) => ![PREVIEW, AUTH, STORAGE, PAGES].some((at) => url.startsWith(`${at}/`)))], [[], []], "problems and foreign requests");
    });
    await check("the row is in the build's file; db shell reads it over TLS", async () => {
      const shell = await inside("daemon", binary, ["db", "shell", "board", "--data", daemon.data], { input: 'SELECT body FROM "Note";\n' });
      assert(shell.code === 0 && shell.stdout.includes(text), `${shell.code} ${shell.stdout} ${shell.stderr}`);
      const out = path.join(dir, "board.db");
      await daemon.mustCli(["db", "download", "board", "--out", out]);
      assertSame((await run("sqlite3", [out, 'SELECT body FROM "Note"'])).stdout, `${text}\n`);
    });
    await check("meanwhile nothing changed in the browser's network", () => assertSame(changes.said(), "", "links and addresses"));
    await check("no answer and no page held the key", async () => {
      const all = (await Promise.all(browser.texts)).join("\n") + app.log;
      for (const name of ["TURSO_AUTH_TOKEN", "CLERK_SECRET_KEY", "R2_SECRET_ACCESS_KEY", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"]) assert(env[name] && !all.includes(env[name]), `${name} was seen`);
    });
  } finally {
    await stopAll();
    for (const p of proxies) {
      try {
        process.kill(-p.pid, "SIGKILL");
      } catch {
        // It has ended.
      }
    }
    await daemon.stop();
  }
}
