// The vendors, played: one TLS server for all their names. It knows what the template asks of them, and remembers who asked what.
import { spawnSync } from "node:child_process";
import { createSign, generateKeyPairSync, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import https from "node:https";
import path from "node:path";
import { request, tempFolder } from "../lib/daemon.mjs";

export const CLERK_HOST = "clerk.own-shop.example";
const DATABASE_HOST = "own-shop.turso.example";
const NAMES = ["api.clerk.com", CLERK_HOST, "api.stripe.com", DATABASE_HOST, "api.vercel.com"];

const hex = (n) => randomBytes(n).toString("hex");
const alnum = (n) => randomBytes(2 * n).toString("base64").replace(/[^A-Za-z0-9]/g, "").slice(0, n);

export class Vendors {
  /** `database`: { url, token } of what plays the owner's own database. */
  constructor(database) {
    const account = alnum(16);
    const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    Object.assign(this, { database, calls: [], webhooks: [], variables: [], privateKey, jwk: { ...publicKey.export({ format: "jwk" }), kid: `ins_${alnum(27)}`, use: "sig", alg: "RS256" } });
    this.clerk = { NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY: `pk_live_${Buffer.from(`${CLERK_HOST}$`).toString("base64")}`, CLERK_SECRET_KEY: `sk_live_${alnum(42)}` };
    this.turso = { TURSO_DATABASE_URL: `libsql://${DATABASE_HOST}`, TURSO_AUTH_TOKEN: `own.${hex(40)}.own` };
    this.stripe = { NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY: `pk_live_5${account}${alnum(82)}`, STRIPE_SECRET_KEY: `sk_live_5${account}${alnum(82)}` };
    this.vercelToken = `vercel_${alnum(24)}`;
    this.webhookSecret = `whsec_${alnum(32)}`;
  }

  async start() {
    const folder = tempFolder("valetkey-vendors");
    this.ca = path.join(folder, "ca.pem");
    const made = spawnSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=vendors of a test",
      "-addext", `subjectAltName=${NAMES.map((name) => `DNS:${name}`).join(",")}`, "-keyout", path.join(folder, "key.pem"), "-out", this.ca], { encoding: "utf8" });
    if (made.status !== 0) throw new Error(`openssl: ${made.stderr}`);
    this.server = https.createServer({ key: readFileSync(path.join(folder, "key.pem")), cert: readFileSync(this.ca) }, (req, res) => void this.answer(req, res));
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return this;
  }

  /** What the app's process needs so that it finds them. */
  get env() {
    return { NODE_OPTIONS: `--import=${path.join(import.meta.dirname, "divert.mjs")}`, NODE_EXTRA_CA_CERTS: this.ca, VK_TEST_DIVERT: JSON.stringify({ names: NAMES, port: this.server.address().port }) };
  }

  async stop() {
    this.server?.closeAllConnections();
    await new Promise((resolve) => (this.server ? this.server.close(resolve) : resolve()));
  }

  /** A session token of the owner's own sign-in, as its SDK would send it. */
  token(user) {
    const now = Math.floor(Date.now() / 1000);
    const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const text = `${part({ alg: "RS256", typ: "JWT", kid: this.jwk.kid })}.${part({ iss: `https://${CLERK_HOST}`, sub: user, sid: `sess_${user}`, iat: now - 5, nbf: now - 5, exp: now + 3600, v: 2, sts: "active" })}`;
    return `${text}.${createSign("RSA-SHA256").update(text).sign(this.privateKey).toString("base64url")}`;
  }

  async answer(req, res) {
    const chunks = [];
    for await (const chunk of req) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString("utf8");
    const host = req.headers.host;
    const bearer = /^Bearer (.*)$/.exec(req.headers.authorization ?? "")?.[1] ?? Buffer.from(/^Basic (.*)$/.exec(req.headers.authorization ?? "")?.[1] ?? "", "base64").toString().replace(/:$/, "");
    this.calls.push({ host, method: req.method, url: req.url, bearer, body });
    const send = (status, value) => {
      res.writeHead(status, { "content-type": "application/json" });
      res.end(JSON.stringify(value));
    };
    const at = req.url.split("?")[0];
    if (host === DATABASE_HOST) return this.asDatabase(req, res, body, bearer, send);
    if (host === "api.clerk.com") return this.asClerk(at, bearer, send);
    if (host === CLERK_HOST) return at === "/.well-known/jwks.json" ? send(200, { keys: [this.jwk] }) : send(404, {});
    if (host === "api.vercel.com") return this.asVercel(req.method, at, bearer, body, send);
    return this.asStripe(req.method, at, bearer, body, send);
  }

  asClerk(at, bearer, send) {
    if (bearer !== this.clerk.CLERK_SECRET_KEY) return send(401, { errors: [{ code: "clerk_key_invalid", message: "The provided Clerk Secret Key is invalid." }] });
    const answers = {
      "/v1/instance": { object: "instance", id: "ins_1", environment_type: "production", allowed_origins: null },
      "/v1/users/count": { object: "total_count", total_count: 0 },
      "/v1/domains": { data: [{ object: "domain", id: "dmn_1", name: "own-shop.example", is_satellite: false, frontend_api_url: `https://${CLERK_HOST}` }], total_count: 1 },
      "/v1/jwks": { keys: [this.jwk] },
    };
    return answers[at] ? send(200, answers[at]) : send(404, { errors: [{ code: "resource_not_found", message: "not found" }] });
  }

  asStripe(method, at, bearer, body, send) {
    const fail = (status, error) => send(status, { error: { type: "invalid_request_error", ...error } });
    if (bearer !== this.stripe.STRIPE_SECRET_KEY) return fail(401, { message: "Invalid API Key provided" });
    if (at === "/v1/balance") return send(200, { object: "balance", livemode: true, available: [], pending: [] });
    if (at === "/v1/checkout/sessions") return method === "GET" ? send(200, { object: "list", data: [], has_more: false, url: at }) : fail(400, { code: "parameter_missing", param: "mode", message: "Missing required param: mode." });
    if (at === "/v1/webhook_endpoints" && method === "GET") return send(200, { object: "list", data: this.webhooks.map(({ secret, ...one }) => one), has_more: false, url: at });
    if (at === "/v1/webhook_endpoints" && method === "POST") {
      const form = new URLSearchParams(body);
      const made = { id: `we_${alnum(24)}`, object: "webhook_endpoint", url: form.get("url"), status: "enabled", enabled_events: [...form].filter(([name]) => name.startsWith("enabled_events")).map(([, value]) => value), livemode: true, secret: `whsec_${alnum(32)}` };
      this.webhooks.push(made);
      return send(200, made);
    }
    const one = /^\/v1\/webhook_endpoints\/(we_\w+)$/.exec(at)?.[1];
    if (one && method === "DELETE") {
      this.webhooks = this.webhooks.filter(({ id }) => id !== one);
      return send(200, { id: one, object: "webhook_endpoint", deleted: true });
    }
    return fail(404, { code: "resource_missing", message: "No such thing" });
  }

  asVercel(method, at, bearer, body, send) {
    if (bearer !== this.vercelToken) return send(403, { error: { code: "forbidden", message: "Not authorized" } });
    const [, version, id] = /^\/v(9|10)\/projects\/own-shop\/env(?:\/(\w+))?$/.exec(at) ?? [];
    if (!version) return send(404, { error: { code: "not_found", message: "Project not found" } });
    if (method === "POST") for (const { key, ...rest } of JSON.parse(body)) this.variables = [...this.variables.filter((one) => one.key !== key), { ...rest, key, id: `v${hex(8)}` }];
    if (method === "DELETE") this.variables = this.variables.filter((one) => one.id !== id);
    return method === "GET" ? send(200, { envs: this.variables.map(({ value, ...one }) => one) }) : send(200, { created: [], failed: [] });
  }

  /** Another build's database, under a name and a token that are not a build's. */
  async asDatabase(req, res, body, bearer, send) {
    if (bearer !== this.turso.TURSO_AUTH_TOKEN) return send(401, { error: "unauthorized" });
    const answer = await request(this.database.url + req.url, { method: req.method, headers: { "content-type": req.headers["content-type"] ?? "application/json", authorization: `Bearer ${this.database.token}` }, body: body || undefined });
    res.writeHead(answer.status, { "content-type": answer.type ?? "application/json" });
    res.end(answer.raw);
  }
}
