// What the settings page shows, and how keys come into effect: validated at the vendor, then the whole group of the service in one
// step, with everything that belonged to the former keys cleared.
import "server-only";
import { accessSync, constants } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { cfg, cfgSource } from "./config";
import { overlayNames, overlayPath } from "./config-core";
import { envLine, fitsLine } from "./env-file";
import { authHealth, databaseHealth, paymentsHealth, storageHealth } from "./health";
import { HttpError } from "./http";
import { setFacts } from "./key-facts";
import { KEY_RULES } from "./key-rules";
import type { KeyValues, ServiceId, ServiceReport } from "./key-types";
import { Vars } from "./key-vars";
import { changeOverlay, OverlayError, type Changes } from "./overlay-file";
import { currentSession, opensBy, owner, type Session } from "./settings-session";
import type { Open, Platform, SaveAnswer, ServiceState, SettingsView, ShownValue } from "./settings-types";
import { oursAmong, serviceKeys, serviceMode, SERVICES } from "./services";
import { createWebhook, type Webhook } from "./stripe-webhook";
import { userId } from "./user";
import { validateKeys } from "./validate-keys";

const OWNER = "SETTINGS_OWNER";
const CLERK_KEY = "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY";
// What a storage says of an object that is not there to a key that may not list the bucket; that this one may read and write was seen.
const NO_LISTING = "storage_refused";
const HEALTH = { clerk: authHealth, database: databaseHealth, storage: storageHealth, stripe: paymentsHealth };
const VALUE_MAX = 4096;
const changedName = (id: ServiceId) => `SETTINGS_CHANGED_${id.toUpperCase()}`;

/** What the page is made of, for who asks. */
export async function settingsView(): Promise<SettingsView> {
  const session = await currentSession();
  return session ? openView(session) : { by: opensBy() };
}

export async function openView({ csrf }: Session): Promise<Open> {
  const services = serviceStates();
  const migrated = services.filter(({ keys }) => keys === "your keys").length;
  const isSet = owner() !== undefined;
  return {
    csrf,
    platform: platform(),
    owner: { set: isSet, canClaim: !isSet && serviceKeys("clerk") === "your keys" && (await userId()) !== null },
    services,
    migrated,
    allOwn: migrated === services.length,
  };
}

export function serviceStates(): ServiceState[] {
  return SERVICES.map((id) => ({
    id,
    keys: serviceKeys(id),
    mode: serviceMode(id),
    values: Object.fromEntries(KEY_RULES.services[id].fields.map(({ env, secret }) => [env, shownValue(cfg(env), secret)])),
    changedAt: cfg(changedName(id)) ?? null,
  }));
}

/** Where the keys that are saved go. */
export function platform(): Platform {
  if (cfg("VERCEL")) return "vercel";
  if (cfg("NETLIFY")) return "netlify";
  try {
    accessSync(path.dirname(overlayPath()), constants.W_OK);
    return "disk";
  } catch {
    return "read-only";
  }
}

function shownValue(value: string | undefined, secret: boolean): ShownValue {
  if (value === undefined) return { set: false, shown: null };
  if (secret) return { set: true, shown: value.length > 12 ? `••••${value.slice(-4)}` : "••••" };
  return { set: true, shown: withoutSecrets(value) };
}

/** An address may have a password or a token in it. */
function withoutSecrets(value: string): string {
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) && URL.canParse(value) ? new URL(value) : null;
  return url && (url.username || url.password || url.search || url.hash) ? `${url.protocol}//${url.host}${url.pathname}` : value;
}

// ---- saving

export const saveAsk = z.strictObject({
  service: z.enum(["clerk", "database", "storage", "stripe"]),
  values: z.record(z.string().min(1).max(64), z.string().max(VALUE_MAX)),
  save: z.boolean(),
  webhook: z.boolean().optional(),
  keepWebhook: z.boolean().optional(),
});
type SaveAsk = z.infer<typeof saveAsk>;

