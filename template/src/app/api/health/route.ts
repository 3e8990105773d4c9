import { connection } from "next/server";
import { databaseHealth } from "@/lib/health";
import type { Health } from "@/lib/note-types";

export async function GET(): Promise<Response> {
  await connection();
  const health: Health = { ok: true, database: await databaseHealth() };
  return Response.json(health, { headers: { "cache-control": "no-store" } });
}
