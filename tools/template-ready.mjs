#!/usr/bin/env node
// Makes the template app ready for `npm start`: installs its packages when the lock file is new, builds it when a source is
// new, and does nothing when neither is. Quickstart and the browser tests share the result.
//
//   node tools/template-ready.mjs [FOLDER]      default: template/
import { createHash } from "node:crypto";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const DEFAULT_FOLDER = path.join(import.meta.dirname, "..", "template");
const MADE = new Set(["node_modules", ".next", "next-env.d.ts", "tsconfig.tsbuildinfo"]);
const NO_SOURCE = /^\.env|\.md$|\.db(-\w+)?$/;

/** What was done: {installed, built}. What npm prints goes to standard error. Throws when npm fails. */
export function makeReady(folder = DEFAULT_FOLDER, say = (line) => console.log(line)) {
  const release = alone(folder);
  try {
    return install(folder, say);
  } finally {
    release();
  }
}

/** One at a time in a folder: suites that run side by side share it. Blocks until it is one's turn; who died in it is not waited for. */
function alone(folder) {
  const lock = path.join(os.tmpdir(), `valetkey-ready-${process.getuid()}-${createHash("sha256").update(path.resolve(folder)).digest("hex").slice(0, 16)}`);
  const holder = path.join(lock, "pid");
  for (let tries = 0; ; tries++) {
    try {
      mkdirSync(lock, { mode: 0o700 });
      writeFileSync(holder, String(process.pid));
      return () => rmSync(lock, { recursive: true, force: true });
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    const pid = readPid(holder);
    // Without a name in it for two seconds: its maker died between the two steps.
    if (pid > 0 ? !alive(pid) : tries % 20 === 19) rmSync(lock, { recursive: true, force: true });
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
  }
}

/** 0: none is in it. */
function readPid(file) {
  try {
    return Number(readFileSync(file, "utf8"));
  } catch {
    return 0;
  }
}

function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code !== "ESRCH";
  }
}

function install(folder, say) {
  const lock = digest(folder, ["package-lock.json"], process.version);
  const installed = !stamped(path.join(folder, "node_modules", ".lock-digest"), lock);
  if (installed) {
    say("template: installing its packages (npm ci)");
    npm(folder, ["ci", "--no-audit", "--no-fund"]);
    writeFileSync(path.join(folder, "node_modules", ".lock-digest"), lock);
  }
  const sources = digest(folder, listSources(folder), lock);
  const stamp = path.join(folder, ".next", ".sources-digest");
  const built = !stamped(stamp, sources);
  if (built) {
    say("template: building it (next build)");
    rmSync(stamp, { force: true });
    npm(folder, ["run", "build"]);
    writeFileSync(stamp, sources);
  }
  if (!installed && !built) say("template: up to date");
  return { installed, built };
}

function npm(folder, args) {
  const { status, error } = spawnSync("npm", args, { cwd: folder, stdio: ["ignore", 2, 2] });
  if (error) throw new Error(`npm could not be started (${error.code}): is Node's bin folder on PATH?`);
  if (status !== 0) throw new Error(`npm ${args.join(" ")} failed in ${folder} (exit ${status}).`);
}

function stamped(file, value) {
  return existsSync(file) && readFileSync(file, "utf8") === value;
}

function digest(folder, files, seed) {
  const hash = createHash("sha256").update(seed);
  for (const file of files) hash.update(`\0${file}\0`).update(readFileSync(path.join(folder, file)));
  return hash.digest("hex");
}

/** Names relative to `folder`. */
function listSources(folder, under = "") {
  return readdirSync(path.join(folder, under), { withFileTypes: true })
    .filter((entry) => !MADE.has(entry.name) && !NO_SOURCE.test(entry.name))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const name = path.join(under, entry.name);
      if (entry.isDirectory()) return listSources(folder, name);
      return entry.isFile() ? [name] : [];
    });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    makeReady(process.argv[2] && path.resolve(process.argv[2]));
  } catch (error) {
    console.error(`template-ready: ${error.message}`);
    process.exitCode = 1;
  }
}
