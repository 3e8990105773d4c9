// What can be wrong with the database, as sentences for people. Nothing of a key or of a URL's secret part is in them.

export type DatabaseErrorCode = "not_set" | "bad_address" | "unreachable" | "timeout" | "refused" | "busy" | "failed";

export class DatabaseError extends Error {
  constructor(
    readonly code: DatabaseErrorCode,
    message: string,
    readonly cause?: unknown,
  ) {
    super(message);
    this.name = "DatabaseError";
  }
}

const SENTENCES: Record<DatabaseErrorCode, string> = {
  not_set: "No database is set. Start the app with its build's environment, or set TURSO_DATABASE_URL.",
  bad_address: "TURSO_DATABASE_URL is not an address of a database. It starts with libsql://, https://, http:// or file:.",
  unreachable: "The database does not answer. Check that it runs, then try again.",
  timeout: "The database took too long to answer. Try again in a moment.",
  refused: "The database refused this app's key. It may have expired or been revoked; set a new one.",
  busy: "The database is busy. Try again in a moment.",
  failed: "The database could not do this. The app's log has the details.",
};

const UNREACHABLE = new Set(["ECONNREFUSED", "ECONNRESET", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "EPIPE", "UND_ERR_SOCKET"]);
const TIMEOUTS = new Set(["TimeoutError", "AbortError", "ETIMEDOUT", "UND_ERR_CONNECT_TIMEOUT", "UND_ERR_HEADERS_TIMEOUT"]);
// The libSQL client puts a refusal's code in front of its message, which is all that Prisma passes on.
const REFUSED = /\bAUTH_[A-Z_]+\b|HTTP status 40[13]/;
const BUSY = /\b(SQLITE_BUSY|TRANSACTION_BUSY|TRANSACTION_TIMEOUT|UNAVAILABLE)\b|database is locked|HTTP status (429|503)/;
const BAD_ADDRESS = new Set(["URL_INVALID", "URL_SCHEME_NOT_SUPPORTED", "ERR_INVALID_URL"]);

export function databaseError(code: DatabaseErrorCode, cause?: unknown): DatabaseError {
  return new DatabaseError(code, SENTENCES[code], cause);
}

export function toDatabaseError(error: unknown): DatabaseError {
  if (error instanceof DatabaseError) return error;
  const chain = causes(error);
  const any = (test: (link: ErrorLink) => boolean) => chain.some(test);
  if (any((e) => TIMEOUTS.has(e.name) || TIMEOUTS.has(e.code))) return databaseError("timeout", error);
  if (any((e) => UNREACHABLE.has(e.code) || e.message.includes("fetch failed"))) return databaseError("unreachable", error);
  if (any((e) => BAD_ADDRESS.has(e.code))) return databaseError("bad_address", error);
  if (any((e) => REFUSED.test(`${e.code} ${e.message}`))) return databaseError("refused", error);
  if (any((e) => BUSY.test(`${e.code} ${e.message}`))) return databaseError("busy", error);
  return databaseError("failed", error);
}

/** True when the tables are gone: another database took the place of the one that was migrated. */
export function isMissingTable(error: unknown): boolean {
  return causes(error).some((e) => e.code === "P2021" || e.message.includes("no such table"));
}

/** For the app's own log: the messages of an error and of what caused it, without `secrets`. */
export function describeError(error: unknown, secrets: (string | undefined)[]): string {
  let text = causes(error)
    .map((e) => [e.code, e.message].filter(Boolean).join(": "))
    .join(" <- ");
  for (const secret of secrets) if (secret) text = text.replaceAll(secret, "[secret]");
  return text.replace(/\/\/[^/@\s]*@/g, "//").replace(/authToken=[^&\s]+/g, "authToken=[secret]");
}

type ErrorLink = { name: string; code: string; message: string };

function causes(error: unknown): ErrorLink[] {
  const chain: ErrorLink[] = [];
  const queue = [error];
  while (queue.length > 0 && chain.length < 8) {
    const link = queue.shift() as Record<string, unknown> | null | undefined;
    if (typeof link !== "object" || link === null) continue;
    chain.push({ name: text(link["name"]), code: text(link["code"]), message: text(link["message"]) });
    const meta = link["meta"] as { driverAdapterError?: unknown } | undefined;
    queue.push(link["cause"], meta?.driverAdapterError);
  }
  return chain;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
