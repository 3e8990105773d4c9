import { connection } from "next/server";
import { authHealth, databaseHealth, paymentsHealth, storageHealth } from "@/lib/health";
import type { Health } from "@/lib/note-types";

export async function GET(): Promise<Response> {
  await connection();
  const [database, auth, storage, payments] = await Promise.all([databaseHealth(), authHealth(), storageHealth(), paymentsHealth()]);
  const health: Health = { ok: true, database, auth, storage, payments };
  return Response.json(health, { headers: { "cache-control": "no-store" } });
}
