// Values of `.env.keys` that only the app can read: AES-256-GCM with a key made of SETTINGS_ENCRYPTION_KEY (HKDF-SHA-256). The name of a
// value is authenticated with it, so a value that is moved to another name does not open.
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";

const PREFIX = "v1.";
const IV = 12;
const TAG = 16;

/** null: this is no key of that kind (64 hex digits). */
export function sealingKey(text: string): Buffer | null {
  return /^[0-9a-f]{64}$/i.test(text) ? Buffer.from(hkdfSync("sha256", Buffer.from(text, "hex"), "", "settings-v1", 32)) : null;
}

export function isSealed(value: string): boolean {
  return value.startsWith(PREFIX);
}

export function seal(key: Buffer, name: string, value: string): string {
  const iv = randomBytes(IV);
  const cipher = createCipheriv("aes-256-gcm", key, iv, { authTagLength: TAG }).setAAD(Buffer.from(name));
  const text = Buffer.concat([cipher.update(value, "utf8"), cipher.final()]);
  return PREFIX + Buffer.concat([iv, cipher.getAuthTag(), text]).toString("base64url");
}

/** null: sealed with another key, for another name, or changed since. */
export function unseal(key: Buffer, name: string, sealed: string): string | null {
  const bytes = Buffer.from(sealed.slice(PREFIX.length), "base64url");
  if (!isSealed(sealed) || bytes.length < IV + TAG) return null;
  const cipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, IV), { authTagLength: TAG }).setAAD(Buffer.from(name));
  cipher.setAuthTag(bytes.subarray(IV, IV + TAG));
  try {
    return Buffer.concat([cipher.update(bytes.subarray(IV + TAG)), cipher.final()]).toString("utf8");
  } catch {
    return null;
  }
}
