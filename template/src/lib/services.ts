import "server-only";
import { cfg } from "./config";
import { storageIsSet } from "./storage";

export type KeyState = "build keys" | "your keys" | "not set";

/** The shape of a build's own keys: they are issued by valetkey, open one build only and end with it. */
const VALET_KEY = /^vk_[a-z]_[0-9A-Za-z]{36}$/;

export function databaseKeys(): KeyState {
  if (!cfg("TURSO_DATABASE_URL")) return "not set";
  return VALET_KEY.test(cfg("TURSO_AUTH_TOKEN") ?? "") ? "build keys" : "your keys";
}

/** A build's bucket: its keys have the vendor's own shape and tell nothing. */
const VALET_BUCKET = /^vk-/;

export function storageKeys(): KeyState {
  if (!storageIsSet()) return "not set";
  return VALET_BUCKET.test(cfg("R2_BUCKET") ?? "") ? "build keys" : "your keys";
}
