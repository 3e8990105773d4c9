import "server-only";
import { clerkState, publishableHost } from "./clerk-keys";
import { cfg } from "./config";
import { storageIsSet } from "./storage";
import { paymentsAreSet } from "./stripe";

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

/** The host in a build's publishable key: nobody can register a name with an underscore. */
const VALET_HOST = /(^|\.)vk_accounts\.dev$/;

export function authKeys(): KeyState {
  const { keys } = clerkState();
  if (!keys) return "not set";
  return VALET_HOST.test(publishableHost(keys.publishableKey) ?? "") ? "build keys" : "your keys";
}

/** A build's secret key is as long as only its own are. */
const VALET_PAYMENTS = /^sk_test_51[0-9A-Za-z]{36}$/;

export function paymentsKeys(): KeyState {
  if (!paymentsAreSet()) return "not set";
  return VALET_PAYMENTS.test(cfg("STRIPE_SECRET_KEY") ?? "") ? "build keys" : "your keys";
}