/** Validates, and saves when that was asked for and nothing is wrong. `origin`: where browsers have this app; null: they did not say. */
export async function saveKeys(asked: SaveAsk, origin: string | null): Promise<SaveAnswer> {
  const { service } = asked;
  const typed = typedValues(asked);
  const report = await reportOf(service, typed, origin);
  if (!report.valid || !asked.save) return { report, saved: false, services: serviceStates() };
  const hook = await webhookFor(asked, typed, origin);
  if (hook && hook.secret === undefined && !hook.kept) return { report, saved: false, webhook: { created: false, say: hook.say }, services: serviceStates() };
  try {
    const values = hook?.secret === undefined ? typed : { ...typed, STRIPE_WEBHOOK_SECRET: hook.secret };
    const answer = await activate(service, values);
    return { report, ...answer, ...(hook && { webhook: { created: hook.undo !== undefined, say: hook.say } }), services: serviceStates() };
  } catch (error) {
    await hook?.undo?.();
    throw error;
  }
}

/** True when nothing is to be told but the report. */
export function isRefused({ report, saved, block, webhook }: SaveAnswer, asked: { save: boolean }): boolean {
  return !report.valid || (asked.save && !saved && block === undefined && webhook !== undefined);
}

/** What was typed, by the names of the service's fields and no others; blank ones are not typed. */
function typedValues({ service, values }: SaveAsk): KeyValues {
  const fields = KEY_RULES.services[service].fields.map(({ env }) => env);
  const typed: KeyValues = {};
  for (const [name, value] of Object.entries(values)) {
    if (!fields.includes(name)) throw new HttpError(400, "bad_request", "This request names a value that is no key of this service.");
    if (value !== "") typed[name] = value;
  }
  return typed;
}

async function reportOf(service: ServiceId, typed: KeyValues, origin: string | null): Promise<ServiceReport> {
  const report = (await validateKeys({ [service]: typed }, origin === null ? {} : { origin }))[service];
  if (!report) throw new Error("no report");
  return report;
}

/** Whatever the validator let pass: the whole group, no value that no file and no environment could hold, and no key of the build. */
function mustFit(service: ServiceId, values: KeyValues): void {
  const missing = KEY_RULES.services[service].fields.find(({ env, optional }) => !optional && values[env] === undefined);
  if (missing) throw new HttpError(422, "incomplete", `${missing.label} is empty. Type every value of the group again.`);
  for (const [name, value] of Object.entries(values))
    if (!fitsLine(value)) throw new HttpError(400, "bad_request", `The value of ${name} holds a line break or another control character.`);
  const [ours] = oursAmong(service, values);
  if (ours !== undefined) throw new HttpError(422, "ours", `The value of ${ours} is a key of this app's build, not one of yours.`);
}

type Kept = { kept: true; secret?: string; say: string; undo?: undefined };

/** undefined: the question does not come up. Payments without the webhook's secret would take money and never hear of it, so they are
 * not saved: it is typed, or made with the key, or the one that is there goes on. */
async function webhookFor({ service, webhook, keepWebhook }: SaveAsk, typed: KeyValues, origin: string | null): Promise<(Webhook & { kept?: false }) | Kept | undefined> {
  if (service !== "stripe" || typed["STRIPE_WEBHOOK_SECRET"] !== undefined) return undefined;
  const current = cfgSource("STRIPE_WEBHOOK_SECRET") === cfgSource("STRIPE_SECRET_KEY") ? cfg("STRIPE_WEBHOOK_SECRET") : undefined;
  if (!webhook && keepWebhook !== false && current !== undefined && serviceKeys("stripe") === "your keys") {
    // What another account signs, or the other mode, has another secret: the app would take money and never hear of it.
    if (!sameAccount(cfg("STRIPE_SECRET_KEY") ?? "", typed["STRIPE_SECRET_KEY"] ?? ""))
      return { say: "The webhook's signing secret that is there belongs to another account, or to the other mode: type the new one, or let the app register the webhook." };
    return { kept: true, secret: current, say: "The webhook's signing secret stays what it was." };
  }
  if (!webhook) return { say: "The app needs the signing secret of its webhook: type it, or let the app register the webhook." };
  return createWebhook(typed["STRIPE_SECRET_KEY"] ?? "", origin);
}

