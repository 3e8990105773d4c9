import { connection } from "next/server";
import { overlayProblem } from "@/lib/config";
import { authHealth, databaseHealth, paymentsHealth, storageHealth } from "@/lib/health";
import type { Health } from "@/lib/note-types";
import { serviceKeys, serviceMode, SERVICES } from "@/lib/services";

export async function GET(): Promise<Response> {
  await connection();
  const [database, auth, storage, payments] = await Promise.all([databaseHealth(), authHealth(), storageHealth(), paymentsHealth()]);
  const services = SERVICES.map((id) => ({ id, keys: serviceKeys(id), mode: serviceMode(id) }));
  const problem = overlayProblem();
  const health: Health = { ok: true, database, auth, storage, payments, services, ...(problem && { keys: problem }) };
  return Response.json(health, { headers: { "cache-control": "no-store" } });
}
