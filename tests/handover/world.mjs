// What is in the suite's namespace: the builder's daemon, the vendors with the accounts of an owner and of somebody else, and the app.
import { spawn, spawnSync } from "node:child_process";
import { createHash, randomBytes, X509Certificate } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Daemon, root, tempFolder } from "../lib/daemon.mjs";
import { vendorBinary } from "../lib/vendor_build.mjs";
import { ACCOUNT, APP, BUCKET, HOSTS, ORG, OTHER, PORTS, SLUG, VALET } from "./street.mjs";

const children = new Set();
process.on("exit", () => children.forEach((child) => child.kill("SIGKILL")));

/** A program of this folder that says "ready" once it is. */
function helper(file, settings) {
  const child = spawn(process.execPath, [path.join(import.meta.dirname, file), settings], { stdio: ["ignore", "pipe", "inherit"] });
  children.add(child);
  child.once("close", () => children.delete(child));
  return new Promise((resolve, reject) => (child.stdout.once("data", () => resolve(child)), child.once("close", (code) => reject(new Error(`${file} ended (${code})`)))));
}

const hex = (bytes) => randomBytes(bytes).toString("hex");
const characters = (n) => [...randomBytes(n)].map((b) => "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[b % 62]).join("");
const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** The keys that the owner copies from the vendors' dashboards, as the settings page names them. */
function keysOf(env, r2) {
  return {
    clerk: { NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY: env.NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY, CLERK_SECRET_KEY: env.CLERK_SECRET_KEY },
    database: { TURSO_DATABASE_URL: `libsql://${HOSTS.database}`, TURSO_AUTH_TOKEN: env.TURSO_AUTH_TOKEN },
    storage: { R2_ACCOUNT_ID: ACCOUNT, R2_BUCKET: BUCKET, R2_ACCESS_KEY_ID: r2.id, R2_SECRET_ACCESS_KEY: r2.secret },
    stripe: { NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY: env.NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY, STRIPE_SECRET_KEY: env.STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRET: env.STRIPE_WEBHOOK_SECRET },
  };
}

export class World {
  /** `certificate`: { cert, key } for all names. */
  static async make(certificate) {
    const w = new World();
    w.dir = tempFolder("valetkey-handover");
    w.certificate = certificate;
    const both = (service, url) => ["--url-sandbox", `${service}=${url}`, "--url-browser", `${service}=${url}`];
    w.valet = new Daemon({ portBase: PORTS.valet, args: Object.entries(VALET).flatMap(([service, host]) => ["--url-browser", `${service}=https://${host}`]) });
    w.vendor = new Daemon({
      portBase: PORTS.vendor, program: vendorBinary,
      args: ["--vendor-role", "--hosts", [...Object.values(HOSTS)].join(","), "--url-sandbox", `auth=https://${HOSTS.clerkApi}`, "--url-browser", `auth=https://${HOSTS.clerk}`,
        ...both("database", `libsql://${HOSTS.database}`), "--url-sandbox", `payments=https://${HOSTS.stripe}`, "--url-browser", `payments=https://${HOSTS.checkout}`],
    });
    await Promise.all([w.valet.start(), w.vendor.start()]);
    w.build = await w.valet.createBuild("shop", ["--framework", "next", "--origin", APP]);
    w.neighbour = await w.valet.createBuild("neighbour", ["--framework", "next", "--origin", APP]);
    const make = async (slug, origin) => (await w.vendor.createBuild(slug, ["--framework", "next", "--origin", origin])).env;
    const [own, other, org] = [await make(SLUG, APP), await make(OTHER, "https://elsewhere.test"), await make(ORG, "https://builder.test")];
    const pair = () => ({ id: hex(16), secret: hex(32) });
    w.reader = pair(); // a key of the bucket that may only read
    w.own = keysOf(own, pair());
    w.other = keysOf(other, pair());
    w.org = keysOf(org, pair());
    w.readTokens = [{ a: "ro", iat: 1764547200 }, { iat: 1764547200 }].map((claims) => `${encode({ alg: "EdDSA", typ: "JWT" })}.${encode(claims)}.${characters(86)}`);
    w.restrictedKey = own.STRIPE_SECRET_KEY.slice(0, 25).replace("sk_", "rk_") + characters(82);
    await Promise.all([w.startStorage(), w.startFront({ own, other, org })]);
    return w;
  }

  async startStorage() {
    const own = { id: this.own.storage.R2_ACCESS_KEY_ID, secret: this.own.storage.R2_SECRET_ACCESS_KEY };
    const [folder, settings] = [path.join(this.dir, "r2"), path.join(this.dir, "r2.json")];
    mkdirSync(folder);
    this.storageFolder = path.join(folder, BUCKET);
    writeFileSync(settings, JSON.stringify({ folder, bucket: BUCKET, port: PORTS.storage, origin: APP, keys: { [own.id]: { secret: own.secret }, [this.reader.id]: { secret: this.reader.secret, readOnly: true } } }), { mode: 0o600 });
    await helper("r2.mjs", settings);
  }

  async startFront({ own, other, org }) {
    const settings = path.join(this.dir, "front.json");
    this.asked = path.join(this.dir, "asked.log");
    writeFileSync(this.asked, "");
    writeFileSync(settings, JSON.stringify({
      ...this.certificate, log: this.asked,
      builds: { [own.CLERK_SECRET_KEY]: SLUG, [other.CLERK_SECRET_KEY]: OTHER, [org.CLERK_SECRET_KEY]: ORG },
      database: { token: own.TURSO_AUTH_TOKEN, readers: this.readTokens },
      restricted: { key: this.restrictedKey, as: own.STRIPE_SECRET_KEY, refuses: ["POST /v1/checkout/sessions"] },
    }), { mode: 0o600 });
    await helper("front.mjs", settings);
  }

  /** The environment of a build, as its app gets it. */
  async environment(build, folder) {
    const text = await this.valet.mustCli(["env", build, "--app", folder]);
    return Object.fromEntries(text.split("\n").filter((line) => /^[A-Z]/.test(line)).map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
  }

  /** [{ host, method, path }] of what came to the front since `from`, a number of such. */
  came(from = 0) {
    return readFileSync(this.asked, "utf8").split("\n").filter(Boolean).slice(from).map((line) => JSON.parse(line));
  }

  async stop() {
    await Promise.all([this.valet.stop(), this.vendor.stop()]);
    for (const child of children) child.kill();
  }

  /** A program that starts Chromium so that it trusts the names' certificate by its key, and nothing else. */
  browser() {
    const real = process.env.CHROMIUM ?? spawnSync("sh", ["-c", "command -v chromium || command -v chromium-browser || command -v google-chrome"], { encoding: "utf8" }).stdout.trim();
    if (!real) throw new Error("there is no Chromium in PATH: install it (tools/install test), or set CHROMIUM to one");
    const key = new X509Certificate(readFileSync(this.certificate.cert)).publicKey.export({ type: "spki", format: "der" });
    const wrapper = path.join(this.dir, "chromium");
    writeFileSync(wrapper, `#!/bin/sh\nexec ${real} --ignore-certificate-errors-spki-list=${createHash("sha256").update(key).digest("base64")} "$@"\n`);
    chmodSync(wrapper, 0o755);
    return wrapper;
  }
}
