// Whose keys each service runs on.
import "server-only";
import { clerkState } from "./clerk-keys";
import { cfg } from "./config";
import { setFacts } from "./key-facts";
import { isListed, isValet } from "./key-ours";
import { KEY_RULES } from "./key-rules";
import type { KeyValues, ServiceId } from "./key-types";
import { Vars } from "./key-vars";
import { storageIsSet } from "./storage";
import { paymentsAreSet } from "./stripe";

export type KeyState = "build keys" | "your keys" | "not set";

export const SERVICES: readonly ServiceId[] = ["clerk", "database", "storage", "stripe"];

const IS_SET: Record<ServiceId, () => boolean> = {
  clerk: () => clerkState().keys !== undefined,
  database: () => cfg("TURSO_DATABASE_URL") !== undefined,
  storage: storageIsSet,
  stripe: paymentsAreSet,
};

/** By every value of the service's group: one that valetkey gave out is enough, and the build still serves. */
export function serviceKeys(id: ServiceId): KeyState {
  if (!IS_SET[id]()) return "not set";
  const values = KEY_RULES.services[id].fields.map(({ env }) => [env, cfg(env)] as const);
  return oursAmong(id, Object.fromEntries(values.filter(([, value]) => value !== undefined)) as KeyValues).length > 0 ? "build keys" : "your keys";
}

/** The names of those values that are a build's own: what the validator refuses, and what the badges call "build keys". */
export function oursAmong(id: ServiceId, values: KeyValues): string[] {
  const vars = new Vars("");
  for (const [name, value] of Object.entries(values)) vars.set(name, value);
  setFacts(id, vars, new Date(0), "");
  const refused = cfg("VALETKEY_REFUSED_KEYS");
  return Object.entries(values).flatMap(([name, value]) => (value !== "" && (isValet(KEY_RULES.ours, vars, name) || isListed(refused, value)) ? [name] : []));
}

/** The mode that a key of the service names; the database and the storage have none. */
export function serviceMode(id: ServiceId): "test" | "live" | null {
  const name = { clerk: "CLERK_SECRET_KEY", stripe: "STRIPE_SECRET_KEY", database: null, storage: null }[id];
  const mode = name === null ? null : /^[sr]k_(test|live)_/.exec(cfg(name) ?? "")?.[1];
  return mode === "test" || mode === "live" ? mode : null;
}

export const databaseKeys = (): KeyState => serviceKeys("database");
export const storageKeys = (): KeyState => serviceKeys("storage");
export const authKeys = (): KeyState => serviceKeys("clerk");
export const paymentsKeys = (): KeyState => serviceKeys("stripe");
