#!/usr/bin/env node
// Puts Clerk's scripts for browsers where valetkey finds them: fetches the packages that share/clerk/packages.json pins with npm,
// holds each against its SHA-512 there, and keeps what a browser loads. No dependency is resolved and no script of a package is run.
//
//   node tools/clerk-bundles.mjs [--out FOLDER]          default: .tools/share/clerk; nothing is done when it is up to date
//   node tools/clerk-bundles.mjs --check [--out FOLDER]  exit 1 when it is not there, not whole or of other pins
//   --pins FILE                                          other pins than share/clerk/packages.json
//   --from FOLDER                                        package files that are there already (clerk-ui-1.36.0.tgz, …); without npm
//
// What it makes (src/services/auth/bundles.h reads it):
//   bundles.list   a line for each file: where it lies in bundles.data, its size and SHA-256; the same for its gzip form
//   bundles.data   the files, one behind the other
//   LICENSE-*.txt  the licence of each package, which goes wherever its files go
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync, chmodSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";

const ROOT = path.join(import.meta.dirname, "..");
const TITLE = "valetkey clerk bundles 1";
const FILE_NAME = /^[A-Za-z0-9_.-]{1,128}$/;
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

class Problem extends Error {}

/** The pins, checked: what is wrong there is told before anything is fetched. */
export function readPins(file) {
  const pins = JSON.parse(readFileSync(file, "utf8")).packages;
  for (const p of pins) {
    if (!/^@clerk\/[a-z-]+$/.test(p.name) || !/^\d+\.\d+\.\d+$/.test(p.version) || !FILE_NAME.test(p.entry)) throw new Problem(`${file}: a package needs name, exact version and entry`);
    if (!/^sha512-[A-Za-z0-9+/]{86}==$/.test(p.integrity)) throw new Problem(`${file}: ${p.name}@${p.version} has no SHA-512`);
  }
  return pins;
}

