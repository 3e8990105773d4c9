// What a build puts into browsers must hold no secret: neither a value that this machine has for a secret's name, nor anything of the
// shape of a secret key. next.config.ts runs it at the end of every build, and a find is a build that failed.
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { cfg, overlayNames } from "./config-core";

const SHORTEST = 12;
const SECRET_NAME = /(SECRET|TOKEN|PASSWORD|PASSWD|PRIVATE|CREDENTIAL|_KEY$)/;
const PUBLIC_NAME = /^NEXT_PUBLIC_|^VALETKEY_CLERK_PUBLISHABLE_KEY$|PUBLISHABLE|KEY_ID$/;
const SHAPES: [string, RegExp][] = [
  ["a secret key", /(?<![0-9A-Za-z_])[sr]k_(?:test|live)_[0-9A-Za-z]{16,}/],
  ["a webhook's signing secret", /(?<![0-9A-Za-z_])whsec_[0-9A-Za-z+/]{24,}/],
  ["a build's key", /(?<![0-9A-Za-z_])(?:vk_[a-z]|st)_[0-9A-Za-z]{36}(?![0-9A-Za-z])/],
  ["a private key", /-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----/],
];

type Environment = Readonly<Record<string, string | undefined>>;

/** Throws with one line for each file that holds a secret; the secret itself is in none of them. */
export function checkBundle(folder: string, environment: Environment): void {
  const found = leaksIn(folder, secretsOf(environment));
  if (found.length > 0) throw new Error(`What browsers would get holds secrets. Read keys with cfg() on the server only.\n${found.join("\n")}`);
}

export function leaksIn(folder: string, secrets: ReadonlyMap<string, string>): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    const text = readFileSync(file, "latin1");
    const say = (what: string) => found.push(`  ${path.relative(folder, file)} holds ${what}`);
    for (const [value, name] of secrets) if (text.includes(value)) say(`the value of ${name}`);
    for (const [what, shape] of SHAPES) if (shape.test(text)) say(`what looks like ${what}`);
  }
  return found;
}

/** Value -> name: of whatever is named like a secret, in the environment and in `.env.keys`. */
export function secretsOf(environment: Environment): Map<string, string> {
  const secrets = new Map<string, string>();
  const add = (name: string, value: string | undefined) => {
    // Only what no word of the code could be.
    if (!SECRET_NAME.test(name) || PUBLIC_NAME.test(name) || value === undefined || value.length < SHORTEST || !/[0-9]/.test(value)) return;
    for (const form of [value, encodeURIComponent(value)]) secrets.set(Buffer.from(form).toString("latin1"), name);
  };
  for (const name of overlayNames()) add(name, cfg(name));
  for (const [name, value] of Object.entries(environment)) add(name, value);
  return secrets;
}
