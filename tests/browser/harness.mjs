// What the browser suite needs: the app under `valetkey run` in a folder of its own, and a Chromium that is watched.
import { spawn, spawnSync } from "node:child_process";
import { accessSync, constants, copyFileSync, existsSync, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { makeReady } from "../../tools/template-ready.mjs";
import { binary, portFree, request, root, sleep, tempFolder } from "../lib/daemon.mjs";

export const template = path.join(root, "template");
export const shots = path.join(root, "tests", ".work");
export const chromium = process.env.CHROMIUM ?? onPath("chromium", "chromium-browser", "google-chrome");
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const LOCAL = /^(data|blob|about):|^https?:\/\/(localhost|127\.0\.0\.1)(:|\/)/;
const NOT_FOR_AN_APP = /^(CLERK_|NEXT_PUBLIC_|R2_|AWS_|TURSO_|LIBSQL_|DATABASE_URL|VALETKEY_|NODE_OPTIONS|PORT$)/;
const running = new Set();

export function prepare(say) {
  const here = path.join(root, "tests", "browser");
  if (!existsSync(binary)) throw new Error(`${binary} does not exist: build it, or set VALETKEY_BIN`);
  if (!existsSync(path.join(here, "node_modules", "playwright-core"))) {
    const { status } = spawnSync("npm", ["ci", "--no-audit", "--no-fund"], { cwd: here, stdio: ["ignore", "ignore", "inherit"] });
    if (status !== 0) throw new Error("npm ci failed in tests/browser");
  }
  const scripts = spawnSync(process.execPath, [path.join(root, "tools", "clerk-bundles.mjs")], { stdio: ["ignore", "ignore", "inherit"] });
  if (scripts.status !== 0) throw new Error("Clerk's scripts for browsers could not be fetched (tools/clerk-bundles.mjs)");
  makeReady(template, say);
  mkdirSync(shots, { recursive: true });
}

export async function stopAll() {
  for (const thing of [...running]) await thing.stop();
}

/** One app on one build. Its folder holds the template's files and links to its folders, so that a test's `.env.keys` touches
 * nobody else's app. `more`: variables that it has besides the build's. */
export class App {
  constructor(daemon, build, port, more = {}) {
    Object.assign(this, { daemon, build, port, more, log: "", folder: tempFolder("valetkey-app") });
    this.url = `http://localhost:${port}`;
    this.command = [binary, "run", build, "--app", this.folder, "--data", daemon.data, "--", "npm", "start", "--", "-p", String(port)];
    for (const entry of readdirSync(template, { withFileTypes: true })) {
      const [from, to] = [template, this.folder].map((folder) => path.join(folder, entry.name));
      if (entry.isDirectory()) symlinkSync(from, to);
      else if (!entry.name.startsWith(".env")) copyFileSync(from, to);
    }
  }

  async start() {
    if (!(await portFree(this.port))) throw new Error(`port ${this.port} is taken`);
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !NOT_FOR_AN_APP.test(name)));
    const [program, ...args] = this.command;
    this.process = spawn(program, args,
      { cwd: this.folder, env: { ...env, ...this.more }, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    this.exited = new Promise((resolve) => this.process.once("close", () => resolve(true)));
    for (const stream of [this.process.stdout, this.process.stderr]) stream.setEncoding("utf8").on("data", (d) => (this.log += d));
    running.add(this);
    for (let tries = 0; tries < 300; tries++) {
      if (this.process.exitCode !== null) throw new Error(`the app ended (${this.process.exitCode}):\n${this.log}`);
      const answer = await request(`${this.url}/icon.svg`, { timeout: 2000 }).catch(() => null);
      if (answer) return this;
      await sleep(200);
    }
    throw new Error(`the app did not answer within 60 s:\n${this.log}`);
  }

  async health() {
    return (await request(`${this.url}/api/health`)).json();
  }

  /** Ends the command as a person would; true when nothing of it is left on the port. */
  async stop() {
    running.delete(this);
    this.process.kill("SIGTERM");
    await Promise.race([this.exited, sleep(10_000)]);
    const free = await portFree(this.port);
    try {
      process.kill(-this.process.pid, "SIGKILL");
    } catch {
      // The group is gone already.
    }
    return free;
  }
}

/** A browser with one page. Everything that it asks for, and all text that it gets, is kept. */
export class Browser {
  static async open() {
    const playwright = createRequire(path.join(root, "tests", "browser", "package.json"))("playwright-core");
    const context = await playwright.chromium.launchPersistentContext(tempFolder("valetkey-chromium"), {
      executablePath: chromium, args: FLAGS, viewport: { width: 1280, height: 900 }, colorScheme: "light", locale: "en-GB", timezoneId: "UTC",
    });
    const browser = new Browser();
    Object.assign(browser, { context, foreign: [], problems: [], texts: [], page: context.pages()[0] ?? (await context.newPage()) });
    running.add(browser);
    browser.page.setDefaultTimeout(20_000);
    context.on("request", (r) => LOCAL.test(r.url()) || browser.foreign.push(r.url()));
    context.on("response", (r) => browser.texts.push(textOf(r)));
    browser.page.on("pageerror", (e) => browser.problems.push(e.message));
    browser.page.on("console", (m) => m.type() === "error" && browser.problems.push(`${m.text()} ${m.location().url}`));
    return browser;
  }

  async stop() {
    running.delete(this);
    await this.context.close();
  }

  shot(name, options) {
    return this.page.screenshot({ path: path.join(shots, `template-${name}.png`), animations: "disabled", ...options });
  }
}

function onPath(...names) {
  for (const name of names) {
    for (const folder of (process.env.PATH ?? "").split(":")) {
      const file = path.join(folder, name);
      try {
        accessSync(file, constants.X_OK);
        return file;
      } catch {
        // Not here.
      }
    }
  }
  return undefined;
}

async function textOf(response) {
  if (/image|font/.test(response.headers()["content-type"] ?? "")) return "";
  return `${response.url()}\n${JSON.stringify(response.headers())}\n${await response.text().catch(() => "")}`;
}
