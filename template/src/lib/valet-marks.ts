// Whether a value is a build's own: given out by valetkey for one build, and at an end with it. By the marks that such values bear
// (`ours` in key-rules.json), and by VALETKEY_REFUSED_KEYS, which names this build's without saying them: "<salt>:<mark>,…", a mark
// being the first half of HMAC-SHA256(salt, value), in hex.
import { createHmac } from "node:crypto";
import { publishableHost } from "./clerk-keys";
import { KEY_RULES } from "./key-rules";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** `name`: the environment's name of it, since a bucket and a publishable key are known only as such. */
export function isValetValue(name: string, value: string): boolean {
  return KEY_RULES.ours.some(({ pattern, crc, of, field }) => {
    if (of !== undefined && field !== name) return false;
    const text = of === "{pk_host}" ? (publishableHost(value) ?? "") : value;
    return new RegExp(pattern).test(text) && (!crc || text.endsWith(checksum(text.slice(0, -6))));
  });
}

/** `refused`: the text of VALETKEY_REFUSED_KEYS; one that is not well formed lists nothing. */
export function isRefusedValue(value: string, refused: string | undefined): boolean {
  const match = /^([0-9a-f]{32}):([0-9a-f,]+)$/.exec(refused ?? "");
  if (!match || value === "") return false;
  const mark = createHmac("sha256", Buffer.from(match[1]!, "hex")).update(value).digest("hex").slice(0, 32);
  return match[2]!.split(",").includes(mark);
}

/** Six base62 digits of the CRC-32 (IEEE 802.3) of `text`. */
function checksum(text: string): string {
  let crc = 0xffffffff;
  for (const byte of Buffer.from(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  let left = (crc ^ 0xffffffff) >>> 0;
  let out = "";
  for (let digit = 0; digit < 6; digit++) {
    out = ALPHABET[left % 62]! + out;
    left = Math.floor(left / 62);
  }
  return out;
}
