// The database of this app: Prisma over libSQL, at the address and with the key that `cfg` names now. When either
// changes, the next query opens the new database and brings it to the newest schema first.
import "server-only";
import { createClient, type Config } from "@libsql/client";
import { PrismaLibSql } from "@prisma/adapter-libsql";
import { PrismaClient } from "@/generated/prisma/client";
import { cfg } from "./config";
import { databaseError, describeError, isMissingTable, toDatabaseError } from "./db-error";
import { quietLog } from "./log";
import { migrate } from "./migrate";

const ANSWER_WITHIN_MS = 8_000;
const CLOSE_OLD_AFTER_MS = 15_000;

const log = quietLog("database");

type Opened = { url: string; token: string | undefined; client: Promise<PrismaClient> };

// On globalThis, so that a reloaded module of `next dev` finds the open client again.
const kept = globalThis as typeof globalThis & { __appDatabase?: Opened };

/** Runs `query`; every failure becomes a DatabaseError and is logged without secrets. */
export async function withDatabase<T>(query: (db: PrismaClient) => Promise<T>): Promise<T> {
  let opened: Opened | undefined;
  try {
    opened = open();
    return await query(await opened.client);
  } catch (error) {
    if (isMissingTable(error)) forget(opened);
    const wrapped = toDatabaseError(error);
    log(`${wrapped.code}: ${describeError(wrapped.cause ?? wrapped, [opened?.token])}`);
    throw wrapped;
  }
}

function open(): Opened {
  const url = cfg("TURSO_DATABASE_URL");
  const token = cfg("TURSO_AUTH_TOKEN");
  if (!url) throw databaseError("not_set");
  const current = kept.__appDatabase;
  if (current && current.url === url && current.token === token) return current;
  const next: Opened = { url, token, client: connect({ url, authToken: token, fetch: boundedFetch }) };
  next.client.catch(() => forget(next));
  kept.__appDatabase = next;
  if (current) closeLater(current);
  return next;
}

async function connect(config: Config): Promise<PrismaClient> {
  const client = createClient(config);
  try {
    const ran = await migrate(client);
    if (ran.length > 0) console.log(`database: migrated: ${ran.join(", ")}`);
  } finally {
    client.close();
  }
  return new PrismaClient({ adapter: new PrismaLibSql(config) });
}

function forget(opened: Opened | undefined): void {
  if (opened && kept.__appDatabase === opened) {
    kept.__appDatabase = undefined;
    closeLater(opened);
  }
}

/** Queries that still run on a client that is no longer used may finish first. */
function closeLater(opened: Opened): void {
  setTimeout(() => {
    opened.client.then((client) => client.$disconnect()).catch(() => undefined);
  }, CLOSE_OLD_AFTER_MS).unref();
}

function boundedFetch(request: Request): Promise<Response> {
  return fetch(request, { cache: "no-store", signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
}
