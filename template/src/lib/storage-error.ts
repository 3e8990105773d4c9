// What can be wrong with the storage, as sentences for people. Nothing of a key is in them.

export type StorageErrorCode = "storage_not_set" | "storage_unreachable" | "storage_timeout" | "storage_refused" | "storage_busy" | "storage_full" | "storage_failed";

export class StorageError extends Error {
  constructor(
    readonly code: StorageErrorCode,
    message: string,
    readonly cause?: unknown,
  ) {
    super(message);
    this.name = "StorageError";
  }
}

const SENTENCES: Record<StorageErrorCode, string> = {
  storage_not_set: "No storage is set. Start the app with its build's environment, or set R2_ENDPOINT, R2_BUCKET and the two keys.",
  storage_unreachable: "The storage does not answer. Check that it runs, then try again.",
  storage_timeout: "The storage took too long to answer. Try again in a moment.",
  storage_refused: "The storage refused this app's key. It may have expired or been revoked; set a new one.",
  storage_busy: "The storage is busy. Try again in a moment.",
  storage_full: "The storage is full. Delete files that nobody needs, then try again.",
  storage_failed: "The storage could not do this. The app's log has the details.",
};

const UNREACHABLE = new Set(["ECONNREFUSED", "ECONNRESET", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "EPIPE"]);
const TIMEOUTS = new Set(["TimeoutError", "AbortError", "ETIMEDOUT"]);

export function storageError(code: StorageErrorCode, cause?: unknown): StorageError {
  return new StorageError(code, SENTENCES[code], cause);
}

export function toStorageError(error: unknown): StorageError {
  if (error instanceof StorageError) return error;
  const { name, code } = nameOf(error);
  const status = statusOf(error);
  if (TIMEOUTS.has(name) || TIMEOUTS.has(code)) return storageError("storage_timeout", error);
  if (UNREACHABLE.has(code)) return storageError("storage_unreachable", error);
  if (/Quota|InsufficientStorage/.test(name) || status === 507) return storageError("storage_full", error);
  if (status === 401 || status === 403 || name === "ExpiredToken") return storageError("storage_refused", error);
  if (status === 429 || status === 503) return storageError("storage_busy", error);
  return storageError("storage_failed", error);
}

/** Nothing is at that key. */
export function isMissingObject(error: unknown): boolean {
  return statusOf(error) === 404 && nameOf(error).name !== "NoSuchBucket";
}

/** For the app's own log: what the SDK calls it, and the status. Its messages may repeat a request, so they stay out. */
export function describeStorageError(error: unknown): string {
  const { name, code } = nameOf(error);
  return [name, code, statusOf(error)].filter(Boolean).join(" ");
}

function nameOf(error: unknown): { name: string; code: string } {
  const { name, code } = (typeof error === "object" && error !== null ? error : {}) as { name?: unknown; code?: unknown };
  return { name: typeof name === "string" ? name : "", code: typeof code === "string" ? code : "" };
}

function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } } | null)?.$metadata?.httpStatusCode;
}
