// Every key of this app is read here, at request time, and nowhere else: first from the overlay file `.env.keys`, then
// from the process environment. The overlay is read again whenever it changes, so new keys count at the next request,
// without a restart and without a rebuild. An empty value in the overlay clears a name of the process environment.
//
// Values of the overlay that begin with "v1." are sealed (seal.ts); they are opened once, when the file is read. One that cannot be
// opened counts as not set, never as what the process environment has: `overlayProblem` says so, and /api/health.
//
// next.config.ts sets aside what @clerk/nextjs would read by itself: its names are found here under the vendor's name or under
// the other one, whichever the process has.
//
// Usable everywhere on the server; pages and components import `config.ts`, which the browser bundle refuses.
import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { parseEnvFile } from "./env-file";
import { isSealed, sealingKey, unseal } from "./seal";

const OVERLAY_MAX = 256 * 1024;

// Through an alias, so that the bundler puts no value of the build machine into the code.
const environment = process.env;

/** `closed`: names whose values cannot be opened. `unreadable`: the file is there, and nothing of it can be known. */
type Overlay = { stamp: string; values: ReadonlyMap<string, string>; closed: readonly string[]; unreadable?: string };
const ABSENT: Overlay = { stamp: "", values: new Map(), closed: [] };
let overlay = ABSENT;

export type KeySource = "overlay" | "environment";

export function cfg(name: string): string | undefined {
  const { values, unreadable } = readOverlay();
  if (unreadable) return undefined; // the keys that were replaced must not come back
  const value = values.has(name) ? values.get(name) : (environment[name] ?? environment[setAside(name)]);
  return value === "" ? undefined : value;
}

/** Where `cfg(name)` comes from; undefined when it has no value. */
export function cfgSource(name: string): KeySource | undefined {
  if (cfg(name) === undefined) return undefined;
  return readOverlay().values.has(name) ? "overlay" : "environment";
}

/** For what a library reads from the process environment by itself: `.env.keys` can clear such a name, not set it. */
export function inEnvironment(name: string): boolean {
  return cfg(name) !== undefined && Boolean(environment[name]);
}

/** True when the overlay has a value for this name that cannot be opened. */
export function isClosed(name: string): boolean {
  return readOverlay().closed.includes(name);
}

/** What stands in the overlay, cleared names too. */
export function overlayNames(): string[] {
  return [...readOverlay().values.keys()];
}

/** Where the overlay is. */
export function overlayPath(): string {
  return path.join(/* turbopackIgnore: true */ process.cwd(), ".env.keys");
}

/** What seals the overlay's values: never a name of the overlay itself. */
export function sealingText(): string | undefined {
  return environment["SETTINGS_ENCRYPTION_KEY"] || undefined;
}

/** Why keys of the overlay count as not set, as a sentence; undefined when all is well. */
export function overlayProblem(): { code: "keys_sealed" | "keys_unreadable"; message: string } | undefined {
  const { closed, unreadable } = readOverlay();
  if (unreadable) return { code: "keys_unreadable", message: `The file .env.keys is there, but it cannot be read (${unreadable}). Until it can be, no key is set.` };
  if (closed.length === 0) return undefined;
  const many = closed.length > 1;
  const why = sealingText() === undefined ? "SETTINGS_ENCRYPTION_KEY is not set" : "SETTINGS_ENCRYPTION_KEY is not the one that sealed " + (many ? "them" : "it");
  return {
    code: "keys_sealed",
    message: `${closed.join(", ")} in .env.keys cannot be opened: ${why}. ${many ? "They count" : "It counts"} as not set. Start the app with that key, or save ${many ? "them" : "it"} again on the settings page.`,
  };
}

function setAside(name: string): string {
  return name.replace(/^(NEXT_PUBLIC_)?CLERK_/, "VALETKEY_CLERK_");
}

function readOverlay(): Overlay {
  const file = overlayPath();
  const text = sealingText() ?? "";
  let stamp = "";
  try {
    const stat = statSync(file, { throwIfNoEntry: false });
    if (!stat) return (overlay = ABSENT);
    stamp = `${stat.ino}:${stat.mtimeMs}:${stat.size}:${text}`;
    if (stamp === overlay.stamp) return overlay;
    if (stat.size > OVERLAY_MAX) throw Object.assign(new Error(), { code: "too large" });
    return (overlay = { stamp, ...opened(parseEnvFile(readFileSync(file, "utf8")), text) });
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === "ENOENT") return (overlay = ABSENT);
    // No stamp: it is tried again with the next question.
    return (overlay = { ...ABSENT, unreadable: typeof code === "string" ? code : "no env file" });
  }
}

function opened(raw: ReadonlyMap<string, string>, text: string): Omit<Overlay, "stamp"> {
  const values = new Map<string, string>();
  const closed: string[] = [];
  const key = sealingKey(text);
  for (const [name, value] of raw) {
    const plain = isSealed(value) ? (key && unseal(key, name, value)) : value;
    if (plain === null) closed.push(name);
    values.set(name, plain ?? "");
  }
  return { values, closed };
}
