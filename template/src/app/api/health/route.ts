import { connection } from "next/server";
import { authHealth, databaseHealth, storageHealth } from "@/lib/health";
import type { Health } from "@/lib/note-types";

export async function GET(): Promise<Response> {
  await connection();
  const [database, auth, storage] = await Promise.all([databaseHealth(), authHealth(), storageHealth()]);
  const health: Health = { ok: true, database, auth, storage };
  return Response.json(health, { headers: { "cache-control": "no-store" } });
}
