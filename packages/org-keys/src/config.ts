// An organisation's keys on their way into the daemon's vault: sealed here to its public key, and sent only when they are others
// than those that are there.
import { createHash, createHmac, randomBytes } from "node:crypto";
import { call } from "../../shared/admin-client.js";
import { ValetkeyError } from "../../shared/errors.js";
import { seal } from "../../shared/sealed-box.js";
import type { Settings } from "../../shared/settings.js";
import type { OrgKeyConfig } from "./types.js";

type Fields = Record<string, string>;
type Vendor = "clerk" | "turso" | "r2" | "s3" | "stripe";

const SECRET = new Set(["secret_key", "token", "secret_access_key"]);
const SHORT = 2048;

/** Puts what is new of `config` into the vault. Nothing of it is in an error. */
export async function putConfig(settings: Settings, config: OrgKeyConfig): Promise<void> {
  const wanted = read(config);
  const salt = randomBytes(16);
  const [listed, marked] = [
    await call(settings, "GET", "/api/v1/keys?build=&limit=1000"),
    await call(settings, "POST", "/api/v1/keys/marks", { salt: salt.toString("hex") }),
  ];
  const marks = new Set(Array.isArray(marked["marks"]) ? (marked["marks"] as unknown[]) : []);
  const differing = [...wanted].filter(([vendor, fields]) => !isThere(listed["keys"], vendor, fields, salt, marks));
  if (differing.length === 0) return;
  const key = await boxKey(settings);
  for (const [vendor, fields] of differing) {
    const entry = JSON.stringify({ vendor, build: "", at: Date.now(), fields });
    const sealed = Buffer.from(seal(key, Buffer.from(entry, "utf8"))).toString("base64");
    await call(settings, "PUT", `/api/v1/keys/${vendor}`, { sealed });
  }
}

/** Whether the vault has exactly these values: the open ones as they are, the secret ones by their marks. */
function isThere(keys: unknown, vendor: Vendor, fields: Fields, salt: Uint8Array, marks: Set<unknown>): boolean {
  const all = Array.isArray(keys) ? (keys as Record<string, unknown>[]) : [];
  const facts = all.find((k) => k["vendor"] === vendor && k["build"] === "" && k["state"] === "ready");
  if (!facts || !Array.isArray(facts["fields"])) return false;
  const open = new Map((facts["fields"] as { name: string; value?: string }[]).map((f) => [f.name, f.value]));
  return Object.entries(fields).every(([name, value]) =>
    SECRET.has(name) ? marks.has(createHmac("sha256", salt).update(value).digest("hex").slice(0, 32)) : open.get(name) === value);
}

async function boxKey(settings: Settings): Promise<Uint8Array> {
  const answer = await call(settings, "GET", "/api/v1/keys/sealing");
  const key = Buffer.from(String(answer["key"]), "base64");
  if (key.length !== 32) throw new ValetkeyError("bad_answer", "valetkey's answer has no key to seal to.", 200, "Check the daemon's version.");
  const fingerprint = `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`;
  const expected = process.env["VALETKEY_FINGERPRINT"];
  if (expected && expected !== fingerprint)
    throw new ValetkeyError("forbidden", `The daemon shows a key with the fingerprint ${fingerprint}, not that of VALETKEY_FINGERPRINT; nothing was sent.`, 0,
      "Compare with `valetkey doctor` on the daemon's machine.");
  return key;
}

/* ---- the config's names, and the vault's */

function read(config: OrgKeyConfig): Map<Vendor, Fields> {
  const given: unknown = config;
  if (typeof given !== "object" || given === null) throw wrong("config");
  const out = new Map<Vendor, Fields>();
  const clerk = part(given, "clerk", ["publishableKey", "secretKey"]);
  out.set("clerk", { publishable_key: clerk["publishableKey"]!, secret_key: clerk["secretKey"]! });
  const turso = part(given, "turso", ["orgToken", "createDatabaseEndpoint"]);
  out.set("turso", { token: turso["orgToken"]!, ...tursoPlace(turso["createDatabaseEndpoint"]!) });
  const store = part(given, "r2", ["accessKeyId", "secretAccessKey", "bucket", "endpoint"]);
  const account = /^https:\/\/([0-9a-f]{32})\.(?:[a-z]+\.)?r2\.cloudflarestorage\.com\/?$/.exec(store["endpoint"]!)?.[1];
  const fields = {
    access_key_id: store["accessKeyId"]!,
    secret_access_key: store["secretAccessKey"]!,
    bucket: store["bucket"]!,
    endpoint: store["endpoint"]!.replace(/\/$/, ""),
  };
  if (account === undefined) out.set("s3", fields);
  else out.set("r2", { account_id: account, ...fields });
  const stripe = part(given, "stripe", ["publishableKey", "secretKey"]);
  out.set("stripe", { publishable_key: stripe["publishableKey"]!, secret_key: stripe["secretKey"]! });
  return out;
}

function part(config: object, name: string, members: string[]): Record<string, string> {
  const value = (config as Record<string, unknown>)[name];
  if (typeof value !== "object" || value === null) throw wrong(`config.${name}`);
  const out: Record<string, string> = {};
  for (const member of members) {
    const text = (value as Record<string, unknown>)[member];
    if (typeof text !== "string" || text === "" || text.length > SHORT || !/^[!-~]+$/.test(text)) throw wrong(`config.${name}.${member}`);
    out[member] = text;
  }
  return out;
}

/** "https://api.turso.tech/v1/organizations/ORG/databases", perhaps with ?group=GROUP. */
function tursoPlace(endpoint: string): Fields {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  const org = url && /^\/v1\/organizations\/([A-Za-z0-9_-]{1,64})\/databases\/?$/.exec(url.pathname)?.[1];
  if (!url || !org) throw wrong("config.turso.createDatabaseEndpoint");
  return { org, group: url.searchParams.get("group") ?? "default", api_base: url.origin };
}

function wrong(what: string): ValetkeyError {
  return new ValetkeyError("invalid", `${what} is missing or cannot be one; nothing was sent.`, 0,
    "OrgKeyConfig says what belongs there: texts of visible ASCII without blanks.");
}
