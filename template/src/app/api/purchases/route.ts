import { connection, type NextRequest } from "next/server";
import { answer } from "@/lib/http";
import { listPurchases } from "@/lib/shop";

export async function GET(request: NextRequest): Promise<Response> {
  await connection();
  return answer(request, async () => Response.json(await listPurchases(), { headers: { "cache-control": "no-store" } }));
}