/** The plain files of a tar archive: name -> bytes. Only what npm writes: ustar, with pax headers that are passed over. */
export function untar(bytes) {
  const files = new Map();
  const text = (at, n) => bytes.toString("utf8", at, at + n).replace(/\0.*$/s, "");
  for (let at = 0; at + 512 <= bytes.length && bytes[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12).trim() || "0", 8);
    if (!Number.isInteger(size) || size < 0 || at + 512 + size > bytes.length) throw new Problem("the package is no tar archive, or cut short");
    const kind = String.fromCharCode(bytes[at + 156]);
    const prefix = text(at + 345, 155);
    const name = (prefix ? `${prefix}/` : "") + text(at, 100);
    if (kind === "0" || kind === "\0") files.set(name, bytes.subarray(at + 512, at + 512 + size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}

/** What browsers load of a package: its entry, and the chunks that this entry names by its own hash. */
export function filesForBrowsers(pin, files) {
  const dist = new Map([...files].filter(([name]) => /^package\/dist\/[^/]+\.js$/.test(name)).map(([name, bytes]) => [name.slice("package/dist/".length), bytes]));
  const entry = dist.get(pin.entry);
  if (!entry) throw new Problem(`${pin.name}@${pin.version} has no dist/${pin.entry}`);
  const version = pin.version.replaceAll(".", "\\.");
  const bundle = pin.entry.replace(/\.js$/, "").replace(/^ui\.browser$/, "ui").replaceAll(".", "\\.");
  const chunk = new RegExp(`^[A-Za-z0-9-]+_${bundle}_([0-9a-f]{6})_${version}\\.js$`);
  const runtime = entry.toString("latin1");
  const chunks = [...dist].filter(([name]) => {
    const hash = chunk.exec(name)?.[1];
    return hash !== undefined && runtime.includes(`"${hash}`);
  });
  if (chunks.length === 0) throw new Problem(`${pin.name}@${pin.version}: no chunk of dist/${pin.entry} was found; its build names them otherwise than this program knows`);
  return [[pin.entry, entry], ...chunks.sort(([a], [b]) => (a < b ? -1 : 1))];
}

/** {list, data}: all packages as bundles.list and bundles.data. */
export function pack(packages) {
  const lines = [TITLE];
  const parts = [];
  let at = 0;
  let n = 0;
  const place = (bytes) => {
    const where = at;
    parts.push(bytes);
    at += bytes.length;
    return `${where} ${bytes.length} ${sha256(bytes)}`;
  };
  for (const { pin, files } of packages) {
    lines.push(`package ${pin.name.slice("@clerk/".length)} ${pin.version} ${pin.integrity}`);
    for (const [name, bytes] of files) {
      const zipped = gzipSync(bytes, { level: 9 });
      const plain = place(bytes);
      const small = zipped.length < bytes.length ? place(zipped) : "0 0 -";
      lines.push(`file ${name} ${name === pin.entry ? "entry" : "chunk"} ${plain} ${small}`);
      n++;
    }
  }
  lines.push(`end ${n} ${at}`, "");
  return { list: lines.join("\n"), data: Buffer.concat(parts) };
}

function fetchPackage(pin, folder, from) {
  const name = `${pin.name.slice(1).replace("/", "-")}-${pin.version}.tgz`;
  if (!from) {
    const npm = spawnSync("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", folder, `${pin.name}@${pin.version}`], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
    if (npm.error) throw new Problem(`npm could not be started (${npm.error.code}): tools/install app brings it, or put Node's bin folder into PATH`);
    if (npm.status !== 0) throw new Problem(`npm could not fetch ${pin.name}@${pin.version}; is there a network, and a registry in npm's settings?`);
  }
  const file = path.join(from ?? folder, name);
  if (!existsSync(file)) throw new Problem(`${file} is not there`);
  const bytes = readFileSync(file);
  const have = `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
  if (have !== pin.integrity) throw new Problem(`${pin.name}@${pin.version} is not the package that was pinned: its SHA-512 is ${have}, expected ${pin.integrity}. Nothing was changed.`);
  return untar(gunzipSync(bytes, { maxOutputLength: 256 * 1024 * 1024 }));
}

/** Why the folder is not what the pins say; undefined when it is. */
export function whatIsWrong(out, pins) {
  const listFile = path.join(out, "bundles.list");
  if (!existsSync(listFile)) return "there is no bundles.list";
  const lines = readFileSync(listFile, "utf8").split("\n");
  if (lines[0] !== TITLE) return "bundles.list was made by another version";
  const have = lines.filter((l) => l.startsWith("package ")).join("\n");
  if (have !== pins.map((p) => `package ${p.name.slice("@clerk/".length)} ${p.version} ${p.integrity}`).join("\n")) return "it holds other versions than are pinned";
  const dataFile = path.join(out, "bundles.data");
  if (!existsSync(dataFile)) return "there is no bundles.data";
  const data = readFileSync(dataFile);
  const files = lines.filter((l) => l.startsWith("file "));
  if (lines.at(-2) !== `end ${files.length} ${data.length}`) return "bundles.list and bundles.data do not belong together";
  for (const line of files) {
    const [, name, , at, size, sum, zipAt, zipSize, zipSum] = line.split(" ");
    if (sha256(data.subarray(+at, +at + +size)) !== sum || (zipSum !== "-" && sha256(data.subarray(+zipAt, +zipAt + +zipSize)) !== zipSum)) return `the bytes of ${name} are not those of the list`;
  }
  for (const p of pins) if (!existsSync(path.join(out, licenceName(p)))) return `the licence of ${p.name}@${p.version} is missing`;
  return undefined;
}

function licenceName(pin) {
  return `LICENSE-${pin.name.slice("@clerk/".length)}-${pin.version}.txt`;
}

/** Readable by whom the daemon's processes become, whatever the umask; whole or not at all under its name. */
function install(out, packages) {
  mkdirSync(path.dirname(out), { recursive: true });
  const fresh = mkdtempSync(`${out}.new-`);
  try {
    const put = (name, content) => {
      const file = path.join(fresh, name);
      writeFileSync(file, content, { flush: true });
      chmodSync(file, 0o644);
    };
    for (const { pin, licence } of packages) put(licenceName(pin), licence);
    const { list, data } = pack(packages);
    put("bundles.data", data);
    put("bundles.list", list);
    chmodSync(fresh, 0o755);
    const old = `${fresh}.old`;
    if (existsSync(out)) renameSync(out, old);
    renameSync(fresh, out);
    rmSync(old, { recursive: true, force: true });
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true });
    throw error;
  }
}

function main(args) {
  let out = path.join(ROOT, ".tools", "share", "clerk");
  let pinsFile = path.join(ROOT, "share", "clerk", "packages.json");
  let from;
  let check = false;
  for (let i = 0; i < args.length; i++) {
    if (args[i] === "--check") check = true;
    else if (args[i] === "--out" && args[i + 1]) out = path.resolve(args[++i]);
    else if (args[i] === "--pins" && args[i + 1]) pinsFile = path.resolve(args[++i]);
    else if (args[i] === "--from" && args[i + 1]) from = path.resolve(args[++i]);
    else {
      console.error("usage: clerk-bundles.mjs [--check] [--out FOLDER] [--pins FILE] [--from FOLDER]");
      return 2;
    }
  }
  const pins = readPins(pinsFile);
  const wrong = whatIsWrong(out, pins);
  if (check) {
    if (wrong) console.error(`clerk-bundles: ${out}: ${wrong}`);
    return wrong ? 1 : 0;
  }
  if (!wrong) {
    console.log("clerk-bundles: up to date");
    return 0;
  }
  const folder = mkdtempSync(path.join(tmpdir(), "clerk-bundles-"));
  try {
    const packages = pins.map((pin) => {
      console.log(`clerk-bundles: ${pin.name}@${pin.version}`);
      const files = fetchPackage(pin, folder, from);
      const licence = files.get("package/LICENSE");
      if (!licence) throw new Problem(`${pin.name}@${pin.version} has no LICENSE`);
      return { pin, licence, files: filesForBrowsers(pin, files) };
    });
    install(out, packages);
    console.log(`clerk-bundles: ${out} has ${packages.map((p) => `${p.pin.name}@${p.pin.version} (${p.files.length} files)`).join(", ")}`);
    return 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    process.exitCode = main(process.argv.slice(2));
  } catch (error) {
    console.error(`clerk-bundles: ${error instanceof Problem ? error.message : error.stack}`);
    process.exitCode = 1;
  }
}
