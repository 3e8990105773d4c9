// Whose keys each service runs on.
import "server-only";
import { clerkState } from "./clerk-keys";
import { cfg } from "./config";
import { KEY_RULES } from "./key-rules";
import type { ServiceId } from "./key-types";
import { storageIsSet } from "./storage";
import { paymentsAreSet } from "./stripe";
import { isRefusedValue, isValetValue } from "./valet-marks";

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
  const ours = KEY_RULES.services[id].fields.some(({ env }) => {
    const value = cfg(env);
    return value !== undefined && isOurs(env, value);
  });
  return ours ? "build keys" : "your keys";
}

/** What the validator refuses, and what the badges call "build keys": one answer for both. */
export function isOurs(name: string, value: string): boolean {
  return isValetValue(name, value) || isRefusedValue(value, cfg("VALETKEY_REFUSED_KEYS"));
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
