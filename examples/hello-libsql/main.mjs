// A notebook in a build's database. Nothing here knows valetkey: the vendor's own client takes address and token from the
// environment, as its documentation shows.
//
//   valetkey run demo -- node examples/hello-libsql/main.mjs ["a line to add"]
import { createClient } from "@libsql/client";

const { TURSO_DATABASE_URL: url, TURSO_AUTH_TOKEN: authToken } = process.env;
if (!url || !authToken) {
  console.error("TURSO_DATABASE_URL and TURSO_AUTH_TOKEN are not set. Start this with: valetkey run demo -- node main.mjs");
  process.exit(2);
}

const db = createClient({ url, authToken });
try {
  await db.execute("CREATE TABLE IF NOT EXISTS visits (id INTEGER PRIMARY KEY, at TEXT NOT NULL, note TEXT NOT NULL)");
  await db.batch(
    [
      { sql: "INSERT INTO visits (at, note) VALUES (?, ?)", args: [new Date().toISOString(), process.argv[2] ?? "Hello from Node"] },
      // Keeps the ten newest, in the same transaction.
      "DELETE FROM visits WHERE id <= (SELECT max(id) FROM visits) - 10",
    ],
    "write",
  );
  const { rows, columns } = await db.execute("SELECT id, at, note FROM visits ORDER BY id DESC");
  print(columns, rows);
} catch (error) {
  console.error(`The database at ${url} did not answer as expected: ${error.message}`);
  process.exitCode = 1;
} finally {
  db.close();
}

function print(columns, rows) {
  const cells = [columns, ...rows.map((row) => columns.map((name) => String(row[name])))];
  const widths = columns.map((_, i) => Math.max(...cells.map((line) => line[i].length)));
  const line = (values, left, middle, right) => left + values.join(middle) + right;
  const bar = (left, middle, right) => line(widths.map((w) => "─".repeat(w + 2)), left, middle, right);
  const body = cells.map((values) => line(values.map((v, i) => ` ${v.padEnd(widths[i])} `), "│", "│", "│"));
  console.log([bar("┌", "┬", "┐"), body[0], bar("├", "┼", "┤"), ...body.slice(1), bar("└", "┴", "┘")].join("\n"));
}
