// Whether keys that the owner typed are good: every rung of key-rules.json, asked at the vendor itself. Nothing is stored, and no value
// of the app's own keys is used where one was not typed.
import "server-only";
import { randomBytes } from "node:crypto";
import { cfg } from "./config";
import { runLadders, type Tools } from "./key-ladder";
import { postgresSender } from "./key-postgres";
import { KEY_RULES } from "./key-rules";
import { sender } from "./key-send";
import type { UserKeys, ValidationResult } from "./key-types";

/** `origin`: where browsers have the app, for what the storage must allow them. */
export async function validateKeys(keys: UserKeys, options: Partial<Tools> = {}): Promise<ValidationResult> {
  return runLadders(KEY_RULES, keys, {
    send: sender(),
    postgres: postgresSender(),
    now: () => new Date(),
    random: randomBytes,
    refused: cfg("VALETKEY_REFUSED_KEYS"),
    ...options,
  });
}
