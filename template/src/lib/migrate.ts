// Brings a database to the newest schema: runs every folder of prisma/migrations that the table `_app_migrations` does
// not list yet, in name order, each in one transaction together with the note that it ran. Then the same with the files of
// prisma/seeds and the table `_app_seeds`.
import type { Client } from "@libsql/client";
import { readFile, readdir } from "node:fs/promises";
import path from "node:path";
import { splitSql } from "./sql-split";

type Step = { name: string; file: string };

export async function migrate(client: Client, folder = prismaFolder("migrations"), seeds = prismaFolder("seeds")): Promise<string[]> {
  const ran = await runOnce(client, "_app_migrations", await listMigrations(folder));
  return [...ran, ...(await runOnce(client, "_app_seeds", await listSeeds(seeds)))];
}

async function runOnce(client: Client, ledger: "_app_migrations" | "_app_seeds", steps: Step[]): Promise<string[]> {
  let done = await listDone(client, ledger);
  const ran: string[] = [];
  for (const { name, file } of steps) {
    if (done.has(name)) continue;
    const statements = splitSql(await readFile(file, "utf8"));
    try {
      await client.migrate([...statements, { sql: `INSERT INTO ${ledger} (name) VALUES (?)`, args: [name] }]);
      ran.push(name);
    } catch (error) {
      // Another instance of the app may have been first.
      done = await listDone(client, ledger);
      if (!done.has(name)) throw error;
    }
  }
  return ran;
}

/** Migrations that `valetkey db apply` ran count as well: their names are in a table of its own. */
async function listDone(client: Client, ledger: string): Promise<Set<string>> {
  const [, applied, names] = await client.batch(
    [
      `CREATE TABLE IF NOT EXISTS ${ledger} (
        name TEXT PRIMARY KEY,
        applied_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
      )`,
      "SELECT count(*) AS n FROM sqlite_schema WHERE type = 'table' AND name = '_valetkey_migrations'",
      `SELECT name FROM ${ledger}`,
    ],
    "write",
  );
  const done = new Set(names!.rows.map((row) => String(row["name"])));
  if (ledger !== "_app_migrations" || Number(applied!.rows[0]!["n"]) === 0) return done;
  const [, all] = await client.batch(
    [`INSERT OR IGNORE INTO ${ledger} (name) SELECT name FROM _valetkey_migrations`, `SELECT name FROM ${ledger}`],
    "write",
  );
  return new Set(all!.rows.map((row) => String(row["name"])));
}

async function listMigrations(folder: string): Promise<Step[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return steps(entries.filter((entry) => entry.isDirectory()).map((entry) => [entry.name, path.join(folder, entry.name, "migration.sql")]));
}

/** An app without seeds has no such folder. */
async function listSeeds(folder: string): Promise<Step[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  return steps(names.filter((name) => name.endsWith(".sql")).map((name) => [name.slice(0, -4), path.join(folder, name)]));
}

function steps(pairs: [string, string][]): Step[] {
  return pairs.map(([name, file]) => ({ name, file })).sort((a, b) => (a.name < b.name ? -1 : 1));
}

function prismaFolder(name: string): string {
  return path.join(/* turbopackIgnore: true */ process.cwd(), "prisma", name);
}
