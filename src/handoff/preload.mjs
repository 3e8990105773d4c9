// Given to Node by `valetkey env --with-preload` and `valetkey run --with-preload` (NODE_OPTIONS=--import=data:...), for apps that name the
// vendors' hosts in their code: what they send to Stripe or R2 with a key of this build goes to the build's own services. A request with
// any other key goes where it was sent. Runs before the app, in each of its processes; docs/SUPPORTED-CALLS.md has what it cannot do.
import http from "node:http";
import https from "node:https";
import { createHash, createHmac } from "node:crypto";
import { syncBuiltinESMExports } from "node:module";

const env = { ...process.env };
const urlOf = (text) => (URL.canParse(text ?? "") ? new URL(text) : undefined);
const payments = urlOf(env.STRIPE_API_BASE);
const storage = /^vk-/.test(env.R2_BUCKET ?? "") ? urlOf(env.R2_ENDPOINT) : undefined;

const STRIPE = /^(api|files|connect|meter-events)\.stripe\.com$/;
const R2 = /^(?:(.+)\.)?[0-9a-z]+(?:\.(?:eu|fedramp))?\.r2\.cloudflarestorage\.com$/;
const SIGNED = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/([^,]+), *SignedHeaders=([^,]+)/;
// The shape of a build's keys; Stripe's own have other lengths.
const VALET = /^[sp]k_test_51[0-9A-Za-z]{36}$/;

// Where a request goes instead, as { at, path, headers }; undefined: where it was going.
function instead(host, method, path, headers) {
  const authorization = headers.get("authorization") ?? "";
  if (payments && STRIPE.test(host)) {
    const [scheme, value = ""] = authorization.split(" ");
    const key = /^basic$/i.test(scheme) ? Buffer.from(value, "base64").toString().split(":")[0] : value;
    if (VALET.test(key)) return { at: payments, path, headers: with_(headers, { host: payments.host }) };
  }
  const r2 = storage && R2.exec(host);
  const [, id, scope, names] = (r2 && SIGNED.exec(authorization)) || [];
  if (id && id === env.R2_ACCESS_KEY_ID) {
    const there = r2[1] ? `/${r2[1]}${path}` : path;
    return { at: storage, path: there, headers: signed(method, there, with_(headers, { host: storage.host }), scope, names) };
  }
  return undefined;
}

function with_(headers, more) {
  const all = new Headers(headers);
  for (const [name, value] of Object.entries(more)) all.set(name, value);
  return all;
}

// The host is part of a signature, so it is made anew: Signature Version 4 over the same headers.
function signed(method, path, headers, scope, names) {
  const [date] = scope.split("/");
  const at = path.indexOf("?");
  const pairs = at < 0 ? [] : path.slice(at + 1).split("&").map((one) => [...one.split("="), ""].slice(0, 2));
  const query = pairs.sort((a, b) => (a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]) ? -1 : 1)).map((pair) => pair.join("=")).join("&");
  const lines = names.split(";").map((name) => `${name}:${(headers.get(name) ?? "").trim().replace(/ +/g, " ")}\n`).join("");
  const asked = [method, at < 0 ? path : path.slice(0, at), query, lines, names, headers.get("x-amz-content-sha256")].join("\n");
  const text = ["AWS4-HMAC-SHA256", headers.get("x-amz-date"), scope, createHash("sha256").update(asked).digest("hex")].join("\n");
  const hmac = (key, data) => createHmac("sha256", key).update(data).digest();
  const key = scope.split("/").slice(1).reduce(hmac, hmac(`AWS4${env.R2_SECRET_ACCESS_KEY}`, date));
  const signature = createHmac("sha256", key).update(text).digest("hex");
  return with_(headers, { authorization: `AWS4-HMAC-SHA256 Credential=${env.R2_ACCESS_KEY_ID}/${scope}, SignedHeaders=${names}, Signature=${signature}` });
}

// Headers as https.request takes them: an object, whose values may be numbers and lists, or a list of names and values.
function headersOf(given) {
  const all = new Headers();
  const pairs = Array.isArray(given) ? given.flatMap((name, i) => (Array.isArray(name) ? [name] : i % 2 ? [] : [[name, given[i + 1]]])) : Object.entries(given ?? {});
  for (const [name, value] of pairs) if (value !== undefined) all.set(name, String(value));
  return all;
}

const real = { http: http.request, https: https.request };

// (url), (url, options), (options), each with or without a callback.
function request(...args) {
  const callback = typeof args.at(-1) === "function" ? args.pop() : undefined;
  const url = typeof args[0] === "string" ? urlOf(args[0]) : args[0] instanceof URL ? args[0] : undefined;
  const options = (url ? args[1] : args[0]) ?? {};
  const host = String(options.hostname ?? options.host ?? url?.hostname ?? "").replace(/:\d+$/, "");
  const path = options.path ?? (url ? url.pathname + url.search : "/");
  const method = (options.method ?? "GET").toUpperCase();
  const to = (STRIPE.test(host) || R2.test(host)) && instead(host, method, path, headersOf(options.headers));
  if (!to) return real.https.call(https, ...args, ...(callback ? [callback] : []));
  const { protocol, hostname, port } = to.at;
  const secure = protocol === "https:";
  const { agent: _, ciphers: __, servername: ___, auth: ____, socketPath: _____, ...rest } = options;
  const there = { ...rest, protocol, host: hostname.replace(/^\[|\]$/g, ""), port: port || (secure ? 443 : 80), path: to.path, method, headers: Object.fromEntries(to.headers) };
  delete there.hostname;
  return (secure ? real.https : real.http).call(secure ? https : http, there, callback);
}

if (payments || storage) {
  https.request = request;
  https.get = (...args) => {
    const made = request(...args);
    made.end();
    return made;
  };
  syncBuiltinESMExports();
  const { fetch } = globalThis;
  globalThis.fetch = async (input, init) => {
    const one = input instanceof Request;
    const url = urlOf(one ? input.url : String(input));
    if (url?.protocol !== "https:" || !(STRIPE.test(url.hostname) || R2.test(url.hostname))) return fetch(input, init);
    const method = (init?.method ?? (one ? input.method : "GET")).toUpperCase();
    const to = instead(url.hostname, method, url.pathname + url.search, new Headers(init?.headers ?? (one ? input.headers : undefined)));
    if (!to) return fetch(input, init);
    const there = to.at.origin + to.path;
    to.headers.delete("host"); // fetch sets it, to the same
    return one ? fetch(new Request(there, new Request(input, init)), { headers: to.headers }) : fetch(there, { ...init, headers: to.headers });
  };
}
