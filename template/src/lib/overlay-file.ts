// Writes `.env.keys`. A reader sees the old file or the new one, whole, whatever happens meanwhile: a new file beside it, on stable
// storage, then a rename. Who writes holds `.env.keys.lock`, so that of two who save at once neither loses what the other saved.
import "server-only";
import { randomBytes } from "node:crypto";
import { closeSync, fchmodSync, fsyncSync, openSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { overlayPath, sealingText } from "./config-core";
import { parseEnvFile, updateEnvFile } from "./env-file";
import { isSealed, seal, sealingKey, unseal } from "./seal";

const LOCK_WAIT_MS = 10_000;
const LOCK_OLD_MS = 8_000; // writing takes milliseconds; whoever took the lock so long ago is gone
const LOCK_AGAIN_MS = 25;

export type OverlayErrorCode = "keys_read_only" | "keys_disk_full" | "keys_busy" | "keys_bad_seal" | "keys_io";

const SENTENCES: Record<OverlayErrorCode, string> = {
  keys_read_only: "The app may not write its keys here: its folder is read-only, or belongs to somebody else.",
  keys_disk_full: "The disk is full. Nothing was changed; make room, then save again.",
  keys_busy: "Somebody else is saving keys at this moment. Nothing was changed; try again.",
  keys_bad_seal: "SETTINGS_ENCRYPTION_KEY is not 64 hex digits (openssl rand -hex 32), so nothing can be sealed with it. Nothing was changed.",
  keys_io: "The file of keys could not be written. Nothing was changed; the app's log has the details.",
};

export class OverlayError extends Error {
  constructor(
    readonly code: OverlayErrorCode,
    options?: ErrorOptions,
  ) {
    super(SENTENCES[code], options);
    this.name = "OverlayError";
  }
}

export type Changes = ReadonlyMap<string, string | null>;

/** Sets, or takes out (null), what `change` gives for what stands there now (sealed values opened, closed ones left out); all of it or nothing. `change` runs
 * under the lock, so what it decides cannot be out of date. Resolves once it would survive a power cut; OverlayError otherwise. */
export async function changeOverlay(change: (now: ReadonlyMap<string, string>) => Changes): Promise<void> {
  const file = overlayPath();
  const text = sealingText();
  const key = text === undefined ? null : sealingKey(text);
  if (text !== undefined && !key) throw new OverlayError("keys_bad_seal");
  try {
    const lock = await takeLock(`${file}.lock`);
    try {
      removeLeftovers(file);
      const before = readIfThere(file);
      const after = updateEnvFile(before, sealed(change(opened(before, key)), key));
      replace(file, after, lock);
    } finally {
      lock.release();
    }
  } catch (error) {
    throw asOverlayError(error);
  }
}

function opened(text: string, key: Buffer | null): Map<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of parseEnvFile(text)) {
    const plain = isSealed(value) ? (key && unseal(key, name, value)) : value;
    if (plain !== null) values.set(name, plain);
  }
  return values;
}

/** An empty value says only that a name is cleared. */
function sealed(changes: Changes, key: Buffer | null): Changes {
  return new Map([...changes].map(([name, value]) => [name, key && value ? seal(key, name, value) : value]));
}

function replace(file: string, text: string, lock: Lock): void {
  const temp = `${file}.${randomBytes(8).toString("hex")}.tmp`;
  try {
    const fd = openSync(temp, "wx", 0o600);
    try {
      fchmodSync(fd, 0o600);
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    if (!lock.held()) throw new OverlayError("keys_busy");
    renameSync(temp, file);
  } catch (error) {
    rmSync(temp, { force: true });
    throw error;
  }
  syncFolder(path.dirname(file));
}

/** The rename itself. Some file systems cannot say when that is on the disk. */
function syncFolder(folder: string): void {
  const fd = openSync(folder, "r");
  try {
    fsyncSync(fd);
  } catch (error) {
    if (!["EINVAL", "ENOTSUP", "EPERM"].includes(codeOf(error))) throw error;
  } finally {
    closeSync(fd);
  }
}

/** Of one who was killed between writing and the rename: keys are in it. */
function removeLeftovers(file: string): void {
  const folder = path.dirname(file);
  const name = path.basename(file);
  for (const entry of readdirSync(folder)) {
    if (entry.startsWith(`${name}.`) && entry.endsWith(".tmp")) rmSync(path.join(folder, entry), { force: true });
  }
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return "";
    throw error;
  }
}

type Lock = { held: () => boolean; release: () => void };

async function takeLock(file: string): Promise<Lock> {
  const mine = `${os.hostname()} ${process.pid} ${randomBytes(16).toString("hex")}`;
  const until = performance.now() + LOCK_WAIT_MS;
  for (;;) {
    try {
      const fd = openSync(file, "wx", 0o600);
      try {
        writeSync(fd, mine);
      } catch (error) {
        rmSync(file, { force: true }); // nobody could tell whose it is
        throw error;
      } finally {
        closeSync(fd);
      }
      const held = () => readIfThere(file) === mine;
      return { held, release: () => void (held() && rmSync(file, { force: true })) };
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
    }
    if (!breakLock(file)) {
      if (performance.now() > until) throw new OverlayError("keys_busy");
      await new Promise((resolve) => setTimeout(resolve, LOCK_AGAIN_MS));
    }
  }
}

/** Takes away the lock of one who is gone. Two may see the same lock as left behind, and the slower one take the faster one's new
 * lock away: so whoever writes looks once more (`held`) before the rename. */
function breakLock(file: string): boolean {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat) return true;
  const [host, pid] = readIfThere(file).split(" ");
  const gone = host === os.hostname() && Number(pid) > 0 && !alive(Number(pid));
  if (!gone && Date.now() - stat.mtimeMs < LOCK_OLD_MS) return false;
  const aside = `${file}.${randomBytes(8).toString("hex")}.tmp`;
  try {
    renameSync(file, aside); // only one of several can
    rmSync(aside, { force: true });
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
  return true;
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== "ESRCH";
  }
}

function asOverlayError(error: unknown): Error {
  if (error instanceof OverlayError) return error;
  const code = codeOf(error);
  if (["EROFS", "EACCES", "EPERM", "EBUSY"].includes(code)) return new OverlayError("keys_read_only", { cause: error });
  if (["ENOSPC", "EDQUOT", "EFBIG"].includes(code)) return new OverlayError("keys_disk_full", { cause: error });
  if (code === "") return error instanceof Error ? error : new Error("unknown error"); // `change` said no, or a value fits no line
  console.error(`keys: .env.keys could not be written: ${code}`);
  return new OverlayError("keys_io", { cause: error });
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "";
}
