// What keys say about themselves, without anybody being asked. The variables of key-rules.json that are not values somebody typed.
import type { ServiceId } from "./key-types";
import type { Vars } from "./key-vars";

const HOST = "[A-Za-z0-9._-]+";
const PORT = "(?::([0-9]{1,5}))?";
const LIBSQL = new RegExp(`^(?:libsql|wss|https)://(${HOST})${PORT}((?:/[A-Za-z0-9._~/-]*)?)$`);
const POSTGRES = new RegExp(`^postgres(?:ql)?://(?:([^/?#]*)@)?(${HOST})${PORT}/([^/?#]+)(?:[?][^#]*)?$`);
const S3 = new RegExp(`^https://(${HOST})${PORT}((?:/[A-Za-z0-9._~/-]*)?)$`);
const R2 = "r2.cloudflarestorage.com";
/** Of a Stripe key behind its mode, when it is long enough to be one that begins with the account. */
const ACCOUNT = /^[a-z]{2}_(?:test|live)_5([0-9A-Za-z]{16})[0-9A-Za-z]{43,}$/;
const LAST_SECOND = 253_402_300_799; // of the year 9999

export function setFacts(service: ServiceId, vars: Vars, now: Date, probe: string): void {
  vars.set("probe", probe);
  if (service === "clerk") setPair(vars, vars.get("NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY"), vars.get("CLERK_SECRET_KEY"));
  if (service === "stripe") setPair(vars, vars.get("NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY"), vars.get("STRIPE_SECRET_KEY"));
  if (service === "clerk") {
    vars.set("pk_host", publishableHost(vars.get("NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY")), "origin");
    vars.set("instance_type", { test: "development", live: "production" }[vars.get("sk_mode")] ?? "");
  }
  if (service === "stripe") {
    vars.set("pk_account", ACCOUNT.exec(vars.get("NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY"))?.[1] ?? "");
    vars.set("sk_account", ACCOUNT.exec(vars.get("STRIPE_SECRET_KEY"))?.[1] ?? "");
    vars.set("livemode", { test: "false", live: "true" }[vars.get("sk_mode")] ?? "");
  }
  if (service === "database") setDatabase(vars, now);
  if (service === "storage") setStorage(vars, probe);
}

function setPair(vars: Vars, publishable: string, secret: string): void {
  const pk = modeOf(publishable);
  const sk = modeOf(secret);
  vars.set("pk_mode", pk);
  vars.set("sk_mode", sk);
  vars.set("mode", pk === "" || pk === sk ? sk : "");
}

function modeOf(key: string): string {
  return /^(?:pk|sk|rk)_(test|live)_/.exec(key)?.[1] ?? "";
}

/** The host in a publishable key of Clerk; empty when it is none. Unlike what the SDK takes, no port and no path: it is called. */
function publishableHost(key: string): string {
  const match = /^pk_(?:test|live)_([A-Za-z0-9+/]+)={0,2}$/.exec(key);
  const text = match ? Buffer.from(match[1]!, "base64").toString("latin1") : "";
  return /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+\$$/.test(text) ? text.slice(0, -1).toLowerCase() : "";
}

function setDatabase(vars: Vars, now: Date): void {
  const url = vars.get("TURSO_DATABASE_URL");
  const libsql = LIBSQL.exec(url);
  const postgres = POSTGRES.exec(url);
  vars.set("db_kind", libsql ? "libsql" : postgres ? "postgres" : "");
  if (libsql) {
    const host = libsql[1]!.toLowerCase();
    vars.set("db_host", host);
    vars.set("db_http", originOf(host, libsql[2], libsql[3]!), "origin");
  }
  if (postgres) {
    vars.set("pg_host", postgres[2]!.toLowerCase(), "origin");
    vars.set("pg_port", postgres[3] ?? "5432");
    vars.set("pg_db", postgres[4]!);
    vars.set("pg_login", postgres[1] ?? "", "secret");
  }
  const claims = claimsOf(vars.get("TURSO_AUTH_TOKEN"));
  if (!claims) return;
  const { exp, a, p } = claims;
  if (typeof exp === "number" && Number.isInteger(exp) && exp >= 0 && exp <= LAST_SECOND) {
    vars.set("jwt_exp", new Date(exp * 1000).toISOString().slice(0, 10));
    vars.set("jwt_expired", exp * 1000 <= now.getTime() ? "yes" : "no");
  }
  if (typeof p === "object" && p !== null && !Array.isArray(p)) vars.set("jwt_access", ["rw", "rwa", "ddl"].some((name) => name in p) ? "rw" : "ro");
  else if (a === "ro" || a === "rw") vars.set("jwt_access", a);
}

function claimsOf(token: string): Record<string, unknown> | undefined {
  const match = /^[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+$/.exec(token);
  if (!match) return undefined;
  try {
    const claims: unknown = JSON.parse(Buffer.from(match[1]!, "base64url").toString("utf8"));
    return typeof claims === "object" && claims !== null && !Array.isArray(claims) ? (claims as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function setStorage(vars: Vars, probe: string): void {
  const account = vars.get("R2_ACCOUNT_ID");
  const typed = S3.exec(vars.get("R2_ENDPOINT"));
  const host = typed ? typed[1]!.toLowerCase() : vars.get("R2_ENDPOINT") === "" && /^[0-9a-f]{32}$/.test(account) ? `${account}.${R2}` : "";
  vars.set("canary", `${vars.get("R2_PREFIX")}.valetkey-probe/${probe}`, "path");
  vars.set("s3_region", vars.get("AWS_REGION") || "auto");
  if (host === "") return;
  vars.set("s3_host", host);
  vars.set("s3_endpoint", typed ? originOf(host, typed[2], typed[3]!) : `https://${host}`, "origin");
  vars.set("s3_vendor", host.endsWith(`.${R2}`) ? "r2" : host.endsWith(".amazonaws.com") ? "aws" : "other");
  if (typed) vars.set("s3_host_account", /^([0-9a-f]{32})\.(?:(?:eu|fedramp)\.)?r2\.cloudflarestorage\.com$/.exec(host)?.[1] ?? "");
  const region = /^s3[.-]([a-z0-9-]+)\.amazonaws\.com$/.exec(host)?.[1];
  vars.set("s3_host_region", region ?? (host === "s3.amazonaws.com" ? "us-east-1" : ""));
}

/** Without the port that is understood, and without slashes at the end. */
function originOf(host: string, port: string | undefined, path: string): string {
  return `https://${host}${port === undefined || Number(port) === 443 ? "" : `:${port}`}${path.replace(/\/+$/, "")}`;
}
