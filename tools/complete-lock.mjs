#!/usr/bin/env node
// Completes package-lock.json files, so that `npm ci` accepts them on every platform and with every registry.
//
// When a registry lacks a package of another platform, `npm install` leaves it out of the lock without a word, and npm 11's
// `npm ci` then refuses that lock ("Missing: … from lock file"). This adds an entry for each optional dependency with an
// exact version that has none, with the os and cpu that its name tells; npm skips it everywhere else.
// It also takes out addresses of registries: whichever one npm is configured for serves the packages.
//
//   node tools/complete-lock.mjs template/package-lock.json …          rewrites the files
//   node tools/complete-lock.mjs --check template/package-lock.json …  exit 1 when one is not complete
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const SYSTEMS = ["darwin", "win32", "linux", "freebsd", "openbsd", "netbsd", "android", "sunos", "aix", "openharmony"];
const CPUS = ["arm64", "x64", "ia32", "wasm32", "riscv64", "ppc64", "s390x", "loong64", "mips64el", "arm"];
const EXACT = /^\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?$/;

/** Returns what was added and cleaned; `lock` is changed in place. */
export function completeLock(lock) {
  const packages = lock.packages;
  const added = [];
  let cleaned = 0;
  for (const [place, entry] of Object.entries(packages)) {
    if (entry.resolved !== undefined && /^https?:/.test(entry.resolved)) {
      delete entry.resolved;
      cleaned++;
    }
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      if (!EXACT.test(version) || isPresent(packages, place, name)) continue;
      packages[`node_modules/${name}`] = missingEntry(name, version);
      added.push(`${name}@${version}`);
    }
  }
  lock.packages = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  return { added, cleaned };
}

/** As node looks it up: beside the package that asks, then in each folder above. */
function isPresent(packages, place, name) {
  for (let at = place; ; at = at.slice(0, Math.max(0, at.lastIndexOf("/node_modules/")))) {
    if (packages[at === "" ? `node_modules/${name}` : `${at}/node_modules/${name}`]) return true;
    if (at === "") return false;
  }
}

function missingEntry(name, version) {
  const words = name.split(/[/@._-]+/);
  const cpu = CPUS.filter((word) => words.includes(word));
  const os = SYSTEMS.filter((word) => words.includes(word));
  return { version, ...(cpu.length > 0 && { cpu }), optional: true, ...(os.length > 0 && { os }) };
}

function main(args) {
  const check = args[0] === "--check";
  const files = check ? args.slice(1) : args;
  if (files.length === 0) {
    console.error("usage: complete-lock.mjs [--check] LOCK…");
    return 2;
  }
  let incomplete = 0;
  for (const file of files) {
    const before = readFileSync(file, "utf8");
    const lock = JSON.parse(before);
    const { added, cleaned } = completeLock(lock);
    if (added.length + cleaned > 0) incomplete++;
    console.log(`${file}: ${added.length} missing${added.length > 0 ? ` (${added.join(", ")})` : ""}, ${cleaned} registry addresses`);
    if (!check && added.length + cleaned > 0) writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
  }
  return check && incomplete > 0 ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = main(process.argv.slice(2));
