// The app as its owner runs it, with a folder of its own, and one who asks its API as the page does.
import { spawn } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { App } from "../browser/harness.mjs";
import { portFree, request, sleep } from "../lib/daemon.mjs";
import { template } from "./parts.mjs";

const running = new Set();
const NOT_FOR_AN_APP = /^(CLERK_|NEXT_PUBLIC_|R2_|AWS_|TURSO_|LIBSQL_|DATABASE_URL|STRIPE_|SETTINGS_|VALETKEY_|VERCEL|NETLIFY|NODE_|PORT$)/;

export async function stopApps() {
  for (const app of [...running]) await app.stop();
}

/** `valetkey env --app` gives it what `valetkey run --app` would. */
export class OwnApp extends App {
  /** `wrapper` starts the command, `before` may change the folder. */
  async start({ env = {}, wrapper = [] } = {}) {
    if (!(await portFree(this.port))) throw new Error(`port ${this.port} is taken`);
    this.env = JSON.parse(await this.daemon.mustCli(["env", this.build, "--json", "--app", template]));
    const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !NOT_FOR_AN_APP.test(name)));
    const [command, ...args] = [...wrapper, process.execPath, path.join(template, "node_modules", "next", "dist", "bin", "next"), "start", "-p", String(this.port)];
    this.log = "";
    this.process = spawn(command, args, { cwd: this.folder, env: { ...clean, NEXT_TELEMETRY_DISABLED: "1", ...this.env, ...env }, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    this.exited = new Promise((resolve) => this.process.once("close", () => resolve(true)));
    for (const stream of [this.process.stdout, this.process.stderr]) stream.setEncoding("utf8").on("data", (d) => (this.log += d));
    running.add(this);
    for (let tries = 0; tries < 300; tries++) {
      if (this.process.exitCode !== null) throw new Error(`the app ended (${this.process.exitCode}):\n${this.log}`);
      if (await request(`${this.url}/icon.svg`, { timeout: 2000 }).catch(() => null)) return this;
      await sleep(100);
    }
    throw new Error(`the app did not answer within 30 s:\n${this.log}`);
  }

  async stop() {
    running.delete(this);
    return super.stop();
  }

  get keysFile() {
    return path.join(this.folder, ".env.keys");
  }

  /** null: there is none. */
  keys() {
    return existsSync(this.keysFile) ? { text: readFileSync(this.keysFile, "utf8"), mode: statSync(this.keysFile).mode & 0o777 } : null;
  }

  page() {
    return new Page(this);
  }
}

/** A browser's side of the API: its cookies, its mark against forgery, and the headers that browsers put on. */
export class Page {
  constructor(app, { headers = {} } = {}) {
    Object.assign(this, { app, cookie: undefined, csrf: undefined, headers });
  }

  async ask(method, target, body, { headers = {}, raw } = {}) {
    const all = {
      "sec-fetch-site": "same-origin", origin: this.app.url,
      ...(body !== undefined || raw !== undefined ? { "content-type": "application/json" } : {}),
      ...(this.cookie ? { cookie: this.cookie } : {}), ...(this.csrf ? { "x-settings-csrf": this.csrf } : {}), ...this.headers, ...headers,
    };
    for (const name of Object.keys(all)) if (all[name] === null) delete all[name];
    const answer = await request(this.app.url + target, { method, headers: all, body: raw ?? (body === undefined ? undefined : JSON.stringify(body)), timeout: 60_000 });
    for (const line of [answer.headers["set-cookie"] ?? []].flat()) {
      const [, value] = /^settings=([^;]*)/.exec(line) ?? [];
      if (value !== undefined) {
        this.cookie = value ? `settings=${value}` : undefined;
        this.cookieLine = line;
      }
    }
    return answer;
  }

  async unlock(token = this.app.env.SETTINGS_TOKEN, options) {
    const answer = await this.ask("PUT", "/api/settings/session", token === null ? {} : { token }, options);
    if (answer.status === 200) this.csrf = answer.json().csrf;
    return answer;
  }

  view() {
    return this.ask("GET", "/api/settings/keys");
  }

  save(service, values, more = {}, options) {
    return this.ask("POST", "/api/settings/keys", { service, values, save: true, ...more }, options);
  }
}

/** [status, code] of an answer that is an error. */
export const refusal = (answer) => [answer.status, answer.json().error?.code];
