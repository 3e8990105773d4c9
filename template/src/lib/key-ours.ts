// Whether a value is one that valetkey gave out: such a key opens a build only, and ends with it.
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Rules } from "./key-rules";
import type { Vars } from "./key-vars";

const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** `field`: the one that the value is in. */
export function isValet(rules: Rules["ours"], vars: Vars, field: string): boolean {
  return rules.some(({ pattern, crc, of, field: only }) => {
    if (only !== undefined && only !== field) return false;
    const value = of === undefined ? vars.get(field) : vars.fill(of, "text");
    return new RegExp(pattern).test(value) && (!crc || endsInItsSum(value));
  });
}

/** The last six characters are the base62 CRC-32 of those before. */
function endsInItsSum(key: string): boolean {
  let sum = crc32(Buffer.from(key.slice(0, -6)));
  let text = "";
  for (let i = 0; i < 6; i++) {
    text = BASE62[sum % 62]! + text;
    sum = Math.floor(sum / 62);
  }
  return key.endsWith(text);
}

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/** `list`: "<salt, 32 hex digits>:<32 hex digits>,…", each the first half of HMAC-SHA256 of a value that this app was built with. */
export function isListed(list: string | undefined, value: string): boolean {
  const [salt = "", sums = ""] = (list ?? "").split(":");
  if (!/^[0-9a-f]{32}$/.test(salt)) return false;
  const sum = createHmac("sha256", Buffer.from(salt, "hex")).update(value).digest().subarray(0, 16);
  return sums.split(",").some((one) => /^[0-9a-f]{32}$/.test(one) && timingSafeEqual(Buffer.from(one, "hex"), sum));
}
