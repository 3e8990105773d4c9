// Every key of this app is read here, at request time, and nowhere else: first from the overlay file `.env.keys`, then
// from the process environment. The overlay is read again whenever it changes, so new keys count at the next request,
// without a restart and without a rebuild. An empty value in the overlay clears a name of the process environment.
//
// next.config.ts sets aside what @clerk/nextjs would read by itself: its names are found here under the vendor's name or under
// the other one, whichever the process has.
//
// Usable everywhere on the server; pages and components import `config.ts`, which the browser bundle refuses.
import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { parseEnvFile } from "./env-file";

// Through an alias, so that the bundler puts no value of the build machine into the code.
const environment = process.env;

type Overlay = { stamp: string; values: ReadonlyMap<string, string> };
const ABSENT: Overlay = { stamp: "", values: new Map() };
let overlay = ABSENT;

export type KeySource = "overlay" | "environment";

export function cfg(name: string): string | undefined {
  const values = readOverlay();
  const value = values.has(name) ? values.get(name) : (environment[name] ?? environment[setAside(name)]);
  return value === "" ? undefined : value;
}

/** Where `cfg(name)` comes from; undefined when it has no value. */
export function cfgSource(name: string): KeySource | undefined {
  if (cfg(name) === undefined) return undefined;
  return readOverlay().has(name) ? "overlay" : "environment";
}

/** For what a library reads from the process environment by itself: `.env.keys` can clear such a name, not set it. */
export function inEnvironment(name: string): boolean {
  return cfg(name) !== undefined && Boolean(environment[name]);
}

function setAside(name: string): string {
  return name.replace(/^(NEXT_PUBLIC_)?CLERK_/, "VALETKEY_CLERK_");
}

function readOverlay(): ReadonlyMap<string, string> {
  const file = path.join(/* turbopackIgnore: true */ process.cwd(), ".env.keys");
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat) {
    overlay = ABSENT;
    return overlay.values;
  }
  const stamp = `${stat.ino}:${stat.mtimeMs}:${stat.size}`;
  if (stamp !== overlay.stamp) overlay = { stamp, values: parseEnvFile(readFileSync(file, "utf8")) };
  return overlay.values;
}
