// Brings a database to the newest schema: runs every folder of prisma/migrations that the table `_app_migrations` does
// not list yet, in name order, each in one transaction together with the note that it ran.
import type { Client } from "@libsql/client";
import { readFile, readdir } from "node:fs/promises";
import path from "node:path";
import { splitSql } from "./sql-split";

const LEDGER = `CREATE TABLE IF NOT EXISTS _app_migrations (
  name TEXT PRIMARY KEY,
  applied_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
)`;

export async function migrate(client: Client, folder = migrationsFolder()): Promise<string[]> {
  let applied = await listApplied(client);
  const ran: string[] = [];
  for (const name of await listFolders(folder)) {
    if (applied.has(name)) continue;
    const statements = splitSql(await readFile(path.join(folder, name, "migration.sql"), "utf8"));
    try {
      await client.migrate([...statements, { sql: "INSERT INTO _app_migrations (name) VALUES (?)", args: [name] }]);
      ran.push(name);
    } catch (error) {
      // Another instance of the app may have been first.
      applied = await listApplied(client);
      if (!applied.has(name)) throw error;
    }
  }
  return ran;
}

async function listApplied(client: Client): Promise<Set<string>> {
  const [, names] = await client.batch([LEDGER, "SELECT name FROM _app_migrations"], "write");
  return new Set(names!.rows.map((row) => String(row["name"])));
}

async function listFolders(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name).sort();
}

function migrationsFolder(): string {
  return path.join(/* turbopackIgnore: true */ process.cwd(), "prisma", "migrations");
}