/** As far as the keys tell: short ones name no account. */
function sameAccount(one: string, other: string): boolean {
  const [a, b] = [accountOf(one), accountOf(other)];
  return a.mode === b.mode && (a.account === "" || b.account === "" || a.account === b.account);
}

function accountOf(key: string): { mode: string; account: string } {
  const vars = new Vars("");
  vars.set("STRIPE_SECRET_KEY", key);
  setFacts("stripe", vars, new Date(0), "");
  return { mode: vars.get("sk_mode"), account: vars.get("sk_account") };
}

/** What the environment becomes: the values under all their names, and everything else of the group empty, so that nothing of the former
 * keys shines through. */
export function groupOf(service: ServiceId, values: KeyValues): Map<string, string> {
  const { fields, clears } = KEY_RULES.services[service];
  const group = new Map<string, string>(clears.map((name) => [name, ""]));
  for (const { env, also } of fields) for (const name of [env, ...also]) group.set(name, values[env] ?? "");
  return group;
}

async function activate(service: ServiceId, values: KeyValues): Promise<Pick<SaveAnswer, "saved" | "block" | "rebuild">> {
  mustFit(service, values);
  const group = groupOf(service, values);
  if (platform() === "disk" && (await switchTo(service, group))) return { saved: true };
  return { saved: false, block: blockOf(group), rebuild: true };
}

/** In effect, and tried by the app itself: when it cannot use the keys, those before are in effect again. False: the disk is not the app's. */
async function switchTo(service: ServiceId, group: ReadonlyMap<string, string>): Promise<boolean> {
  const written = new Map([...group, [changedName(service), new Date().toISOString()]]);
  let before: Changes = new Map();
  try {
    await changeOverlay((now) => {
      // Users do not move to another sign-in: its owner would be locked out.
      if (service === "clerk" && (now.get(CLERK_KEY) ?? cfg(CLERK_KEY)) !== group.get(CLERK_KEY)) written.set(OWNER, "");
      // What is there and cannot be opened counts as not set, afterwards too: the environment's must not show through.
      const there = overlayNames();
      before = new Map([...written.keys()].map((name) => [name, now.get(name) ?? (there.includes(name) ? "" : null)]));
      return written;
    });
  } catch (error) {
    if (error instanceof OverlayError && error.code === "keys_read_only") return false;
    throw error;
  }
  const health = await HEALTH[service]();
  if (health.ok || health.error.code === NO_LISTING) return true;
  const back = await changeOverlay((now) => ([...written].every(([name, value]) => now.get(name) === value) ? before : new Map())).then(
    () => "The keys before it are in effect again.",
    () => "The keys before it could not be put back; save good ones, or take the lines out of .env.keys.",
  );
  throw new HttpError(409, "not_usable", `The keys are good, but the app could not use them: ${health.error.message} ${back}`);
}

/** What to paste into a host's settings. What is empty there is taken away, or left empty. */
function blockOf(group: ReadonlyMap<string, string>): string {
  return [...group].map(([name, value]) => `${envLine(name, value)}\n`).join("");
}

// ---- the owner

/** Makes the signed-in user of the app's own sign-in the owner; from then on the setup token is void. */
export async function claimOwner(): Promise<void> {
  if (serviceKeys("clerk") !== "your keys") throw new HttpError(409, "not_own_sign_in", "Save your own keys of sign-in first: the build's users do not stay.");
  const user = await userId();
  if (user === null) throw new HttpError(401, "signed_out", "Sign in first, then try again.");
  if (platform() !== "disk") throw new HttpError(409, "read_only", `This host keeps its files as they are. Set ${OWNER}=${user} in its settings, and deploy again.`);
  await changeOverlay((now) => {
    const before = now.get(OWNER) || owner();
    if (before && before !== user) throw new HttpError(409, "has_owner", "This app has an owner already.");
    return new Map([[OWNER, user]]);
  });
}
