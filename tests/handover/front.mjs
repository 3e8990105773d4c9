// The vendors' addresses: TLS for their names on port 443, each led to what plays it here. front.mjs SETTINGS, a JSON file:
// { cert, key, log, builds: { "<Clerk secret key>": "<build>" }, database: { token, readers: [] }, restricted: { key, as, refuses: [] } }
import { appendFileSync, readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { APP, HOSTS, OTHER, PORTS, SLUG, VALET } from "./street.mjs";

const settings = JSON.parse(readFileSync(process.argv[2], "utf8"));
const bearer = (req) => /^Bearer (.+)$/.exec(req.headers.authorization ?? "")?.[1];
const answer = (res, status, body) => res.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));

/** Clerk's hosts are one application's each; of its API the key says whose. */
const below = (build) => (req) => (req.url.startsWith(`/b/${build}/`) ? req.url : `/b/${build}${req.url}`);
const byKey = (req) => `/b/${settings.builds[bearer(req)] ?? SLUG}/bapi${req.url}`;

const ROUTES = {
  [HOSTS.clerkApi]: { port: PORTS.vendor + 1, path: byKey },
  [HOSTS.clerk]: { port: PORTS.vendor + 1, path: below(SLUG) },
  [HOSTS.otherClerk]: { port: PORTS.vendor + 1, path: below(OTHER) },
  [HOSTS.stripe]: { port: PORTS.vendor + 4, instead: restricted },
  [HOSTS.checkout]: { port: PORTS.vendor + 4 },
  [HOSTS.database]: { port: PORTS.vendor + 2, instead: scoped },
  [HOSTS.storage]: { port: PORTS.storage },
  [VALET.auth]: { port: PORTS.valet + 1 },
  [VALET.database]: { port: PORTS.valet + 2 },
  [VALET.storage]: { port: PORTS.valet + 3 },
  [VALET.payments]: { port: PORTS.valet + 4 },
  [new URL(APP).hostname]: { port: PORTS.app, headers: { "x-forwarded-proto": "https" } },
};

/** A Stripe key that lacks a permission: what it refuses is refused as Stripe does, the rest is done. */
function restricted(req, res) {
  const { key, as, refuses } = settings.restricted;
  if (bearer(req) !== key) return false;
  if (refuses.includes(`${req.method} ${req.url.split("?")[0]}`)) {
    const message = "The provided key does not have the required permissions for this endpoint on account 'acct_made_up'. Having the 'rak_checkout_session_write' permission would allow this request to continue.";
    answer(res, 403, { error: { type: "invalid_request_error", message } });
    return true;
  }
  req.headers.authorization = `Bearer ${as}`;
  return false;
}

/** Tokens are of one database; some of them only read it: then what writes fails, statement by statement. */
function scoped(req, res) {
  const { token, readers } = settings.database;
  const shown = bearer(req);
  if (shown === token || req.method === "OPTIONS") return false;
  if (!readers.includes(shown)) {
    answer(res, 401, { error: "Unauthorized: `The JWT is invalid for this database`" });
    return true;
  }
  const parts = [];
  req.on("data", (part) => parts.push(part));
  req.on("end", () => {
    const body = Buffer.concat(parts);
    if (!/"sql":\s*"\s*(BEGIN IMMEDIATE|CREATE|INSERT|UPDATE|DELETE|DROP|ALTER)/i.test(body)) {
      req.headers.authorization = `Bearer ${token}`;
      return lead(req, res, ROUTES[HOSTS.database], body);
    }
    const refusal = { type: "error", error: { message: "SQLite error: attempt to write a readonly database", code: "SQLITE_READONLY" } };
    answer(res, 200, { baton: null, base_url: null, results: JSON.parse(body).requests.map(({ type }) => (type === "close" ? { type: "ok", response: { type } } : refusal)) });
  });
  return true;
}

function lead(req, res, route, body) {
  const headers = { ...req.headers, ...route.headers };
  const to = http.request({ host: "127.0.0.1", port: route.port, method: req.method, path: route.path?.(req) ?? req.url, headers, agent: false }, (got) => {
    res.writeHead(got.statusCode, got.headers);
    got.pipe(res);
  });
  to.on("error", () => res.destroy());
  if (body) to.end(body);
  else req.pipe(to);
}

const server = https.createServer({ cert: readFileSync(settings.cert), key: readFileSync(settings.key) }, (req, res) => {
  const host = (req.headers.host ?? "").replace(/:443$/, "");
  const route = Object.hasOwn(ROUTES, host) && ROUTES[host];
  appendFileSync(settings.log, `${JSON.stringify({ host, method: req.method, path: req.url, agent: req.headers["user-agent"] })}\n`);
  if (!route) return answer(res, 421, { error: "nobody here has that name" });
  if (!route.instead?.(req, res)) lead(req, res, route);
});
server.listen(443, "0.0.0.0", () => console.log("ready"));
